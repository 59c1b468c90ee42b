"""The values of plain YAML scalars, by the core schema of YAML 1.2: https://yaml.org/spec/1.2.2/#103-core-schema.

`no`, `on`, `12:30` and `1_000` are text. What would lose digits or meaning (a leading zero, `.inf`) is refused.
"""

from __future__ import annotations

import re

from bridge.core import json_text
from bridge.core.json_text import Json

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(r"([-+]?)([0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")


def resolve_scalar(text: str) -> Json:
    """The value of a plain scalar. Raises ValueError with a sentence for a number that must not be one."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] not in "+-.0123456789":
        return text
    if _NOT_A_NUMBER.fullmatch(text):
        raise ValueError(f"{text} is no number of JSON; quote it if it is text")
    if _OTHER_BASE.fullmatch(text):
        raise ValueError(f"{text} is a number in another base; write it in decimal, or quote it if it is text")
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    sign, digits, exponent = found.groups(default="")
    whole = digits.partition(".")[0]
    if len(whole) > 1 and whole.startswith("0"):
        raise ValueError("a number with a leading zero; quote it if it is text")
    if sign == "+":
        raise ValueError("a number with a plus sign would lose it; quote it if it is text")
    return json_text.parse_json(_json_number(sign, digits, exponent))


def _json_number(sign: str, digits: str, exponent: str) -> str:
    whole, point, fraction = digits.partition(".")
    return f"{sign}{whole or '0'}{point if fraction else ''}{fraction}{exponent}"
