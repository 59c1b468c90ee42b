"""An event's fields, held against the track contract: names that it does not know, values that it cannot take.

Not concerned with which fields a conversion should have, nor with where their values come from.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge import contract
from bridge.contract.fast_validator import fits
from bridge.core.json_text import Json
from bridge.mapping.codegen.compiler import Learnt
from bridge.mapping.definition import Rule
from bridge.mapping.expressions.runtime import SPOKEN
from bridge.mapping.lint import suggestions
from bridge.mapping.lint.suggestions import Path
from bridge.mapping.problems import Problems
from bridge.mapping.yaml.document import Entry, Node, Scalar, Series, Table
from bridge.mapping.yaml.reader import is_cut_short

_ITEMS: Path = ("properties", "items")
_CLOSED: tuple[Path, ...] = ((), ("user_data",), ("context",))
"""Where every name that the contract does not know is told; below `properties` only what is near a known one."""

_OPEN: Path = ("properties",)
_TAKES = {"string": frozenset({"string", "number"})}
_A = {"string": "text", "number": "a number", "boolean": "true or false", "object": "an object", "array": "a list"}
_MENDS = {("number", "string"): "; write `decimal(…)`", ("string", "boolean"): "; write `format('{}', …)`"}


class Fields:
    """Looks at the event of one rule."""

    def __init__(self, learnt: Learnt, problems: Problems, advice: Problems) -> None:
        self._learnt = learnt
        self._problems = problems
        self._advice = advice

    def look(self, rule: Rule) -> None:
        """Tell every name and value of the event that the contract refuses or does not know."""
        if "for_each" not in rule.event.entries:
            self._table(rule.event, ())

    def _table(self, table: Table, path: Path) -> None:
        for name, entry in named(table):
            here = (*path, name)
            if path == _ITEMS:
                self._item_name(table, entry, name)
            elif here not in contract.FIELDS:
                self._unknown(table, entry, path)
            self._value(entry.value, here)

    def _value(self, node: Node, path: Path) -> None:
        word = contract.FIELDS.get(path)
        if word is None or path == ("event_type",):
            self._below(node, path)
            return
        match node:
            case Scalar() if node.is_expression:
                self._expression(node, path, word)
            case Scalar():
                self._literal(node, path)
            case Table() if "for_each" not in node.entries and word != "object":
                self._refuse(node, path, word, "an object")
            case Series() | Table() if word != "array" and not (word == "object" and isinstance(node, Table)):
                self._refuse(node, path, word, "a list")
            case Table() if "for_each" in node.entries and word == "object":
                self._refuse(node, path, word, "a list")
            case _:
                self._below(node, path)

    def _below(self, node: Node, path: Path) -> None:
        match node:
            case Table() if "for_each" in node.entries:
                each = node.get("map")
                if each is not None:
                    self._each(each, path)
            case Table():
                self._table(node, path)
            case Series():
                for item in node.items:
                    self._each(item, path)
            case Scalar():
                pass

    def _each(self, node: Node, path: Path) -> None:
        """One element of a list."""
        match node:
            case Table():
                self._table(node, path)
            case Scalar() if path == _ITEMS and not node.is_expression:
                self._problems.error(node.place, "each of properties.items must be an object")
            case _:
                self._below(node, path)

    # ------------------------------------------------------------------------------------------------------ names

    def _unknown(self, table: Table, entry: Entry, path: Path) -> None:
        told = self._mend(table, entry.key.text, path)
        if told and not any(is_cut_short(each.value) for each in table.entries.values()):
            self._advice.warning(entry.key.place, told)

    def _mend(self, table: Table, name: str, path: Path) -> str | None:
        """What to tell of a name that the contract does not know; None where that is as it should be."""
        if path not in _CLOSED and path != _OPEN:
            return None
        taken = dict(named(table))
        near = suggestions.meant(name, [known for known in suggestions.below(path) if known not in taken])
        if near is not None:
            return f"the contract knows no `{suggestions.spelt((*path, name))}`; did you mean `{near}`?"
        away = suggestions.elsewhere(name, path)
        if away is not None and (path in _CLOSED or (away == ("context", name) and not suggestions.is_personal(name))):
            where = suggestions.spelt(path) or "the event"
            return f"`{name}` has no meaning in {where}; write it as `{suggestions.spelt(away)}`"
        if path in _CLOSED:
            return f"the contract knows no `{suggestions.spelt((*path, name))}`; what is your own stands under `properties`"
        return None

    def _item_name(self, table: Table, entry: Entry, name: str) -> None:
        if name in suggestions.ITEM:
            return
        taken = dict(named(table))
        near = suggestions.meant(name, [known for known in suggestions.ITEM if known not in taken])
        if near is not None:
            self._advice.warning(entry.key.place, f"the contract knows no `{name}` of an item; did you mean `{near}`?")

    # ----------------------------------------------------------------------------------------------------- values

    def _literal(self, node: Scalar, path: Path) -> None:
        value = node.literal
        if value is None or value == "" or (isinstance(value, str) and value.lstrip() != value.lstrip(" =\t\n")):
            return
        if path in contract.TEXT_FIELDS and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        event = _event(path, value)
        if not fits(event):
            for problem in contract.problems(event)[:1]:
                self._problems.error(node.place, problem.text)

    def _expression(self, node: Scalar, path: Path, word: str) -> None:
        types = self._learnt.types.get(node, frozenset()) - {"null"}
        if not types or types & _TAKES.get(word, frozenset({word})):
            return
        kinds = " or ".join(SPOKEN[kind] for kind in sorted(types))
        mend = _MENDS.get((word, next(iter(types))), "") if len(types) == 1 else ""
        self._refuse(node, path, word, f"{kinds}{mend}")

    def _refuse(self, node: Node, path: Path, word: str, came: str) -> None:
        self._problems.error(node.place, f"{suggestions.spelt(path)} must be {_A[word]}, and this comes out as {came}")


def named(table: Table) -> Iterator[tuple[str, Entry]]:
    """The entries of an object in an event, under the names that the event will have."""
    for key, entry in table.entries.items():
        yield key[1:] if key.startswith("==") else key, entry


def _event(path: Path, value: Json) -> dict[str, Json]:
    """An event that is right but for one field."""
    for name in reversed(path):
        value = {name: value}
    return {"event_type": "purchase", **value}
