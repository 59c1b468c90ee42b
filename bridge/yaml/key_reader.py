"""Reads an object of a YAML file key by key: each mistake becomes a problem at its place, and reading continues.

What a mapping's objects hold beside, expressions and lists of texts, is read in `mapping/object_reader.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Self, TypeVar

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.core.suggestions import suggest_nearest
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

Entries = dict[str, tuple[Scalar, Node]]
Choice = TypeVar("Choice", bound=str)


class KeyReader:
    """The entries of one object. What is wrong goes to `problems`, and reads as absent.

    `what` is the object's name in messages; `place` is where a problem of the whole is.
    """

    def __init__(self, node: Node, problems: Problems, *, what: str, place: SourceLocation | None = None) -> None:
        self.problems = problems
        self.remedies: Mapping[str, str] = {}
        self.place = place or node.place
        self._what = what
        self._table = node if isinstance(node, MappingNode) else None
        if self._table is None:
            problems.add_error(node.place, f"{what} must be an object")

    @classmethod
    def read_object(
        cls,
        node: Node,
        keys: Collection[str],
        problems: Problems,
        *,
        what: str,
        remedies: Mapping[str, str] | None = None,
    ) -> Self:
        """The object in `node`; other keys than `keys` are reported, those of `remedies` with what to do instead."""
        reader = cls(node, problems, what=what)
        reader.remedies = remedies or {}
        reader.refuse_unknown(keys)
        return reader

    def __contains__(self, key: str) -> bool:
        return self.read_node(key) is not None

    # ---------------------------------------------------------------------------------------------------- problems

    def refuse_unknown(self, known: Collection[str], *, elsewhere: Collection[str] = (), here: str = "") -> None:
        """Note every key that is not `known`; one that is known `elsewhere` has no meaning `here`."""
        for key, entry in self._table.entries.items() if self._table else ():
            if key in elsewhere and key not in known:
                self.problems.add_error(entry.key.place, f"`{key}` has no meaning for {here}; leave it out")
            elif key not in known:
                self.problems.add_error(entry.key.place, self._unknown_key(key, known))

    def _unknown_key(self, key: str, known: Collection[str]) -> str:
        if key in self.remedies:
            return f"unknown key '{key}'; {self.remedies[key]}"
        mend = suggest_nearest(key, known) or f"; known are {', '.join(known)}"
        return f"unknown key '{key}'{mend}"

    def note_wrong(self, key: str, text: str) -> None:
        """Note that the value of `key` is wrong, or the object where it has none."""
        self.problems.add_error(self.place_of(key), text)

    def note_missing(self, key: str, mend: str) -> None:
        """Note that `key` must be there."""
        if self._table is not None and key not in self:
            self.note_wrong(key, f"`{key}` is missing; {mend}")

    def place_of(self, key: str) -> SourceLocation:
        """Where a key's single value is, or the key itself, or the object where it has no such key."""
        entry = self._table.entries.get(key) if self._table else None
        if entry is None:
            return self.place
        return entry.value.place if isinstance(entry.value, Scalar) and entry.value.text else entry.key.place

    # ------------------------------------------------------------------------------------------------------ values

    @property
    def key_names(self) -> tuple[str, ...]:
        """All keys in order."""
        return tuple(self._table.entries) if self._table else ()

    def read_node(self, key: str, *, needed: bool = False) -> Node | None:
        """The value under a key, whatever it is; a bare key counts as missing."""
        found = self._table.get_value(key) if self._table else None
        if isinstance(found, Scalar) and found.value is None:
            found = None
        if found is None and needed and self._table is not None:
            self.problems.add_error(self.place, f"{self._what} needs `{key}`")
        return found

    def read_scalar(self, key: str, *, needed: bool = False) -> Scalar | None:
        """A single value under a key."""
        node = self.read_node(key, needed=needed)
        if node is None or isinstance(node, Scalar):
            return node
        self.problems.add_error(node.place, f"{key} must be a single value")
        return None

    def read_literal(self, key: str) -> Json:
        """The single value under a key, of any type; None for a list or an object."""
        node = self.read_node(key)
        return node.literal if isinstance(node, Scalar) else None

    def read_string(self, key: str) -> str | None:
        """A text that is not empty, and no number."""
        node = self.read_node(key)
        if node is None:
            return None
        value = node.literal if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            self.note_wrong(key, f"`{key}` must be a text, got {_type_name(node)}; put it in quotes")
            return None
        if not value:
            self.note_wrong(key, f"`{key}` must not be empty")
            return None
        return value

    def read_strings(self, key: str) -> list[tuple[SourceLocation, str]]:
        """One text or a list of texts, each with its place."""
        node = self.read_node(key)
        if isinstance(node, MappingNode) or (isinstance(node, Scalar) and not isinstance(node.literal, str)):
            self.note_wrong(key, f"`{key}` must be a text or a list of texts, got {_type_name(node)}")
            return []
        found: list[tuple[SourceLocation, str]] = []
        for item in node.items if isinstance(node, SequenceNode) else [node] if node else []:
            if isinstance(item, Scalar) and isinstance(item.literal, str):
                found.append((item.place, item.literal))
            else:
                self.problems.add_error(item.place, f"must be a text, got {_type_name(item)}; put it in quotes")
        return found

    def read_choice(self, key: str, known: Sequence[Choice]) -> Choice | None:
        """One of the `known` words."""
        value = self.read_string(key)
        for word in known:
            if word == value:
                return word
        if value is not None:
            mend = suggest_nearest(value, known)
            self.note_wrong(key, f"`{key}` must be one of {', '.join(known)}, got {value!r}{mend}")
        return None

    def read_flag(self, key: str) -> bool | None:
        """True or false."""
        node = self.read_node(key)
        value = node.literal if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        if node is not None:
            self.note_wrong(key, f"`{key}` must be true or false, got {_type_name(node)}")
        return None

    def read_seconds(self, key: str) -> int | None:
        """A whole number of seconds, at least one."""
        value = self.read_literal(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if key in self:
            self.note_wrong(key, f"`{key}` must be a whole number of seconds, 1 or more")
        return None

    # ------------------------------------------------------------------------------------------- lists and objects

    def read_items(self, key: str, *, needed: bool = False) -> tuple[Node, ...]:
        """The items of a list under a key."""
        node = self.read_node(key, needed=needed)
        if node is None or isinstance(node, SequenceNode):
            return node.items if node else ()
        self.problems.add_error(node.place, f"{key} must be a list: begin each entry with `- `")
        return ()

    def read_entries(self, key: str) -> Entries:
        """The entries of an object under a key, with any keys."""
        node = self.read_node(key)
        if node is None or isinstance(node, MappingNode):
            return {name: (entry.key, entry.value) for name, entry in node.entries.items()} if node else {}
        self.problems.add_error(node.place, f"{key} must be an object")
        return {}

    def read_below(self, key: str) -> Self | None:
        """The object under a key."""
        node = self.read_node(key)
        reader = type(self)(node, self.problems, what=key, place=self.place_of(key)) if node else None
        return reader if isinstance(node, MappingNode) else None


def _type_name(node: Node) -> str:
    match node:
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "an object"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=str()):
            return "a text"
        case Scalar():
            return "a number"
