"""JSON documents as YAML for people: blocks, quotes only where they are needed, numbers with their digits.

`document` reads it back unchanged.
"""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.yaml.scalars import resolve_scalar

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_/.-]*")
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./@+?&=%;$-]| (?=[A-Za-z0-9(])|[():](?=[A-Za-z0-9/]))*")
_OLD_WORDS = frozenset({"y", "n", "yes", "no", "on", "off"})
"""Truth to readers of YAML 1.1."""
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff]")


def dump_document(document: Json, *, indent: int = 0) -> str:
    """A document as a block that begins on a line of its own, or as one value."""
    margin = " " * indent
    match document:
        case dict() if document:
            return "\n".join(
                f"{margin}{_dump_key(key)}:{_dump_below(value, indent)}" for key, value in document.items()
            )
        case list() if document:
            return "\n".join(f"{margin}- {dump_document(item, indent=indent + 2).lstrip(' ')}" for item in document)
        case _:
            return f"{margin}{_dump_scalar(document)}"


def _dump_below(value: Json, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return f"\n{dump_document(value, indent=indent + 2)}"
    return f" {_dump_scalar(value)}"


def _dump_key(key: str) -> str:
    return key if _KEY.fullmatch(key) and _stays_plain(key) else _quote_text(key)


def _dump_scalar(value: Json) -> str:
    if not isinstance(value, str):
        return json_text.write_json(value).decode()
    if _PLAIN.fullmatch(value) and _stays_plain(value):
        return value
    return _quote_text(f"={value}" if value.startswith("=") else value)


def _stays_plain(text: str) -> bool:
    """Whether a plain text is text to every reader."""
    return text.lower() not in _OLD_WORDS and resolve_scalar(text) == text


def _quote_text(text: str) -> str:
    quoted = json_text.write_json(text).decode()
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
