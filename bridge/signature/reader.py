"""One mapping of a recipe's YAML while it is being read: types checked, every problem noted, none fatal.

Not concerned with what the keys mean together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from bridge.core.errors import RecipeError

Path = tuple[str | int, ...]
"""Where a key stands: the keys and list positions that lead to it."""

Choice = TypeVar("Choice", bound=str)


class Sheet:
    """The keys of one mapping, asked for one by one. What is wrong goes to `problems`, and reads as absent."""

    def __init__(self, raw: Mapping[str, object], *, at: Path, problems: list[RecipeError]) -> None:
        self.at = at
        self.problems = problems
        self._raw = raw

    def __contains__(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def only(self, known: Sequence[str], *, elsewhere: Sequence[str] = (), here: str = "") -> None:
        """Note every key that is not `known`; one that is known `elsewhere` has no meaning `here`."""
        for key in self._raw:
            if key in known:
                continue
            if key in elsewhere:
                self.wrong(str(key), f"`{key}` has no meaning for {here}; leave it out")
            else:
                near = get_close_matches(str(key), known, 1)
                mend = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
                self.wrong(str(key), f"unknown key `{key}`; {mend}")

    def wrong(self, key: str | None, text: str) -> None:
        """Note that `key` is wrong, or the whole mapping where it is None or absent."""
        at = self.at if key is None or key not in self._raw else (*self.at, key)
        self.problems.append(RecipeError(at, text))

    def missing(self, key: str, mend: str) -> None:
        """Note that `key` must be there."""
        if key not in self._raw or self._raw[key] is None:
            self.wrong(key, f"`{key}` is missing; {mend}")

    def names(self) -> list[str]:
        """The names of all keys in order."""
        return [str(key) for key in self._raw]

    def raw(self, key: str) -> object:
        """What stands at `key`, of any type; None where nothing does."""
        return self._raw.get(key)

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(key, f"`{key}` must be a text, got {_type(value)}; put it in quotes")
            return None
        if not value:
            self.wrong(key, f"`{key}` must not be empty")
            return None
        return value

    def choice(self, key: str, known: Sequence[Choice]) -> Choice | None:
        """One of the `known` words."""
        value = self.text(key)
        if value is None:
            return None
        for word in known:
            if word == value:
                return word
        near = get_close_matches(value, known, 1)
        mend = f"; did you mean {str(near[0])!r}?" if near else ""
        self.wrong(key, f"`{key}` must be one of {', '.join(known)}, got {value!r}{mend}")
        return None

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._raw.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.wrong(key, f"`{key}` must be true or false, got {_type(value)}")
        return None

    def seconds(self, key: str) -> int | None:
        """A whole number of seconds, at least one."""
        value = self._raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.wrong(key, f"`{key}` must be a whole number of seconds, 1 or more")
            return None
        return value

    def texts(self, key: str) -> list[tuple[Path, str]]:
        """One text or a list of texts, each with the path where it stands."""
        value = self._raw.get(key)
        if value is None:
            return []
        if isinstance(value, str):
            return [((*self.at, key), value)]
        if not isinstance(value, list):
            self.wrong(key, f"`{key}` must be a text or a list of texts, got {_type(value)}")
            return []
        found: list[tuple[Path, str]] = []
        for number, entry in enumerate(value):
            if isinstance(entry, str):
                found.append(((*self.at, key, number), entry))
            else:
                at = (*self.at, key, number)
                self.problems.append(RecipeError(at, f"must be a text, got {_type(entry)}; put it in quotes"))
        return found

    def sheet(self, key: str) -> Sheet | None:
        """The mapping below `key`."""
        value = self._raw.get(key)
        return None if value is None else self._below((*self.at, key), value)

    def sheets(self, key: str) -> list[Sheet]:
        """The list of mappings below `key`."""
        value = self._raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, f"`{key}` must be a list, got {_type(value)}")
            return []
        found = [self._below((*self.at, key, number), entry) for number, entry in enumerate(value)]
        return [sheet for sheet in found if sheet is not None]

    def _below(self, at: Path, raw: object) -> Sheet | None:
        if isinstance(raw, Mapping):
            return Sheet(raw, at=at, problems=self.problems)
        self.problems.append(RecipeError(at, f"must be a mapping of keys, got {_type(raw)}"))
        return None


def _type(value: object) -> str:
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "a number"


_TYPES: tuple[tuple[type, str], ...] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    (str, "a text"),
    (list, "a list"),
    (Mapping, "a mapping"),
)
