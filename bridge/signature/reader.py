"""Reads one YAML mapping of a recipe: checks the types and notes every problem, none of which stops the reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from bridge.core.errors import RecipeError
from bridge.core.suggestions import suggest_nearest, suggest_or_list

Path = tuple[str | int, ...]
"""Where a key is: the keys and list positions that lead to it."""

Choice = TypeVar("Choice", bound=str)


class RecipeReader:
    """The keys of one mapping, asked for one by one. What is wrong goes to `problems`, and reads as absent."""

    def __init__(self, raw: Mapping[str, object], *, at: Path, problems: list[RecipeError]) -> None:
        self.at = at
        self.problems = problems
        self._raw = raw

    def __contains__(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def allow_only(self, known: Sequence[str], *, elsewhere: Sequence[str] = (), here: str = "") -> None:
        """Note every key that is not `known`; one that is known `elsewhere` has no meaning `here`."""
        for key in self._raw:
            if key in known:
                continue
            if key in elsewhere:
                self.note_wrong(str(key), f"`{key}` has no meaning for {here}; leave it out")
            else:
                self.note_wrong(str(key), f"unknown key `{key}`; {suggest_or_list(str(key), known)}")

    def note_wrong(self, key: str | None, text: str) -> None:
        """Note that `key` is wrong, or the whole mapping where it is None or absent."""
        at = self.at if key is None or key not in self._raw else (*self.at, key)
        self.problems.append(RecipeError(at, text))

    def note_missing(self, key: str, mend: str) -> None:
        """Note that `key` must be there."""
        if key not in self._raw or self._raw[key] is None:
            self.note_wrong(key, f"`{key}` is missing; {mend}")

    def key_names(self) -> list[str]:
        """The names of all keys in order."""
        return [str(key) for key in self._raw]

    def raw_value(self, key: str) -> object:
        """The value at `key`, of any type; None where nothing does."""
        return self._raw.get(key)

    def read_text(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note_wrong(key, f"`{key}` must be a text, got {_type_name(value)}; put it in quotes")
            return None
        if not value:
            self.note_wrong(key, f"`{key}` must not be empty")
            return None
        return value

    def read_choice(self, key: str, known: Sequence[Choice]) -> Choice | None:
        """One of the `known` words."""
        value = self.read_text(key)
        if value is None:
            return None
        for word in known:
            if word == value:
                return word
        mend = suggest_nearest(value, known)
        self.note_wrong(key, f"`{key}` must be one of {', '.join(known)}, got {value!r}{mend}")
        return None

    def read_flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._raw.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.note_wrong(key, f"`{key}` must be true or false, got {_type_name(value)}")
        return None

    def read_seconds(self, key: str) -> int | None:
        """A whole number of seconds, at least one."""
        value = self._raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.note_wrong(key, f"`{key}` must be a whole number of seconds, 1 or more")
            return None
        return value

    def read_texts(self, key: str) -> list[tuple[Path, str]]:
        """One text or a list of texts, each with the path where it is."""
        value = self._raw.get(key)
        if value is None:
            return []
        if isinstance(value, str):
            return [((*self.at, key), value)]
        if not isinstance(value, list):
            self.note_wrong(key, f"`{key}` must be a text or a list of texts, got {_type_name(value)}")
            return []
        found: list[tuple[Path, str]] = []
        for number, entry in enumerate(value):
            if isinstance(entry, str):
                found.append(((*self.at, key, number), entry))
            else:
                at = (*self.at, key, number)
                self.problems.append(RecipeError(at, f"must be a text, got {_type_name(entry)}; put it in quotes"))
        return found

    def read_mapping(self, key: str) -> RecipeReader | None:
        """The mapping below `key`."""
        value = self._raw.get(key)
        return None if value is None else self._reader_below((*self.at, key), value)

    def read_mappings(self, key: str) -> list[RecipeReader]:
        """The list of mappings below `key`."""
        value = self._raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.note_wrong(key, f"`{key}` must be a list, got {_type_name(value)}")
            return []
        found = [self._reader_below((*self.at, key, number), entry) for number, entry in enumerate(value)]
        return [reader for reader in found if reader is not None]

    def _reader_below(self, at: Path, raw: object) -> RecipeReader | None:
        if isinstance(raw, Mapping):
            return RecipeReader(raw, at=at, problems=self.problems)
        self.problems.append(RecipeError(at, f"must be a mapping of keys, got {_type_name(raw)}"))
        return None


def _type_name(value: object) -> str:
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
