"""The handlers of HTTP requests: webhooks, the track API, health, metrics."""
