"""A call in an expression becomes Python: arity and argument types are checked by the function's signature.

What can be known while compiling is refused there; the rest is one inline test for each argument. Not concerned with
any other part of an expression.
"""

from __future__ import annotations

import difflib

from bridge.mapping.codegen.emitter import Current, Writer
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.parser import Node
from bridge.mapping.expressions.runtime import ANY
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.registry import Function, Parameter

_NULL = frozenset({"null"})


class Calls(Writer):
    """The part of the coder that writes calls."""

    def _function_expression(self, node: Node, current: Current) -> str:
        function = FUNCTIONS.get(node.value)
        if function is None:
            near = difflib.get_close_matches(node.value, FUNCTIONS, 1)
            mend = f"; did you mean '{near[0]}'?" if near else ""
            return self.refuse(f"unknown function '{node.value}'{mend}", at=node.at, kind="unknown-function")
        if not _fits(function, len(node.children)):
            return self.refuse(_arity(function, len(node.children)), at=node.at, kind="invalid-arity")
        if function.name == "choose":
            return self._choose(node, current)
        if function.name == "from_minor" and self.units is None:
            return self.refuse("from_minor() needs the table `minor_units:` in the mapping", at=node.at)
        refused = len(self.problems)
        atoms = [self._argument(function, place, child, current) for place, child in enumerate(node.children)]
        return self._call(function, atoms, node) if len(self.problems) == refused else "None"

    def _expref(self, node: Node, _current: Current) -> str:
        return self.refuse("`&…` stands only where a function takes an expression", at=node.at, kind="invalid-type")

    def _choose(self, node: Node, current: Current) -> str:
        condition, *branches = node.children
        out = self.code.fresh()
        test = self.holds(self.value(condition, current))
        types: frozenset[str] = frozenset()
        for header, branch in zip((f"if {test}:", "else:"), branches, strict=True):
            with self.code.block(header, node.at):
                atom = self.value(branch, current)
                self.code.emit(f"{out} = {atom}", node.at)
            types |= self.types_of(atom)
        return self.typed(out, types)

    def _argument(self, function: Function, place: int, node: Node, current: Current) -> str:
        parameter = function.parameter(place)
        if parameter.is_expression:
            if node.kind != "expref":
                text = f"{function.name}() takes `&…` as argument {place + 1}"
                return self.refuse(text, at=node.at, kind="invalid-type")
            return self.function(node.children[0])
        refused = len(self.problems)
        atom = self.value(node, current)
        if len(self.problems) > refused:
            return atom
        types = self.types_of(atom)
        allowed = parameter.types | _NULL if function.own else parameter.types
        if not types & allowed or not (types == _NULL or (types - _NULL) & parameter.types):
            kind = " or ".join(runtime.SPOKEN[kind] for kind in sorted(types))
            text = f"{function.name}() takes {parameter.wanted} as argument {place + 1}, not {kind}"
            return self.refuse(text, at=node.at, kind="invalid-type")
        if "null" in types - allowed:
            text = f"{function.name}() fails on null: write {runtime.mend(parameter.types)} where it may be missing"
            self.warn(text, at=node.at)
        return atom

    def _call(self, function: Function, atoms: list[str], node: Node) -> str:
        parameters = [function.parameter(place) for place in range(len(atoms))]
        guarded = [
            atom
            for atom, parameter in zip(atoms, parameters, strict=True)
            if function.own and not parameter.nullable and "null" in self.types_of(atom)
        ]
        if not guarded:
            return self._checked_call(function, parameters, atoms, node)
        out = self.code.assign("None", node.at)
        with self.code.block("if " + " and ".join(f"{atom} is not None" for atom in dict.fromkeys(guarded)) + ":"):
            result = self._checked_call(function, parameters, atoms, node)
            self.code.emit(f"{out} = {result}")
        return self.typed(out, function.returns | _NULL)

    def _checked_call(self, function: Function, parameters: list[Parameter], atoms: list[str], node: Node) -> str:
        for place, (parameter, atom) in enumerate(zip(parameters, atoms, strict=True), 1):
            if not parameter.is_expression:
                self._check(function, place, parameter, atom, node)
        extra = [self.code.constant(self.units)] if function.name == "from_minor" else []
        text = f"_f_{function.name}({', '.join(atoms + extra)})"
        return self.typed(self.code.assign(text, node.at), function.returns)

    def _check(self, function: Function, place: int, parameter: Parameter, atom: str, node: Node) -> None:
        types = self.types_of(atom)
        passed = parameter.types | _NULL if function.own else parameter.types
        if not types <= passed:
            skip = f"{atom} is not None and " if parameter.nullable else ""
            text = f"_wrong({function.name!r}, {place}, {atom}, {parameter.wanted!r})"
            self.code.emit(f"if {skip}{self._is_none_of(atom, parameter.types)}: {text}", node.at)
        if parameter.items:
            self.code.emit(f"_items({function.name!r}, {place}, {atom}, {parameter.items!r})", node.at)

    def _is_none_of(self, atom: str, types: frozenset[str]) -> str:
        if types == ANY:
            return "False"
        classes = [kind for word in sorted(types) for kind in runtime.CLASSES[word]]
        if len(classes) == 1 and "null" not in types:
            return f"{atom}.__class__ is not {classes[0].__name__}"
        return f"{atom}.__class__ not in {self._classes(types)}"

    def _classes(self, types: frozenset[str]) -> str:
        return self.code.constant(runtime.classes_of(types), "C")


def _fits(function: Function, count: int) -> bool:
    return function.fewest <= count and (function.most is None or count <= function.most)


def _arity(function: Function, count: int) -> str:
    fewest, most = function.fewest, function.most
    wanted = f"at least {fewest}" if most is None else str(fewest) if most == fewest else f"{fewest} to {most}"
    words = "argument" if wanted.endswith("1") else "arguments"
    return f"{function.name}() takes {wanted} {words}, got {count}: {function.signature}"
