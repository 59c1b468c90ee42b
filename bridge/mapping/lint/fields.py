"""Checks an event's fields against the track contract: names that it does not know, values that it cannot take."""

from __future__ import annotations

from collections.abc import Iterator

from bridge import contract
from bridge.contract.fast_validator import fits_schema
from bridge.core.json_text import Json
from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.definition import Rule
from bridge.mapping.expressions.runtime import SPOKEN
from bridge.mapping.lint import suggestions
from bridge.mapping.lint.suggestions import Path
from bridge.mapping.object_reader import is_cut_short
from bridge.yaml.document import MappingEntry, MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_ITEMS: Path = ("properties", "items")
_CLOSED: tuple[Path, ...] = ((), ("user_data",), ("context",), ("consent",))
"""Where every name that the contract does not know is reported; below `properties` only what is near a known one."""

_OPEN: Path = ("properties",)
_TAKES = {"string": frozenset({"string", "number"})}
_A = {"string": "text", "number": "a number", "boolean": "true or false", "object": "an object", "array": "a list"}
_MENDS = {("number", "string"): "; write `decimal(…)`", ("string", "boolean"): "; write `format('{}', …)`"}


class FieldLint:
    """Looks at the event of one rule."""

    def __init__(self, compile_info: CompileInfo, problems: Problems, advice: Problems) -> None:
        self._compile_info = compile_info
        self._problems = problems
        self._advice = advice

    def lint_rule(self, rule: Rule) -> None:
        """Tell every name and value of the event that the contract refuses or does not know."""
        if "for_each" not in rule.event.entries:
            self._lint_table(rule.event, ())

    def _lint_table(self, table: MappingNode, path: Path) -> None:
        for name, entry in named_entries(table):
            here = (*path, name)
            if path == _ITEMS:
                self._item_name(table, entry, name)
            elif here not in contract.FIELDS:
                self._lint_unknown(table, entry, path)
            self._lint_value(entry.value, here)

    def _lint_value(self, node: Node, path: Path) -> None:
        word = contract.FIELDS.get(path)
        if word is None or path == ("event_type",):
            self._lint_below(node, path)
            return
        match node:
            case Scalar() if node.is_expression:
                self._lint_expression(node, path, word)
            case Scalar():
                self._lint_literal(node, path)
            case MappingNode() if "for_each" not in node.entries and word != "object":
                self._refuse_value(node, path, word, "an object")
            case SequenceNode() | MappingNode() if word != "array" and not (
                word == "object" and isinstance(node, MappingNode)
            ):
                self._refuse_value(node, path, word, "a list")
            case MappingNode() if "for_each" in node.entries and word == "object":
                self._refuse_value(node, path, word, "a list")
            case _:
                self._lint_below(node, path)

    def _lint_below(self, node: Node, path: Path) -> None:
        match node:
            case MappingNode() if "for_each" in node.entries:
                each = node.get_value("map")
                if each is not None:
                    self._lint_element(each, path)
            case MappingNode():
                self._lint_table(node, path)
            case SequenceNode():
                for item in node.items:
                    self._lint_element(item, path)
            case Scalar():
                pass

    def _lint_element(self, node: Node, path: Path) -> None:
        """One element of a list."""
        match node:
            case MappingNode():
                self._lint_table(node, path)
            case Scalar() if path == _ITEMS and not node.is_expression:
                self._problems.add_error(node.place, "each of properties.items must be an object")
            case _:
                self._lint_below(node, path)

    # ------------------------------------------------------------------------------------------------------ names

    def _lint_unknown(self, table: MappingNode, entry: MappingEntry, path: Path) -> None:
        told = self._suggest_field(table, entry.key.text, path)
        if told and not any(is_cut_short(each.value) for each in table.entries.values()):
            self._advice.add_warning(entry.key.place, told)

    def _suggest_field(self, table: MappingNode, name: str, path: Path) -> str | None:
        """What to tell of a name that the contract does not know; None where that is as it should be."""
        if path not in _CLOSED and path != _OPEN:
            return None
        taken = dict(named_entries(table))
        near = suggestions.nearest_name(name, [known for known in suggestions.names_below(path) if known not in taken])
        if near is not None:
            return f"the contract knows no `{suggestions.format_path((*path, name))}`; did you mean `{near}`?"
        away = suggestions.path_elsewhere(name, path)
        if away is not None and (path in _CLOSED or (away == ("context", name) and not suggestions.is_personal(name))):
            where = suggestions.format_path(path) or "the event"
            return f"`{name}` has no meaning in {where}; write it as `{suggestions.format_path(away)}`"
        if path in _CLOSED:
            known = suggestions.format_path((*path, name))
            return f"the contract knows no `{known}`; what is your own stands under `properties`"
        return None

    def _item_name(self, table: MappingNode, entry: MappingEntry, name: str) -> None:
        if name in suggestions.ITEM:
            return
        taken = dict(named_entries(table))
        near = suggestions.nearest_name(name, [known for known in suggestions.ITEM if known not in taken])
        if near is not None:
            self._advice.add_warning(
                entry.key.place, f"the contract knows no `{name}` of an item; did you mean `{near}`?"
            )

    # ----------------------------------------------------------------------------------------------------- values

    def _lint_literal(self, node: Scalar, path: Path) -> None:
        value = node.literal
        if value is None or value == "" or (isinstance(value, str) and value.lstrip() != value.lstrip(" =\t\n")):
            return
        if path in contract.TEXT_FIELDS and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        event = _event_with(path, value)
        if not fits_schema(event):
            for problem in contract.find_problems(event)[:1]:
                self._problems.add_error(node.place, problem.text)

    def _lint_expression(self, node: Scalar, path: Path, word: str) -> None:
        types = self._compile_info.types.get(node, frozenset()) - {"null"}
        if not types or types & _TAKES.get(word, frozenset({word})):
            return
        kinds = " or ".join(SPOKEN[kind] for kind in sorted(types))
        mend = _MENDS.get((word, next(iter(types))), "") if len(types) == 1 else ""
        self._refuse_value(node, path, word, f"{kinds}{mend}")

    def _refuse_value(self, node: Node, path: Path, word: str, came: str) -> None:
        self._problems.add_error(
            node.place, f"{suggestions.format_path(path)} must be {_A[word]}, and this comes out as {came}"
        )


def named_entries(table: MappingNode) -> Iterator[tuple[str, MappingEntry]]:
    """The entries of an object in an event, under the names that the event will have."""
    for key, entry in table.entries.items():
        yield key[1:] if key.startswith("==") else key, entry


def _event_with(path: Path, value: Json) -> dict[str, Json]:
    """An event that is right but for one field."""
    for name in reversed(path):
        value = {name: value}
    return {"event_type": "purchase", **value}
