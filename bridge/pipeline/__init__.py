"""The loops that work on what is kept: translate webhooks, deliver events, delete what is old enough."""
