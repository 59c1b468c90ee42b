"""Generates lines of Python from the tree of an expression, with exactly JMESPath's meaning.

There is one method for each kind of node; calls are in `calls`, what all of them share in `emitter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bridge.core.json_text import Json
from bridge.mapping.codegen.calls import CallWriter
from bridge.mapping.codegen.emitter import Current, ElementCurrent, NameResolver, OutermostCurrent
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import ExpressionNode, parse_expression
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import MappingFunction

GLOBALS: dict[str, object] = {
    "_EMPTY": {},
    "_NUMBERS": runtime.NUMBERS,
    "_equal": runtime.are_equal,
    "_less": runtime.is_less,
    "_at_most": runtime.at_most,
    "_wrong": runtime.wrong_argument,
    "_items": runtime.check_items,
    **{f"_f_{name}": function.call for name, function in DESTINATION_FUNCTIONS.items()},
}
"""What generated code may name."""

_BOOLEAN = frozenset({"boolean"})
_ORDER = {"lt": ("_less", False), "gt": ("_less", True), "lte": ("_at_most", False), "gte": ("_at_most", True)}
_CONSTANTS = ("'", '"', "(", "None", "True", "False")


class ExpressionCoder(CallWriter):
    """Writes any expression into a module."""

    def write_outermost(self, node: ExpressionNode, names: NameResolver) -> str:
        """The atom of an expression whose names are given from outside."""
        return self.write_value(node, OutermostCurrent(names))

    # --------------------------------------------------------------------------------------------------- paths

    def _field(self, node: ExpressionNode, current: Current) -> str:
        match current:
            case ElementCurrent(atom):
                return self.write_field(atom, node.value, node.at)
            case OutermostCurrent(names):
                return names.resolve_path(self, [node])[0]

    def _subexpression(self, node: ExpressionNode, current: Current) -> str:
        children = list(node.children)
        if isinstance(current, OutermostCurrent) and children[0].kind == "field":
            fields = [child for child in children if child.kind == "field"]
            atom, taken = current.names.resolve_path(
                self, fields if len(fields) == len(children) else _leading_fields(children)
            )
            children = children[taken:]
        else:
            atom = self.write_value(children.pop(0), current)
        for child in children:
            atom = self.write_value(child, ElementCurrent(atom))
        return atom

    _index_expression = _subexpression
    _pipe = _subexpression

    def _index(self, node: ExpressionNode, current: Current) -> str:
        base = self._current(node, current)
        place: int = node.value
        if "array" not in self.types_of(base):
            return "None"
        enough = f"len({base}) > {place}" if place >= 0 else f"len({base}) >= {-place}"
        return self.code.assign_value(f"{base}[{place}] if {base}.__class__ is list and {enough} else None", node.at)

    def _slice(self, node: ExpressionNode, current: Current) -> str:
        base = self._current(node, current)
        start, stop, step = ("" if part is None else str(part) for part in node.value)
        if step == "0":
            return self.refuse_part("a slice's step cannot be 0", at=node.at, kind="invalid-value")
        if "array" not in self.types_of(base):
            return "None"
        text = f"{base}[{start}:{stop}:{step}] if {base}.__class__ is list else None"
        return self.with_types(self.code.assign_value(text, node.at), frozenset({"array", "null"}))

    def _current(self, node: ExpressionNode, current: Current) -> str:
        match current:
            case ElementCurrent(atom):
                return atom
            case OutermostCurrent():
                return self.refuse_part(
                    "the outermost object has names only: begin with one, such as `body`", at=node.at
                )

    _identity = _current

    # ---------------------------------------------------------------------------------------------- projections

    def _projection(self, node: ExpressionNode, current: Current) -> str:
        base, each = node.children
        atom = self.write_value(base, current)
        return self._write_loop(f"{atom}.__class__ is list", atom, each, None, node)

    def _value_projection(self, node: ExpressionNode, current: Current) -> str:
        base, each = node.children
        atom = self.write_value(base, current)
        return self._write_loop(f"{atom}.__class__ is dict", f"{atom}.values()", each, None, node)

    def _filter_projection(self, node: ExpressionNode, current: Current) -> str:
        base, each, condition = node.children
        atom = self.write_value(base, current)
        return self._write_loop(f"{atom}.__class__ is list", atom, each, condition, node)

    def _write_loop(
        self, test: str, values: str, each: ExpressionNode, condition: ExpressionNode | None, node: ExpressionNode
    ) -> str:
        if values.startswith("None"):
            return "None"
        out, element = self.code.fresh_name(), self.code.fresh_name("e")
        self.code.emit_line(f"{out} = None")
        with self.code.open_block(f"if {test}:"):
            self.code.emit_line(f"{out} = []")
            with self.code.open_block(f"for {element} in {values}:"):
                if condition is not None:
                    self.code.emit_line(
                        f"if {self.false_test(self.write_value(condition, ElementCurrent(element)))}: continue", node.at
                    )
                atom = self.write_value(each, ElementCurrent(element))
                self.code.emit_line(f"if {atom} is not None: {out}.append({atom})")
        return self.with_types(out, frozenset({"array", "null"}))

    def _flatten(self, node: ExpressionNode, current: Current) -> str:
        base = self.write_value(node.children[0], current)
        out, element = self.code.fresh_name(), self.code.fresh_name("e")
        self.code.emit_line(f"{out} = None")
        with self.code.open_block(f"if {base}.__class__ is list:"):
            self.code.emit_line(f"{out} = []")
            with self.code.open_block(f"for {element} in {base}:"):
                self.code.emit_line(f"if {element}.__class__ is list: {out} += {element}")
                self.code.emit_line(f"else: {out}.append({element})")
        return self.with_types(out, frozenset({"array", "null"}))

    # ------------------------------------------------------------------------------------------- making of values

    def _literal(self, node: ExpressionNode, _current: Current) -> str:
        return self.write_literal(node.value)

    def _multi_select_list(self, node: ExpressionNode, current: Current) -> str:
        return self._write_select(node.children, current, "array", lambda atoms: f"[{', '.join(atoms)}]")

    def _multi_select_dict(self, node: ExpressionNode, current: Current) -> str:
        keys = [repr(child.value) for child in node.children]
        parts = [child.children[0] for child in node.children]

        def text(atoms: list[str]) -> str:
            return "{" + ", ".join(f"{key}: {atom}" for key, atom in zip(keys, atoms, strict=True)) + "}"

        return self._write_select(parts, current, "object", text)

    def _write_select(
        self, parts: Sequence[ExpressionNode], current: Current, kind: str, text: Callable[[list[str]], str]
    ) -> str:
        base = current.atom if isinstance(current, ElementCurrent) else None
        if base is None or "null" not in self.types_of(base):
            atoms = [self.write_value(part, current) for part in parts]
            return self.with_types(self.code.assign_value(text(atoms)), frozenset({kind}))
        if base == "None":
            return "None"
        out = self.code.assign_value("None")
        with self.code.open_block(f"if {base} is not None:"):
            atoms = [self.write_value(part, current) for part in parts]
            self.code.emit_line(f"{out} = {text(atoms)}")
        return self.with_types(out, frozenset({kind, "null"}))

    # --------------------------------------------------------------------------------------------------- choices

    def _or_expression(self, node: ExpressionNode, current: Current) -> str:
        parts = flatten_chain(node)
        out = self.code.assign_value(first := self.write_value(parts[0], current))
        types = self.types_of(first)
        for part in parts[1:]:
            with self.code.open_block(f"if {self.false_test(self.with_types(out, types))}:"):
                atom = self.write_value(part, current)
                self.code.emit_line(f"{out} = {atom}")
            types = (types - {"null"}) | self.types_of(atom)
        return self.with_types(out, types)

    def _and_expression(self, node: ExpressionNode, current: Current) -> str:
        parts = flatten_chain(node)
        out = self.code.assign_value(first := self.write_value(parts[0], current))
        types = self.types_of(first)
        for part in parts[1:]:
            with self.code.open_block(f"if {self.true_test(self.with_types(out, types))}:"):
                atom = self.write_value(part, current)
                self.code.emit_line(f"{out} = {atom}")
            types |= self.types_of(atom)
        return self.with_types(out, types)

    def _not_expression(self, node: ExpressionNode, current: Current) -> str:
        atom = self.write_value(node.children[0], current)
        return self.with_types(self.code.assign_value(self.false_test(atom), node.at), _BOOLEAN)

    def _comparator(self, node: ExpressionNode, current: Current) -> str:
        left, right = (self.write_value(child, current) for child in node.children)
        if node.value in _ORDER:
            function, swapped = _ORDER[node.value]
            one, other = (right, left) if swapped else (left, right)
            atom = self.code.assign_value(f"{function}({one}, {other})", node.at)
            return self.with_types(atom, frozenset({"boolean", "null"}))
        text = self._write_equality(left, right)
        return self.with_types(
            self.code.assign_value(f"not ({text})" if node.value == "ne" else text, node.at), _BOOLEAN
        )

    def _write_equality(self, left: str, right: str) -> str:
        if right.startswith(_CONSTANTS):
            left, right = right, left
        if right.startswith(_CONSTANTS) or not left.startswith(_CONSTANTS):
            return f"_equal({left}, {right})"
        if left in {"None", "True", "False"}:
            return f"{right} is {left}"
        if left in {"(0)", "(1)"}:
            return f"{right} == {left} and {right}.__class__ is not bool"
        return f"{right} == {left}"


def _leading_fields(children: Sequence[ExpressionNode]) -> list[ExpressionNode]:
    """The fields that a path begins with."""
    for place, child in enumerate(children):
        if child.kind != "field":
            return list(children[:place])
    return list(children)


def flatten_chain(node: ExpressionNode) -> list[ExpressionNode]:
    """`a || b || c` as its parts: the parser nests them to the left."""
    parts: list[ExpressionNode] = []
    kind = node.kind
    while node.kind == kind:
        node, last = node.children
        parts.append(last)
    return [node, *reversed(parts)]


def compile_standalone(
    text: str, *, units: MinorUnits | None = None, functions: Mapping[str, MappingFunction] = FUNCTIONS
) -> Callable[[Json], Json]:
    """A function of one document, which is the current node: JMESPath as its specification has it.

    Raises ExpressionError; the function raises CannotEvaluate.
    """
    code = ModuleCode("<expression>")
    coder = ExpressionCoder(code, units, functions)
    name = coder.write_function(parse_expression(text))
    if coder.problems:
        raise coder.problems[0]
    return code.compile_module(GLOBALS).get_function(name)
