"""Checks of one item, path by path; the first problem is what a platform names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

DAY = 86_400


def matching(pattern: str) -> Callable[[Any], bool]:
    """Whether a value is a text of this form."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


is_sha256 = matching("[0-9a-f]{64}")
is_currency = matching("[A-Z]{3}")
is_uuid = matching("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
is_decimal = matching(r"-?\d+(\.\d+)?")


def is_number(value: Any) -> bool:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether it is a whole JSON number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether it is a text that is not empty."""
    return isinstance(value, str) and value != ""


class ItemCheck:
    """Collects what is wrong with an item. Paths are dotted; a list on the way means each of its values."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self.problems: list[str] = [] if isinstance(item, dict) else ["is no object"]

    @property
    def first(self) -> str | None:
        """The first problem."""
        return self.problems[0] if self.problems else None

    def values(self, path: str) -> list[Any]:
        """All that stands at a path."""
        found = [self.item]
        for name in path.split("."):
            flat = [each for value in found for each in (value if isinstance(value, list) else [value])]
            found = [each[name] for each in flat if isinstance(each, dict) and name in each]
        return found

    def has(self, path: str) -> bool:
        """Whether anything that is not empty stands there."""
        return any(value not in (None, "", [], {}) for value in self.values(path))

    def require(self, *paths: str) -> None:
        """Something stands at each path."""
        self.problems += [f"{path} is missing" for path in paths if not self.has(path)]

    def require_any(self, *choices: str | Sequence[str]) -> None:
        """One of the paths is there, or all of one group."""
        groups = [[choice] if isinstance(choice, str) else choice for choice in choices]
        if not any(all(self.has(path) for path in group) for group in groups):
            self.problems.append("at least one user identifier must be provided")

    def match(self, what: str, fits: Callable[[Any], object], *paths: str) -> None:
        """What stands there, each value of a list, fits."""
        for path in paths:
            for value in self.values(path):
                wrong = [each for each in (value if isinstance(value, list) else [value]) if not fits(each)]
                if wrong:
                    self.problems.append(f"{path} is not {what}")

    def match_lists(self, *paths: str) -> None:
        """What stands there are lists."""
        self.problems += [
            f"{path} is not a list" for path in paths for value in self.values(path) if not isinstance(value, list)
        ]

    def hashed(self, prefix: str, *names: str) -> None:
        """What stands there, or each value of a list, is a SHA-256 in lower-case hex."""
        self.match(
            "a valid SHA-256 hash",
            is_sha256,
            *(f"{prefix}{name}" for name in names),
        )

    def one_of(self, path: str, words: Collection[Any]) -> None:
        """What stands there is one of the words."""
        self.match(f"one of {sorted(words)}", lambda value: value in words, path)

    def only(self, path: str, names: Collection[str]) -> None:
        """The object at the path ("" for the item) has these keys at most."""
        for value in [self.item] if not path else self.values(path):
            for each in value if isinstance(value, list) else [value]:
                self.problems += [
                    f"unknown field {path}.{name}"
                    for name in (each if isinstance(each, dict) else {})
                    if name not in names
                ]

    def within(self, path: str, *, now: float, oldest: float, ahead: float = 600, unit: float = 1) -> None:
        """The whole number there is a time of the last `oldest` seconds."""
        for value in self.values(path):
            if not is_whole(value):
                self.problems.append(f"{path} is not a whole number")
            elif not now - oldest <= value / unit <= now + ahead:
                self.problems.append(
                    f"{path}: the timestamp is too far in the {'past' if value / unit < now else 'future'}"
                )

    def money(
        self,
        value: str,
        currency: str,
        *,
        fits: Callable[[Any], object] = is_number,
        is_code: Callable[[Any], object] = is_currency,
    ) -> None:
        """An amount is a number, and its currency stands beside it as three letters."""
        self.match("a number", fits, value)
        self.match("a currency", is_code, currency)
        if self.has(value) and not self.has(currency):
            self.problems.append(f"{currency} is missing")
