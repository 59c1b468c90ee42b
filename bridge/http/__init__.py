"""What is answered over HTTP: webhooks, the track API, health, metrics. Not concerned with sockets or processes."""
