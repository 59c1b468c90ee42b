"""Reads a webhook's body as JSON or a form; where it is neither, says what it is instead, and the remedy."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Webhook

_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})
_FORM_TYPE = "application/x-www-form-urlencoded"
_FORM = re.compile(rb"[\w.\[\]%+-]{1,200}=[^{}\s]*")
UNREADABLE_BODY = "the body cannot be read"
_UNPACKED = "turn compression off at the provider or at the proxy in front"
_FOR_OPERATORS = {
    "send it uncompressed": _UNPACKED,
    "send it in UTF-8": "the provider, or a relay between it and here, must send UTF-8",
}
"""What a caller is told to do with a body of its own, and what the operator can do about a provider's."""


def parse_body(webhook: Webhook) -> tuple[Json, str | None]:
    """What the body holds, and why it cannot be read, if it cannot. A byte order mark before JSON is passed over."""
    kind = webhook.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == _FORM_TYPE:
            return dict(reversed(parse_qsl(json_text.decode_utf8(webhook.body), keep_blank_values=True))), None
        return json_text.parse_json(webhook.body, strict=False), None
    except ValueError as error:
        return None, f"{UNREADABLE_BODY}: {_fault_text(webhook, str(error))}"


def _fault_text(webhook: Webhook, fault: str) -> str:
    """What is wrong with a body, for the operator of a bridge, who did not write it."""
    body = webhook.body.strip()
    for told, remedy in _FOR_OPERATORS.items():
        fault = fault.replace(told, remedy)
    if not body:
        return "it is empty"
    if body[:1] == b"<":
        return f"{fault}; it is HTML or XML, and a mapping reads JSON and forms"
    if _FORM.match(body):
        return f"{fault}; it looks like a form, which must have the Content-Type {_FORM_TYPE}"
    hint = "" if _UNPACKED in fault else _compression_hint(webhook)
    return fault.partition("; ")[0] + hint if hint else fault


def _compression_hint(webhook: Webhook) -> str:
    """What a header says of a body that cannot be read, and the remedy."""
    encoding = webhook.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return ""
    named = encoding if encoding in _ENCODINGS else "something else than identity"
    return f"; its Content-Encoding is {named}: {_UNPACKED}"
