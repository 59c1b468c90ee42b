"""What is kept of an answer holds no API key, whatever the upstream did to it before it repeated it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.pipeline.key_removal import remove_key

KEY = "sk_live/+4eC39=="
"""Has characters that JSON, URLs and HTML escape."""
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": lambda key: "".join(f"\\u{ord(one):04x}" for one in key),
    "json in upper case": lambda key: "".join(f"\\u{ord(one):04X}" for one in key),
    "one letter of it": lambda key: key.replace("k", "\\u006b"),
    "json with slashes escaped": lambda key: key.replace("/", "\\/"),
    "json twice": lambda key: json.dumps("".join(f"\\u{ord(one):04x}" for one in key)),
    "python": lambda key: "".join(f"\\x{ord(one):02x}" for one in key),
    "percent": lambda key: quote(key, safe=""),
    "percent of each": lambda key: "".join(f"%{ord(one):02X}" for one in key),
    "percent twice": lambda key: quote(quote_plus(key)),
    "html": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "html in hexadecimal": lambda key: "".join(f"&#x{ord(one):02X};" for one in key),
    "html twice": lambda key: html.escape("".join(f"&#{ord(one)};" for one in key)),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a login": lambda key: base64.b64encode(f"u:{key}:x".encode()).decode(),
    "base64 for urls": lambda key: base64.urlsafe_b64encode(f"key={key}".encode()).decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_removed_however_it_is_written(spelling: str) -> None:
    said = SPELLINGS[spelling](KEY)
    kept = remove_key(f'{{"error": "the key {said} may not"}}', KEY)
    assert said not in kept
    assert "[key]" in kept
    assert kept.startswith('{"error": "the key ')
    assert kept.endswith(' may not"}')


@given(st.text(max_size=200))
def test_an_answer_without_the_key_stays_as_it_is(text: str) -> None:
    assert remove_key(text, KEY) == text


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=8, max_size=80), st.binary(max_size=9))
def test_base64_of_any_key_within_anything_is_found(key: str, before: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert "[key]" in remove_key(encode(before + key.encode() + before).decode(), key)


@pytest.mark.parametrize("text", ["\\", "%25", "&amp;", "&#0", "\\\\u0073"])
def test_a_hostile_answer_is_looked_through_to_its_end(text: str) -> None:
    assert remove_key(text * 10_000 + KEY, KEY).endswith("[key]")


def test_a_key_too_short_to_be_told_from_a_word_is_not_looked_for() -> None:
    assert remove_key("the key secret may not", "secret") == "the key secret may not"


def test_of_a_long_secret_nothing_is_left() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 50
    for said in (key, key.replace("\n", "\\n"), quote(key), base64.b64encode(key.encode()).decode()):
        assert remove_key(f"you sent {said}", key, removed="[private_key]") == "you sent [private_key]"
