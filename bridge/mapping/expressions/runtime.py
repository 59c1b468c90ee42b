"""What compiled expressions need at run time where one line of Python is not enough: types, equality, order, emptiness.

The types are JMESPath's; numbers are `int` and `Decimal` (and `float`, which no document holds), and a boolean is no
number.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import NoneType
from typing import NoReturn

from bridge.core.json_text import Json

CLASSES: Mapping[str, tuple[type, ...]] = {
    "null": (NoneType,),
    "boolean": (bool,),
    "number": (int, Decimal, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
ANY = frozenset(CLASSES)
NUMBERS = frozenset(CLASSES["number"])
BOXES = frozenset((list, dict))
KEPT = NUMBERS | {bool}
"""Classes whose empty value (0, false) is a value all the same."""

MOST_NODES = 200_000
"""Values that what one webhook's rules build may hold, together."""
MOST_TEXT = 1 << 20
"""Characters that any one text may have."""
MOST_TEXTS = 16 << 20
"""Characters that all texts built for one webhook may have, each repeated one counted each time."""

_MOST_DIGITS = 400
_TOO_LARGE = 10**_MOST_DIGITS

_WORDS = {NoneType: "null", bool: "a boolean", str: "text", list: "a list", dict: "an object"}


class CannotEvaluate(Exception):
    """A value cannot be evaluated. The text says why and holds no value; `kind` is the compliance suite's word."""

    def __init__(self, text: str, *, kind: str = "invalid-value") -> None:
        super().__init__(text)
        self.text = text
        self.kind = kind


def type_of(value: Json) -> str:
    """The JMESPath type of a value."""
    for word, classes in CLASSES.items():
        if value.__class__ in classes:
            return word
    raise CannotEvaluate("an expression reference is no value", kind="invalid-type")


def type_name(value: Json) -> str:
    """A value's type as a message names it; never the value."""
    return _WORDS.get(value.__class__, "a number")


def is_true(value: Json) -> bool:
    """JMESPath's truth: everything but null, "", [], {} and false."""
    return bool(value) or value.__class__ in NUMBERS


def are_equal(one: Json, other: Json) -> bool:
    """JMESPath's equality: by value and type, all the way down, numbers by their worth."""
    if one.__class__ is bool or other.__class__ is bool:
        return one is other
    if one.__class__ is list:
        return other.__class__ is list and len(one) == len(other) and all(map(are_equal, one, other))
    if one.__class__ is dict:
        if other.__class__ is not dict or one.keys() != other.keys():
            return False
        return all(are_equal(value, other[key]) for key, value in one.items())
    return bool(one == other)


def are_ordered(one: Json, other: Json) -> bool:
    """Whether two values have an order: two numbers, or two texts."""
    return (one.__class__ in NUMBERS and other.__class__ in NUMBERS) or (one.__class__ is str is other.__class__)


def is_less(one: Json, other: Json) -> bool | None:
    """`one < other`, null where they have no order."""
    return one < other if are_ordered(one, other) else None


def at_most(one: Json, other: Json) -> bool | None:
    """`one <= other`, null where they have no order."""
    return one <= other if are_ordered(one, other) else None


def bound_text(text: str) -> str:
    """`text`, refused where it, or all texts built for this webhook, are longer than a mapping may build."""
    if len(text) > MOST_TEXT:
        raise CannotEvaluate("builds a text of over 1 MiB")
    _built.text += len(text)
    if _built.text > MOST_TEXTS:
        raise CannotEvaluate("builds texts of over 16 MiB together")
    return text


class _BuiltText(threading.local):
    """How many characters of text were built in this thread since `begin_building`."""

    text = 0


_built = _BuiltText()


def begin_building() -> None:
    """From here on the texts of another webhook are built."""
    _built.text = 0


def bound_digits(number: int | Decimal) -> int | Decimal:
    """`number`, refused where writing it out would take over 400 digits."""
    if isinstance(number, int):
        fits = -_TOO_LARGE < number < _TOO_LARGE
    else:
        fits = abs(number.adjusted()) <= _MOST_DIGITS and len(number.as_tuple().digits) <= _MOST_DIGITS
    if not fits:
        raise CannotEvaluate(f"comes to a number of over {_MOST_DIGITS} digits")
    return number


class Pruner:
    """Leaves out of what rules build whatever is nothing, and counts what stays against a bound."""

    __slots__ = ("left", "left_text")

    def __init__(self) -> None:
        self.left = MOST_NODES
        self.left_text = MOST_TEXTS

    def prune_value(self, value: Json) -> Json:
        """A copy without null, "", [] and {} at any depth; None where nothing is left."""
        self.left -= 1
        if self.left < 0:
            raise CannotEvaluate(f"builds more than {MOST_NODES:,} values")
        if value.__class__ is dict:
            pairs = [(key, self.prune_value(item)) for key, item in value.items()]
            return {key: item for key, item in pairs if item is not None} or None
        if value.__class__ is list:
            return [item for item in map(self.prune_value, value) if item is not None] or None
        if value.__class__ is str:
            self.left_text -= len(value)
            if self.left_text < 0:
                raise CannotEvaluate("builds texts of over 16 MiB together")
        return None if value == "" else value


@functools.cache
def classes_of(types: frozenset[str]) -> frozenset[type]:
    """The Python classes of JMESPath types."""
    return frozenset(each for word in types for each in CLASSES[word])


def null_guard(types: frozenset[str]) -> str:
    """How to keep null away from a function that takes `types`."""
    return next(text for kind, text in _FALLBACKS.items() if kind in types)


def wrong_argument(function: str, position: int, value: Json, wanted: str) -> NoReturn:
    """Refuse an argument's type."""
    raise CannotEvaluate(
        f"{function}() takes {wanted} as argument {position}, got {type_name(value)}", kind="invalid-type"
    )


def check_items(function: str, position: int, value: list[Json], kinds: tuple[str, ...]) -> None:
    """Refuse a list whose items are not all of one of `kinds`."""
    for kind in kinds:
        classes = CLASSES[kind]
        if all(item.__class__ in classes for item in value):
            return
    wanted = " or all ".join(PLURALS[kind] for kind in kinds)
    raise CannotEvaluate(f"{function}() takes a list of all {wanted} as argument {position}", kind="invalid-type")


_FALLBACKS = {"string": "`… || ''`", "array": "``… || `[]` ``", "object": "``… || `{}` ``", "number": "``… || `0` ``"}
PLURALS = {"number": "numbers", "string": "texts"}
SPOKEN = {
    "null": "null",
    "boolean": "a boolean",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "an object",
}

Call = Callable[..., Json]
