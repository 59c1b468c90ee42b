"""What all token endpoints share: how they are posted to, and what they answer, by RFC 6749 section 5. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit

from bridge.core import json_text
from bridge.core.access_token import AccessToken, TokenDenied, TokenRequest
from bridge.core.json_text import Json
from bridge.destinations.answer_words import cut_words, status_text

_LONGEST = 86_400
_UNTOLD = 3600
"""Seconds that a token is used of which the answer does not say how long it is good; one that ends earlier is refused,
and then renewed."""
_DIGITS = re.compile(r"[0-9]{1,9}")
_OK, _MANY = 200, 429
_HEADERS = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


def make_form_request(
    url: str,
    form: Mapping[str, str],
    *,
    origin: str | None,
    secrets: tuple[tuple[str, str], ...],
    headers: Mapping[str, str] | None = None,
) -> TokenRequest:
    """A POST of a form; `origin` replaces scheme, host and port of the address."""
    if origin is not None:
        other, parts = urlsplit(origin), urlsplit(url)
        url = urlunsplit((other.scheme, other.netloc, parts.path, parts.query, ""))
    return TokenRequest(url, {**_HEADERS, **(headers or {})}, urlencode(form).encode(), secrets)


def read_token_answer(status: int | None, text: str, *, no_longer: str | None = None) -> AccessToken | TokenDenied:
    """The token of an answer. What is refused pauses, all else is asked again; `no_longer` says so of a refresh token.

    Without a `status`, `text` is why there was no answer.
    """
    if status is None:
        return TokenDenied(f"no token: {text or 'no answer'}", pauses=False)
    document = parse_object(text)
    token, refresh_token = document.get("access_token"), document.get("refresh_token")
    if status == _OK and isinstance(token, str) and token:
        newer = refresh_token if isinstance(refresh_token, str) and refresh_token else None
        return AccessToken(token, _read_lasts(document.get("expires_in")), newer)
    if document.get("error") == "invalid_grant" and no_longer is not None:
        return TokenDenied(no_longer, pauses=True)
    told = f"no token: {status_text(status)}"
    if (400 <= status < 500 and status != _MANY) or (status == _OK and "error" in document):  # noqa: PLR2004
        words = " ".join(str(document.get(name) or "") for name in ("error", "error_description"))
        return TokenDenied(f"{told}: {cut_words(words)}", pauses=True)
    return TokenDenied(told, pauses=False)


def parse_object(text: str) -> dict[str, Json]:
    """A JSON object; an empty one for anything else."""
    try:
        document = json_text.parse_json(text, strict=False)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _read_lasts(value: Json) -> timedelta:
    """How long a token is good; some platforms write the number as text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return timedelta(seconds=min(int(text), _LONGEST) if _DIGITS.fullmatch(text) else _UNTOLD)
