"""How a line of the log is written: as text for people, or as one JSON object for machines.

Both are one line of ASCII, at most `MOST_BYTES` long: long values are cut, and there are as many fields as fit.
"""

from __future__ import annotations

import codecs
import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

MOST_BYTES = 4096
"""Of a line with its newline: Linux's pipes take so many bytes whole, so lines of several processes never mix."""
_PLAIN = f"{string.ascii_letters}{string.digits}_.:/+*#@-"
_LONGEST = MOST_BYTES - 64
"""Characters of a line of text without its time, its level and the count of fields that were left out."""
_LONGEST_VALUE = 1024
"""Characters of a value as it is written; one beyond ASCII takes up to twelve."""
_escape = codecs.getencoder("unicode_escape")
"""Looked up here: Python reads this codec from a file, and a process without a free descriptor must log that, too."""
_WHOLE_ESCAPES = re.compile(r"(?:\\x..|\\u.{4}|\\U.{8}|\\[^xuU]|[^\\])*")
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened, and its fields; those that are None are left out.

    It is the `msg` of a record of `logging`, so that any handler can have the fields with their types.
    """

    what: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        """The line as text, without its time and level."""
        return format_text(self)


def format_text(line: LogLine) -> str:
    """`what key=value key="a value"`."""
    text = line.what
    for key, value in line.fields.items():
        if value is not None:
            text = f"{text} {key}={value if type(value) is str and _is_plain(value) else _quote_value(value)}"
    return text if len(text) <= _LONGEST else _shorten_text_line(line)


def format_json(line: LogLine, *, time: str, level: str, process: str) -> str:
    """One object: `time`, `level`, `process` and `event`, then the fields.

    `process` is the one that the line is about: its own, unless a field says otherwise.
    """
    head: dict[str, object] = {"time": time, "level": level, "process": process, "event": line.what}
    fields = {key: _json_value(value) for key, value in line.fields.items() if value is not None}
    text = _encode_json(head | fields)
    return text if len(text) < MOST_BYTES else _shorten_object(head, fields)


def _shorten_object(head: Mapping[str, object], fields: Mapping[str, object]) -> str:
    shown, left_out = dict(head), 0
    for key, value in fields.items():
        more = shown | {key: _shorten_value(value) if isinstance(value, str) else value}
        if len(_encode_json(more | {"left_out": len(fields)})) < MOST_BYTES:
            shown = more
        else:
            left_out += 1
    return _encode_json(shown | {"left_out": left_out} if left_out else shown)


def _json_value(value: object) -> object:
    """A value of a type that JSON has; half a surrogate pair would be no text to many readers."""
    match value:
        case bool() | int():
            return value
        case float() if isfinite(value):
            return round(value, 3)
        case _:
            return str(value).encode("utf-8", "replace").decode()


def _shorten_value(text: str) -> str:
    start = text[:_LONGEST_VALUE]
    while (size := len(_encode_json(start))) > _LONGEST_VALUE:
        start = start[: len(start) * _LONGEST_VALUE // size]
    return text if start == text else f"{start}{_cut_note(text)}"


def _shorten_text_line(line: LogLine) -> str:
    text, left_out = line.what, 0
    for key, value in line.fields.items():
        if value is None:
            continue
        shown = _quote_value(value)
        if _is_plain(shown) and len(shown) > _LONGEST_VALUE:
            shown = _shorten_text(shown)
        field = f" {key}={shown}"
        if len(text) + len(field) <= _LONGEST:
            text += field
        else:
            left_out += 1
    return f"{text} left_out={left_out}" if left_out else text


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes: then nothing is left of it when it is stripped. No pattern is as quick."""
    return bool(text) and not text.strip(_PLAIN)


def _quote_value(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    if _is_plain(text):
        return text
    escaped = _escape_text(text)
    return f'"{escaped}"' if len(escaped) <= _LONGEST_VALUE else _shorten_text(text)


def _shorten_text(text: str) -> str:
    start = _WHOLE_ESCAPES.match(_escape_text(text), 0, _LONGEST_VALUE)
    return f'"{start[0] if start else ""}{_cut_note(text)}"'


def _cut_note(text: str) -> str:
    return f"... ({len(text)} characters)"


def _escape_text(text: str) -> str:
    return _escape(text)[0].decode("ascii").replace('"', '\\"')
