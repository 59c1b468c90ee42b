"""A request, an outcome, and why there is none, as examples write them and `try` prints them."""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.core.delivery import (
    Delivered,
    DeliveryUpdate,
    Misconfigured,
    Mixed,
    Outcome,
    Outgoing,
    Rejected,
    Resend,
    Retryable,
    Unsent,
)
from bridge.core.json_text import Json
from bridge.destinations.answer_words import cut_words

_MASKED = re.compile(r"%5B([A-Za-z_][A-Za-z0-9_]*)%5D")


def describe_request(made: Outgoing) -> dict[str, Json]:
    """Method, address, headers and body. Names of secrets in brackets are shown as they are in addresses, too."""
    try:
        body: Json = json_text.parse_json(made.body)
    except ValueError:
        body = made.body.decode("utf-8", "replace")
    url = _MASKED.sub(r"[\1]", made.url)
    return {"method": made.method, "url": url, "headers": dict(made.headers), "body": body}


def describe_unsent(made: Unsent) -> list[dict[str, Json]]:
    """What becomes of each delivery without a request: `{skipped: reason}`, `{rejected: …}` or `{waits: …}`."""
    return [_describe_update(update) for update in made.updates]


def _describe_update(update: DeliveryUpdate) -> dict[str, Json]:
    word = {"skipped": "skipped", "dead": "rejected"}.get(str(update.state), "waits")
    return {word: update.reason}


def describe_outcome(outcome: Outcome) -> Json:
    """`delivered`, or `{rejected: reason}`, `{retry: …}`, `{pause: …}`, `{resend: …}`; for each item a list of them."""
    match outcome:
        case Mixed(outcomes):
            return [_describe_one(one) for one in outcomes]
        case Delivered() | Rejected() | Retryable() | Misconfigured():
            return _describe_one(outcome)


def _describe_one(outcome: Delivered | Rejected | Retryable | Misconfigured | Resend) -> Json:
    match outcome:
        case Delivered(None):
            return "delivered"
        case Delivered(note):
            return {"delivered": cut_words(note or "")}
        case Rejected(reason):
            return {"rejected": cut_words(reason)}
        case Retryable(reason):
            return {"retry": cut_words(reason)}
        case Misconfigured(reason):
            return {"pause": cut_words(reason)}
        case Resend():
            return "resend"
