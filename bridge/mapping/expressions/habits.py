"""What people type from other languages, and what to write here: the remedy behind a message about an expression.

The text on both sides of the character at fault is looked at, not the tokens: most of it is no JMESPath at all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPERAND = r"[\w)\]\"'`]\s*$"


class _Habit(NamedTuple):
    """What stands before and at the character at fault, and what to write instead."""

    before: str
    here: str
    remedy: str


_HABITS = (
    _Habit(r"\{$", r"\{", "a template is not read here: write the path alone, such as `=body.id`"),
    _Habit(r"", r"\$\{", "a template is not read here: write the path alone, such as `=body.id`"),
    _Habit(r"", r"\$", "JSONPath is not read here: write `body` for `$`, as in `body.order.id`"),
    _Habit(r"", r"\?\?", "for the first that is something write `||`"),
    _Habit(r"", r"\?\.", "what is missing gives null by itself: write `.`"),
    _Habit(r"", r"\?", "for a choice write `choose(condition, yes, no)`"),
    _Habit(r"", r"\+", "write `add(…, …)` for numbers, `format('{}{}', …, …)` for texts"),
    _Habit(r"", r"->", "a path is written with dots: `body.id`"),
    _Habit(
        r"\w$", r"-[A-Za-z_]", 'a name with `-` stands in double quotes, `"{word}"`; a difference is `subtract(…, …)`'
    ),
    _Habit(_OPERAND, r"-", "for a difference write `subtract(…, …)`"),
    _Habit(_OPERAND, r"\*", "for a product write `multiply(…, …)`"),
    _Habit(_OPERAND, r"/", "for a quotient write `divide(…, …)`"),
    _Habit(r"\.\[$", r"-?\d", "an element is taken without the dot: `[{number}]`"),
    _Habit(r"\.$", r"\d", "an element of a list is taken with `[{number}]`"),
    _Habit(r"", r"-?\d", "a number stands in backticks: `{number}`"),
    _Habit(r"\[$", r"['\"]", 'a field is taken with a dot: `.name`, or `."odd name"`'),
    _Habit(r"\[$", r"[A-Za-z_]", "a condition in brackets begins with `?`: `[?name == 'x']`"),
    _Habit(r"<$", r">", "for *is not* write `!=`"),
    _Habit(_OPERAND, r"&", "for *and* write `&&`"),
    _Habit(r"", r"(?i:and)\b", "write `&&`"),
    _Habit(r"", r"(?i:or)\b", "write `||`"),
    _Habit(r"\b(?i:not)\s+$", r"", "for *not* write `!(…)`"),
    _Habit(r"\b(?i:if)\s+$", r"", "for a choice write `choose(condition, yes, no)`"),
    _Habit(r"", r"(?i:if|then|else|unless)\b", "for a choice write `choose(condition, yes, no)`"),
    _Habit(r"", r"(?i:is)\b", "write `==`"),
    _Habit(r"", r"(?i:in)\b", "write `contains([…], …)`"),
    _Habit(r"", r"(?i:like|matches)\b", "write `contains(…, …)`, `starts_with(…, …)` or `ends_with(…, …)`"),
    _Habit(r"", r";", "leave it out"),
)

_FUNCTIONS = {
    "len": "length", "size": "length", "count": "length", "tolowercase": "lower", "lowercase": "lower",
    "downcase": "lower", "touppercase": "upper", "uppercase": "upper", "upcase": "upper", "str": "to_string",
    "string": "to_string", "tostring": "to_string", "int": "decimal", "float": "decimal", "number": "decimal",
    "parseint": "decimal", "parsefloat": "decimal", "tonumber": "decimal", "tofixed": "decimal", "strip": "trim",
    "includes": "contains", "startswith": "starts_with", "endswith": "ends_with", "if": "choose", "iif": "choose",
    "ifelse": "choose", "concat": "format", "date": "iso8601", "timestamp": "iso8601", "to_date": "iso8601",
    "from_unix": "iso8601", "coalesce": "not_null", "default": "not_null", "first_non_null": "not_null",
    "md5": "sha256", "hash": "sha256", "json": "parse_json", "fromjson": "parse_json", "cents": "from_minor",
}  # fmt: skip
"""Functions of other languages, in lower case, and ours that does the same or nearly so."""


def suggest_remedy(expression: str, at: int) -> str:
    """What to write instead of what stands at `at`, behind a semicolon; empty where it is no known habit."""
    before, here = expression[:at], expression[at:]
    for habit in _HABITS:
        if re.search(habit.before, before) and re.match(habit.here, here):
            number = re.match(r"-?\d+(\.\d+)?", here)
            word = _match_text(r"[\w-]*$", before) + _match_text(r"^[\w-]*", here)
            remedy = habit.remedy.replace("{word}", word)
            return "; " + (remedy.replace("{number}", number[0]) if number else remedy)
    return ""


def suggest_own_function(name: str) -> str | None:
    """Our function that does what another language's of this name does; None where none is known."""
    return _FUNCTIONS.get(name.lower())


def _match_text(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else ""
