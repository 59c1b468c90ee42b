"""The ingest log: webhooks on disk before they have a row."""
