"""Generates the Python of function calls; checks arity and argument types by the function's signature.

What is known while compiling is refused there; the rest is one inline test for each argument.
"""

from __future__ import annotations

from bridge.core.suggestions import suggest_nearest
from bridge.mapping.codegen.emitter import Current, ExpressionWriter
from bridge.mapping.expressions import runtime
from bridge.mapping.expressions.habits import suggest_own_function
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.expressions.runtime import ANY
from bridge.mapping.functions.registry import FunctionParameter, MappingFunction

_NULL = frozenset({"null"})


class CallWriter(ExpressionWriter):
    """The part of the coder that writes calls."""

    def _function_expression(self, node: ExpressionNode, current: Current) -> str:
        function = self.functions.get(node.value)
        if function is None:
            own = suggest_own_function(node.value)
            mend = f"; write `{own}(…)`" if own in self.functions else suggest_nearest(node.value, self.functions)
            return self.refuse_part(f"unknown function '{node.value}'{mend}", at=node.at, kind="unknown-function")
        if not _argument_count_fits(function, len(node.children)):
            mend = "; there are no methods: what stands before the dot is an argument" if node.after_dot else ""
            return self.refuse_part(_arity_text(function, len(node.children)) + mend, at=node.at, kind="invalid-arity")
        if function.name == "choose":
            return self._choose(node, current)
        if function.name == "from_minor" and self.units is None:
            return self.refuse_part("from_minor() needs the table `minor_units:` in the mapping", at=node.at)
        refused = len(self.problems)
        atoms = [self._argument(function, place, child, current) for place, child in enumerate(node.children)]
        return self._call(function, atoms, node) if len(self.problems) == refused else "None"

    def _expref(self, node: ExpressionNode, _current: Current) -> str:
        return self.refuse_part(
            "`&…` stands only where a function takes an expression", at=node.at, kind="invalid-type"
        )

    def _choose(self, node: ExpressionNode, current: Current) -> str:
        condition, *branches = node.children
        out = self.code.fresh_name()
        test = self.true_test(self.write_value(condition, current))
        types: frozenset[str] = frozenset()
        for header, branch in zip((f"if {test}:", "else:"), branches, strict=True):
            with self.code.open_block(header, node.at):
                atom = self.write_value(branch, current)
                self.code.emit_line(f"{out} = {atom}", node.at)
            types |= self.types_of(atom)
        return self.with_types(out, types)

    def _argument(self, function: MappingFunction, place: int, node: ExpressionNode, current: Current) -> str:
        parameter = function.parameter_at(place)
        if parameter.is_expression:
            if node.kind != "expref":
                text = f"{function.name}() takes `&…` as argument {place + 1}"
                return self.refuse_part(text, at=node.at, kind="invalid-type")
            return self.write_function(node.children[0])
        if parameter.words and (node.kind != "literal" or node.value not in parameter.words):
            return self.refuse_part(_words_text(function, place, node), at=node.at, kind="invalid-value")
        refused = len(self.problems)
        atom = self.write_value(node, current)
        if len(self.problems) > refused:
            return atom
        types = self.types_of(atom)
        allowed = parameter.types | _NULL if function.own else parameter.types
        if not types & allowed or not (types == _NULL or (types - _NULL) & parameter.types):
            kind = " or ".join(runtime.SPOKEN[kind] for kind in sorted(types))
            text = f"{function.name}() takes {parameter.wanted_types} as argument {place + 1}, not {kind}"
            return self.refuse_part(text, at=node.at, kind="invalid-type")
        if "null" in types - allowed:
            text = (
                f"{function.name}() fails on null: write {runtime.null_guard(parameter.types)} where it may be missing"
            )
            self.warn_at(text, at=node.at)
        return atom

    def _call(self, function: MappingFunction, atoms: list[str], node: ExpressionNode) -> str:
        parameters = [function.parameter_at(place) for place in range(len(atoms))]
        guarded = [
            atom
            for atom, parameter in zip(atoms, parameters, strict=True)
            if function.own and not parameter.nullable and "null" in self.types_of(atom)
        ]
        if not guarded:
            return self._checked_call(function, parameters, atoms, node)
        out = self.code.assign_value("None", node.at)
        with self.code.open_block("if " + " and ".join(f"{atom} is not None" for atom in dict.fromkeys(guarded)) + ":"):
            result = self._checked_call(function, parameters, atoms, node)
            self.code.emit_line(f"{out} = {result}")
        return self.with_types(out, function.returns | _NULL)

    def _checked_call(
        self, function: MappingFunction, parameters: list[FunctionParameter], atoms: list[str], node: ExpressionNode
    ) -> str:
        for place, (parameter, atom) in enumerate(zip(parameters, atoms, strict=True), 1):
            if not parameter.is_expression:
                self._check(function, place, parameter, atom, node)
        extra = [self.code.add_constant(self.units)] if function.name == "from_minor" else []
        text = f"_f_{function.name}({', '.join(atoms + extra)})"
        return self.with_types(self.code.assign_value(text, node.at), function.returns)

    def _check(
        self, function: MappingFunction, place: int, parameter: FunctionParameter, atom: str, node: ExpressionNode
    ) -> None:
        types = self.types_of(atom)
        passed = parameter.types | _NULL if function.own else parameter.types
        if not types <= passed:
            skip = f"{atom} is not None and " if parameter.nullable else ""
            text = f"_wrong({function.name!r}, {place}, {atom}, {parameter.wanted_types!r})"
            self.code.emit_line(f"if {skip}{self._is_none_of(atom, parameter.types)}: {text}", node.at)
        if parameter.items:
            self.code.emit_line(f"_items({function.name!r}, {place}, {atom}, {parameter.items!r})", node.at)

    def _is_none_of(self, atom: str, types: frozenset[str]) -> str:
        if types == ANY:
            return "False"
        classes = [kind for word in sorted(types) for kind in runtime.CLASSES[word]]
        if len(classes) == 1 and "null" not in types:
            return f"{atom}.__class__ is not {classes[0].__name__}"
        return f"{atom}.__class__ not in {self._classes(types)}"

    def _classes(self, types: frozenset[str]) -> str:
        return self.code.add_constant(runtime.classes_of(types), "C")


def _argument_count_fits(function: MappingFunction, count: int) -> bool:
    return function.least_arguments <= count and (function.most_arguments is None or count <= function.most_arguments)


def _arity_text(function: MappingFunction, count: int) -> str:
    fewest, most = function.least_arguments, function.most_arguments
    wanted = f"at least {fewest}" if most is None else str(fewest) if most == fewest else f"{fewest} to {most}"
    words = "argument" if wanted.endswith("1") else "arguments"
    return f"{function.name}() takes {wanted} {words}, got {count}: {function.signature}"


def _words_text(function: MappingFunction, place: int, node: ExpressionNode) -> str:
    words = function.parameter_at(place).words
    mend = suggest_nearest(node.value, words) if node.kind == "literal" and isinstance(node.value, str) else ""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"{function.name}() takes one of these texts as argument {place + 1}: {listed}{mend}"
