"""The words of the language of destinations: keys, roots, outcomes, and the options that every destination has."""

from __future__ import annotations

from collections.abc import Mapping

VERSION = 1
KEYS = (
    "destination", "kind", "title", "purpose", "vars", "secrets", "events", "follows", "limits", "let", "skip", "send",
    "request", "answers", "verdict",
)  # fmt: skip
LIMIT_KEYS = ("events", "bytes", "oldest", "ahead", "rate", "together")
FOLLOWS_KEYS = ("event_type", "by")
FOLLOWED_BY = "properties.order_id"
"""The one path by which a followed event is found: the store knows events by their order."""
SEND_KEYS = ("event_type", "when", "identify", "require", "item")
REQUEST_KEYS = ("url", "method", "headers", "auth", "body", "format")
ANSWER_KEYS = ("when", "is", "reason", "after", "note", "each", "rest")
VERDICT_KEYS = ("url", "after", "pending", "refused", "success")
REFUSED_KEYS = ("for_each", "in", "reason", "count")
EACH_KEYS = ("for_each", "in", "when", "at", "is", "reason")

PURPOSES = ("ads", "analytics", "marketing", "own")
"""Whose consent decides: `ads` and `marketing` by `consent.ads`, `analytics` by `consent.analytics`, `own` by none."""
METHODS = ("POST", "PUT", "PATCH")
FORMATS = ("json", "form")
OUTCOMES = ("delivered", "rejected", "retry", "pause")
RESTS = ("delivered", "retry", "resend")

EVENT_ROOTS = ("event", "event_name", "conversion_id", "value_left", "destination")
"""What `let`, `skip` and `send` read."""
REQUEST_ROOTS = ("items", "destination", "secrets")
VERDICT_ROOTS = ("note", "destination", "secrets")
"""What the address of `verdict` reads; `note` is what an answer to a request left."""
ANSWER_ROOTS = ("response", "destination")
DESTINATION = ("name", "test", "vars")
RESPONSE = ("status", "headers", "body", "text", "sent")

OPTIONS = (
    "test", "rate", "concurrency", "batch", "events", "without_consent", "url", "token_url", "insecure_http",
    "order_prefix",
)  # fmt: skip
"""What settings may hold for every destination, beside the file's own vars and secrets."""

AUTH_KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bearer": (("token",), ()),
    "header": (("header", "token"), ()),
    "basic": (("user",), ("password",)),
    "standard_webhooks": (("secret",), ("signature_header",)),
    "oauth1": (("secret",), ()),
    "google": (("secret", "scope"), ()),
    "oauth2": (("token_url", "client_id"), ("client_secret", "client_auth", "refresh_token", "scope", "authorize_url")),
}
"""The kinds of `auth`, each with the parameters that it needs and those that it may have."""
ADDRESSES = ("token_url", "authorize_url")
"""The parameters that are addresses."""
TOKEN_KINDS = frozenset({"google", "oauth2"})
"""Those that fetch a token."""
