"""trackbridge: webhooks and track events in, kept safely, delivered upstream."""

__version__ = "0.1.0"
