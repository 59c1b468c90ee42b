"""How engines write values, bodies and webhooks as bytes, so that every engine reads them the same."""
