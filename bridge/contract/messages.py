"""Words for messages: where a field is, and what it held. They are safe to print whatever was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal

from bridge.core.json_text import Json

_LENGTH = 40
_STEPS = 6
_KINDS = {type(None): "null", dict: "an object", list: "an array"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def format_path(path: Sequence[str | int]) -> str:
    """A path as people write it, `properties.items[2].price`; `the event` for the whole. A long one is cut."""
    if not path:
        return "the event"
    spelt = "".join(_format_step(step) for step in path[:_STEPS]).removeprefix(".")
    return spelt if len(path) <= _STEPS else f"{spelt}…"


def describe_value(value: Json, *, shown: bool) -> str:
    """What a field held: its type and, where `shown`, the value itself, shortened.

    A text with an `@` is never shown: it may be a person's address, put into the wrong field.
    """
    spelt, kind = _spell_value(value)
    shown = shown and not (isinstance(value, str) and "@" in value)
    return f"{spelt} ({kind})" if shown and spelt else kind


def _spell_value(value: Json) -> tuple[str, str]:
    """A value in few letters, empty where its type says everything, and its type."""
    match value:
        case bool():
            return ("true" if value else "false"), "a boolean"
        case str():
            return _quote_text(value), "a string"
        case int() | float() | Decimal():
            return _shorten_text(str(value)), "a number"
        case _:
            return "", _KINDS.get(type(value), "no JSON")


def _format_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _NAME.fullmatch(step) else f"[{_quote_text(step)}]"


def _quote_text(text: str) -> str:
    quoted = json.dumps(_shorten_text(text), ensure_ascii=False)
    return quoted.encode("utf-8", "backslashreplace").decode("utf-8")


def _shorten_text(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"
