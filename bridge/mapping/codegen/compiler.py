"""Generates one Python module from a mapping: a function for each rule, each name of `let` and each refusal.

It parses the expressions, searches them for pitfalls and bounds them; `template` generates what surrounds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from bridge.contract import TEXT_FIELDS
from bridge.core.model import SourceLocation
from bridge.mapping.codegen.expressions import GLOBALS, ExpressionCoder
from bridge.mapping.codegen.required_fields import RuleRequirements
from bridge.mapping.codegen.scope import CompiledName, ExpressionScope, KnownNames
from bridge.mapping.codegen.template import TemplateWriter
from bridge.mapping.definition import MappingDefinition, Rule, SetAsideRule
from bridge.mapping.engine.context import HELPERS
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.engine.program import Program, RefusalCode, RuleCode
from bridge.mapping.engine.recall import Recall, find_earlier, take_from_earlier
from bridge.mapping.expressions import size_limit
from bridge.mapping.expressions.parser import ExpressionError, child_parts, parse_expression
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.mapping.expressions.pitfalls import find_pitfalls
from bridge.mapping.expressions.runtime import ANY, KEPT
from bridge.mapping.language import Path
from bridge.yaml.document import IN_QUOTES, MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

NAMES: dict[str, object] = {**GLOBALS, **HELPERS, "_KEPT": KEPT, "_take": take_from_earlier, "_earlier": find_earlier}
_NOTHING = Tree("literal", 0)
_CALL = "function_expression"


@dataclass(slots=True)
class CompileInfo:
    """What compiling found out about the mapping's expressions: the tree of each, and the types it may evaluate to."""

    trees: dict[Scalar, Tree] = field(default_factory=dict)
    types: dict[Scalar, frozenset[str]] = field(default_factory=dict)


def compile_layout(
    layout: MappingDefinition, problems: Problems, *, name: str, compile_info: CompileInfo | None = None
) -> Program | None:
    """The program of a mapping; None where there are errors, which are then among the problems."""
    return _Compiler(layout, problems, name, compile_info or CompileInfo()).compile_program()


class _Compiler:
    def __init__(self, layout: MappingDefinition, problems: Problems, name: str, compile_info: CompileInfo) -> None:
        self._layout = layout
        self._problems = problems
        self._code = ModuleCode(f"<mapping {name}>")
        self._types: dict[str, frozenset[str]] = {}
        self._compile_info = compile_info
        self._trees = compile_info.trees
        self._names: dict[str, CompiledName | None] = {}
        self._open: list[str] = []
        self._known = KnownNames(
            lets=frozenset(layout.lets),
            webhook=frozenset(f"webhook.{name}" for name in layout.expressions),
            vars=layout.vars,
            name=self._compile_name,
            topic_is_text=layout.webhook is not None and layout.webhook.get_value("topic") is not None,
        )

    def compile_program(self) -> Program | None:
        for name in (*self._layout.lets, *(f"webhook.{name}" for name in self._layout.expressions)):
            self._compile_name(name)
        rules = [self._compile_rule(rule) for rule in self._layout.rules]
        refusals = [self._compile_refusal(refusal) for refusal in self._layout.refusals]
        is_test = self._is_test()
        if self._problems.errors:
            return None
        compiled = self._code.compile_module(NAMES)
        return Program(
            compiled=compiled,
            names=len(self._names),
            rules=tuple(
                RuleCode(
                    rule.topics,
                    compiled.get_function(name),
                    needs_body=_reads_body(scope),
                    when_line=rule.when.place.line if rule.when else None,
                    places=places,
                    recalls=rule.recall is not None,
                )
                for rule, (name, scope, places) in zip(self._layout.rules, rules, strict=True)
            ),
            refusals=tuple(
                RefusalCode(
                    refusal.topics,
                    compiled.get_function(name),
                    needs_body=_reads_body(scope),
                    reason=f"{refusal.when.place}: {refusal.reason}",
                )
                for refusal, (name, scope) in zip(self._layout.refusals, refusals, strict=True)
            ),
            is_test=compiled.get_function(is_test) if is_test else None,
            test_needs_body=_test_reads_body(self._names.get("webhook.test")),
        )

    # ---------------------------------------------------------------------------------------------- expressions

    def write(self, scalar: Scalar, scope: ExpressionScope) -> tuple[str, frozenset[str]]:
        """The atom of what an expression becomes, and the types that it may have."""
        coder = ExpressionCoder(self._code, self._layout.units, types=self._types)
        with self._code.standing_for(scalar):
            atom = coder.write_outermost(self._parse_scalar(scalar, scope), scope)
        for problem in coder.problems:
            self._problems.add_error(scalar.location_at(problem.at), problem.text)
        for warning in coder.warnings:
            self._problems.add_warning(scalar.location_at(warning.at), warning.text)
        self._compile_info.types[scalar] = coder.types_of(atom)
        return atom, self._compile_info.types[scalar]

    def condition(self, scalar: Scalar, scope: ExpressionScope) -> str:
        """Python that is true where an expression holds."""
        atom, types = self.write(scalar, scope)
        return f"({atom} or {atom}.__class__ in _NUMBERS)" if "number" in types else atom

    def can_fail(self, scalar: Scalar, scope: ExpressionScope) -> bool:
        """Whether working an expression out can fail: it calls a function, or names what does."""
        return self._makes_calls(self._parse_scalar(scalar, scope))

    def _makes_calls(self, tree: Tree) -> bool:
        """Whether a part that is read at the outermost level calls a function, or names what does."""
        if tree.kind == _CALL:
            return True
        if tree.kind == "field":
            found = self._compile_name(tree.value) if tree.value in self._known.lets else None
            return found is not None and found.fallible
        if tree.kind == "subexpression" and tree.children[0].value == "webhook":
            return any(name is not None and name.fallible for name in map(self._compile_name, self._known.webhook))
        return any(
            self._makes_calls(child) if same_level else _has_call(child) for child, same_level in child_parts(tree)
        )

    def _parse_scalar(self, scalar: Scalar, scope: ExpressionScope) -> Tree:
        if scalar not in self._trees:
            try:
                tree = parse_expression(scalar.expression)
            except ExpressionError as error:
                mend = f"; {IN_QUOTES}" if scalar.is_cut else ""
                self._problems.add_error(scalar.location_at(error.at), error.text + mend)
                tree = _NOTHING
            self._trees[scalar] = tree
            self._look_for_traps(scalar, tree, scope)
        return self._trees[scalar]

    def _look_for_traps(self, scalar: Scalar, tree: Tree, scope: ExpressionScope) -> None:
        for trap in find_pitfalls(tree, scope.visible_names):
            tell = self._problems.add_error if trap.certain else self._problems.add_warning
            tell(scalar.location_at(trap.at), trap.text)
        if size_limit.growth_bound(tree, scope.growth_of) > size_limit.MOST_REPETITIONS:
            self._problems.add_error(
                scalar.place, f"could repeat what it reads over {size_limit.MOST_REPETITIONS:,} times"
            )

    # ----------------------------------------------------------------------------------------------------- names

    def _compile_name(self, name: str) -> CompiledName | None:
        """A name of `let`, or one of the webhook's expressions, compiled when it is first asked for."""
        if name in self._open:
            self._problems.add_error(self._node_of(name).place, f"goes in a circle: {' → '.join([*self._open, name])}")
            return None
        if name not in self._names:
            self._open.append(name)
            made = self._make_name(name, len(self._names) + len(self._open) - 1)
            self._open.pop()
            self._names[name] = made
        return self._names[name]

    def _node_of(self, name: str) -> Node:
        return (
            self._layout.lets[name][1]
            if name in self._layout.lets
            else self._layout.expressions[name.partition(".")[2]]
        )

    def _make_name(self, name: str, slot: int) -> CompiledName:
        node, scope = self._node_of(name), ExpressionScope(self._known)
        with self._code.standing_for(None), self._code.open_function("S") as call:
            if not isinstance(node, Scalar):
                atom, types = (
                    TemplateWriter(self._code, self._problems, self).write_box(node, ("let", name), scope),
                    ANY,
                )
            elif node.is_expression:
                atom, types = self.write(node, scope)
            else:
                atom, types = self._code.add_constant(node.literal), ANY
            self._code.emit_line(f"S.lets[{slot}] = {atom}")
            self._code.emit_line(f"return {atom}")
        return CompiledName(
            call=call,
            slot=slot,
            types=types,
            growth=self._growth_of(node, scope),
            uses=frozenset(scope.uses),
            fallible=any(self.can_fail(scalar, scope) for scalar in _iter_expressions(node)),
        )

    def _growth_of(self, node: Node, scope: ExpressionScope) -> int:
        total = sum(
            size_limit.growth_bound(self._parse_scalar(scalar, scope), scope.growth_of)
            for scalar in _iter_expressions(node)
        )
        return max(1, total)

    # ------------------------------------------------------------------------------------------ rules, refusals

    def _compile_rule(self, rule: Rule) -> tuple[str, ExpressionScope, dict[Path, SourceLocation]]:
        scope = ExpressionScope(self._known, earlier=partial(self._write_earlier, rule.recall) if rule.recall else None)
        template = TemplateWriter(self._code, self._problems, self, texts=TEXT_FIELDS)
        requirements = RuleRequirements(rule, self._problems)
        requirements.check_statically()
        with self._code.open_function("S") as name:
            if rule.when is not None:
                self._code.emit_line(f"if not {self.condition(rule.when, scope)}: return None")
            event = template.write_box(rule.event, (), scope)
            if rule.recall is not None:
                self._compile_recall(rule.recall, event, scope)
            requirements.write_checks(self._code, event)
            self._code.emit_line(f"return {event}, {self._compile_key(rule, scope)}")
        return name, scope, template.places

    def _compile_recall(self, recall: Recall, event: str, scope: ExpressionScope) -> None:
        names = self._write_names(recall, scope)
        with self._code.standing_for(recall.dedupes[0]):
            self._code.emit_line(f"_take(S, {event}, {self._code.add_constant(recall)}, {names})")

    def _write_earlier(self, recall: Recall, scope: ExpressionScope) -> str:
        """The atom of `earlier`."""
        names = self._write_names(recall, scope)
        with self._code.standing_for(recall.dedupes[0]):
            return self._code.assign_value(f"_earlier(S, {self._code.add_constant(recall)}, {names})")

    def _write_names(self, recall: Recall, scope: ExpressionScope) -> str:
        """The dedupe keys of a recall, each None where it came out as nothing."""
        without = ExpressionScope(self._known, uses=scope.uses)  # which cannot read what it looks for
        names = []
        for dedupe in recall.dedupes:
            atom, _ = self.write(dedupe, without)
            with self._code.standing_for(dedupe):
                key = self._code.assign_value(atom)  # which may be a constant, and nobody compares one with None
                names.append(self._code.assign_value(f"None if {key} is None else _as_key({key})"))
        return f"({', '.join(names)},)"

    def _compile_key(self, rule: Rule, scope: ExpressionScope) -> str:
        if rule.dedupe is None:
            return "None"
        atom, _ = self.write(rule.dedupe, scope)
        with self._code.standing_for(rule.dedupe):
            return self._code.assign_value(f"_as_key({atom})")

    def _compile_refusal(self, refusal: SetAsideRule) -> tuple[str, ExpressionScope]:
        scope = ExpressionScope(self._known)
        with self._code.open_function("S") as name:
            self._code.emit_line(f"return bool({self.condition(refusal.when, scope)})")
        return name, scope

    def _is_test(self) -> str | None:
        test = self._layout.expressions.get("test")
        if test is None:
            return None
        made = self._compile_name("webhook.test")
        with self._code.standing_for(test), self._code.open_function("S") as name:
            if made is not None:
                value = self._code.assign_value(f"S.lets[{made.slot}]")
                self._code.emit_line(f"return _as_flag({made.call}(S) if {value} is _UNSET else {value})")
        return name


def _iter_expressions(node: Node) -> list[Scalar]:
    """Every expression in a node."""
    match node:
        case Scalar():
            return [node] if node.is_expression else []
        case SequenceNode():
            return [scalar for item in node.items for scalar in _iter_expressions(item)]
        case MappingNode():
            return [scalar for entry in node.entries.values() for scalar in _iter_expressions(entry.value)]


def _has_call(tree: Tree) -> bool:
    return tree.kind == _CALL or any(map(_has_call, tree.children))


def _reads_body(scope: ExpressionScope) -> bool:
    return bool(scope.uses & {"body", "request"})


def _test_reads_body(test: CompiledName | None) -> bool:
    return test is not None and bool(test.uses & {"body", "request"})
