"""What is answered over HTTP: webhooks, the track API, health, metrics."""
