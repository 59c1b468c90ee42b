"""A compiled mapping at work on a webhook."""
