"""The tree of an expression becomes lines of Python, with exactly JMESPath's meaning.

One method for each kind of node; calls are in `calls`, and what all of them write with is in `writer`. Not concerned
with YAML, nor with what names mean at the outermost level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.core.json_text import Json
from bridge.mapping.codegen.calls import Calls
from bridge.mapping.codegen.emitter import Current, Element, Names, Outermost
from bridge.mapping.engine.module import Code
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import Node, parse
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.money import MinorUnits

GLOBALS: dict[str, object] = {
    "_EMPTY": {},
    "_NUMBERS": runtime.NUMBERS,
    "_equal": runtime.equal,
    "_less": runtime.less,
    "_at_most": runtime.at_most,
    "_wrong": runtime.wrong_argument,
    "_items": runtime.check_items,
    **{f"_f_{name}": function.call for name, function in FUNCTIONS.items()},
}
"""What generated code may name."""

_BOOLEAN = frozenset({"boolean"})
_ORDER = {"lt": ("_less", False), "gt": ("_less", True), "lte": ("_at_most", False), "gte": ("_at_most", True)}
_CONSTANTS = ("'", '"', "(", "None", "True", "False")


class Coder(Calls):
    """Writes any expression into a module."""

    def outermost(self, node: Node, names: Names) -> str:
        """The atom of an expression whose names are given from outside."""
        return self.value(node, Outermost(names))

    # --------------------------------------------------------------------------------------------------- paths

    def _field(self, node: Node, current: Current) -> str:
        match current:
            case Element(atom):
                return self.get(atom, node.value, node.at)
            case Outermost(names):
                return names.resolve(self, [node])[0]

    def _subexpression(self, node: Node, current: Current) -> str:
        children = list(node.children)
        if isinstance(current, Outermost) and children[0].kind == "field":
            fields = [child for child in children if child.kind == "field"]
            atom, taken = current.names.resolve(self, fields if len(fields) == len(children) else _leading(children))
            children = children[taken:]
        else:
            atom = self.value(children.pop(0), current)
        for child in children:
            atom = self.value(child, Element(atom))
        return atom

    _index_expression = _subexpression
    _pipe = _subexpression

    def _index(self, node: Node, current: Current) -> str:
        base = self._current(node, current)
        place: int = node.value
        if "array" not in self.types_of(base):
            return "None"
        enough = f"len({base}) > {place}" if place >= 0 else f"len({base}) >= {-place}"
        return self.code.assign(f"{base}[{place}] if {base}.__class__ is list and {enough} else None", node.at)

    def _slice(self, node: Node, current: Current) -> str:
        base = self._current(node, current)
        start, stop, step = ("" if part is None else str(part) for part in node.value)
        if step == "0":
            return self.refuse("a slice's step cannot be 0", at=node.at, kind="invalid-value")
        if "array" not in self.types_of(base):
            return "None"
        text = f"{base}[{start}:{stop}:{step}] if {base}.__class__ is list else None"
        return self.typed(self.code.assign(text, node.at), frozenset({"array", "null"}))

    def _current(self, node: Node, current: Current) -> str:
        match current:
            case Element(atom):
                return atom
            case Outermost():
                return self.refuse("the outermost object has names only: begin with one, such as `body`", at=node.at)

    _identity = _current

    # ---------------------------------------------------------------------------------------------- projections

    def _projection(self, node: Node, current: Current) -> str:
        base, each = node.children
        atom = self.value(base, current)
        return self._collect(f"{atom}.__class__ is list", atom, each, None, node)

    def _value_projection(self, node: Node, current: Current) -> str:
        base, each = node.children
        atom = self.value(base, current)
        return self._collect(f"{atom}.__class__ is dict", f"{atom}.values()", each, None, node)

    def _filter_projection(self, node: Node, current: Current) -> str:
        base, each, condition = node.children
        atom = self.value(base, current)
        return self._collect(f"{atom}.__class__ is list", atom, each, condition, node)

    def _collect(self, test: str, values: str, each: Node, condition: Node | None, node: Node) -> str:
        if values.startswith("None"):
            return "None"
        out, element = self.code.fresh(), self.code.fresh("e")
        self.code.emit(f"{out} = None")
        with self.code.block(f"if {test}:"):
            self.code.emit(f"{out} = []")
            with self.code.block(f"for {element} in {values}:"):
                if condition is not None:
                    self.code.emit(f"if {self.fails(self.value(condition, Element(element)))}: continue", node.at)
                atom = self.value(each, Element(element))
                self.code.emit(f"if {atom} is not None: {out}.append({atom})")
        return self.typed(out, frozenset({"array", "null"}))

    def _flatten(self, node: Node, current: Current) -> str:
        base = self.value(node.children[0], current)
        out, element = self.code.fresh(), self.code.fresh("e")
        self.code.emit(f"{out} = None")
        with self.code.block(f"if {base}.__class__ is list:"):
            self.code.emit(f"{out} = []")
            with self.code.block(f"for {element} in {base}:"):
                self.code.emit(f"if {element}.__class__ is list: {out} += {element}")
                self.code.emit(f"else: {out}.append({element})")
        return self.typed(out, frozenset({"array", "null"}))

    # ------------------------------------------------------------------------------------------- making of values

    def _literal(self, node: Node, _current: Current) -> str:
        return self.literal(node.value)

    def _multi_select_list(self, node: Node, current: Current) -> str:
        return self._select(node.children, current, "array", lambda atoms: f"[{', '.join(atoms)}]")

    def _multi_select_dict(self, node: Node, current: Current) -> str:
        keys = [repr(child.value) for child in node.children]
        parts = [child.children[0] for child in node.children]

        def text(atoms: list[str]) -> str:
            return "{" + ", ".join(f"{key}: {atom}" for key, atom in zip(keys, atoms, strict=True)) + "}"

        return self._select(parts, current, "object", text)

    def _select(self, parts: Sequence[Node], current: Current, kind: str, text: Callable[[list[str]], str]) -> str:
        base = current.atom if isinstance(current, Element) else None
        if base is None or "null" not in self.types_of(base):
            atoms = [self.value(part, current) for part in parts]
            return self.typed(self.code.assign(text(atoms)), frozenset({kind}))
        if base == "None":
            return "None"
        out = self.code.assign("None")
        with self.code.block(f"if {base} is not None:"):
            atoms = [self.value(part, current) for part in parts]
            self.code.emit(f"{out} = {text(atoms)}")
        return self.typed(out, frozenset({kind, "null"}))

    # --------------------------------------------------------------------------------------------------- choices

    def _or_expression(self, node: Node, current: Current) -> str:
        parts = _chain(node)
        out = self.code.assign(first := self.value(parts[0], current))
        types = self.types_of(first)
        for part in parts[1:]:
            with self.code.block(f"if {self.fails(self.typed(out, types))}:"):
                atom = self.value(part, current)
                self.code.emit(f"{out} = {atom}")
            types = (types - {"null"}) | self.types_of(atom)
        return self.typed(out, types)

    def _and_expression(self, node: Node, current: Current) -> str:
        parts = _chain(node)
        out = self.code.assign(first := self.value(parts[0], current))
        types = self.types_of(first)
        for part in parts[1:]:
            with self.code.block(f"if {self.holds(self.typed(out, types))}:"):
                atom = self.value(part, current)
                self.code.emit(f"{out} = {atom}")
            types |= self.types_of(atom)
        return self.typed(out, types)

    def _not_expression(self, node: Node, current: Current) -> str:
        atom = self.value(node.children[0], current)
        return self.typed(self.code.assign(self.fails(atom), node.at), _BOOLEAN)

    def _comparator(self, node: Node, current: Current) -> str:
        left, right = (self.value(child, current) for child in node.children)
        if node.value in _ORDER:
            function, swapped = _ORDER[node.value]
            one, other = (right, left) if swapped else (left, right)
            atom = self.code.assign(f"{function}({one}, {other})", node.at)
            return self.typed(atom, frozenset({"boolean", "null"}))
        text = self._equality(left, right)
        return self.typed(self.code.assign(f"not ({text})" if node.value == "ne" else text, node.at), _BOOLEAN)

    def _equality(self, left: str, right: str) -> str:
        if right.startswith(_CONSTANTS):
            left, right = right, left
        if right.startswith(_CONSTANTS) or not left.startswith(_CONSTANTS):
            return f"_equal({left}, {right})"
        if left in {"None", "True", "False"}:
            return f"{right} is {left}"
        if left in {"(0)", "(1)"}:
            return f"{right} == {left} and {right}.__class__ is not bool"
        return f"{right} == {left}"


def _leading(children: Sequence[Node]) -> list[Node]:
    """The fields that a path begins with."""
    for place, child in enumerate(children):
        if child.kind != "field":
            return list(children[:place])
    return list(children)


def _chain(node: Node) -> list[Node]:
    """`a || b || c` as its parts: the parser nests them to the left."""
    parts: list[Node] = []
    kind = node.kind
    while node.kind == kind:
        node, last = node.children
        parts.append(last)
    return [node, *reversed(parts)]


def standalone(text: str, *, units: MinorUnits | None = None) -> Callable[[Json], Json]:
    """A function of one document, which is the current node: JMESPath as its specification has it.

    Raises ExpressionError; the function raises Unworkable.
    """
    code = Code("<expression>")
    coder = Coder(code, units)
    name = coder.function(parse(text))
    if coder.problems:
        raise coder.problems[0]
    return code.finish(GLOBALS).function(name)
