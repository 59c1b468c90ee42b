"""Generates one Python module from a mapping: a function for each rule, each name of `let` and each refusal.

`expression_compiler` compiles the expressions, `template` generates what surrounds them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from bridge.contract import TEXT_FIELDS
from bridge.core.model import SourceLocation
from bridge.mapping.codegen.expression_compiler import CompileInfo, ExpressionCompiler
from bridge.mapping.codegen.expressions import GLOBALS
from bridge.mapping.codegen.mapping_roots import VARS, MappingRoots
from bridge.mapping.codegen.required_fields import RuleRequirements
from bridge.mapping.codegen.scope import CompiledName, ExpressionScope
from bridge.mapping.definition import AliasRule, MappingDefinition, Rule, RuleLoop, SetAsideRule
from bridge.mapping.engine.context import HELPERS
from bridge.mapping.engine.defer import DeferTo, defer_event, find_others, leave_to_told
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.engine.program import AliasCode, Program, RefusalCode, RuleCode, WhenCode
from bridge.mapping.engine.recall import Recall, await_sale, find_earlier, look_up_all, take_from_earlier
from bridge.mapping.expressions.runtime import KEPT
from bridge.mapping.language import WEBHOOK, Path
from bridge.yaml.document import Scalar
from bridge.yaml.problems import Problems

__all__ = ["NAMES", "CompileInfo", "compile_layout"]

NAMES: dict[str, object] = {
    **GLOBALS, **HELPERS, "_KEPT": KEPT, "_take": take_from_earlier, "_earlier": find_earlier, "_defer": defer_event,
    "_others": find_others, "_await_sale": await_sale, "_leave_to": leave_to_told, "_look_up": look_up_all,
}  # fmt: skip


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
        webhook = {f"webhook.{name}": node for name, node in layout.expressions.items() if name in WEBHOOK}
        self._expressions = ExpressionCompiler(
            self._code,
            problems,
            roots=MappingRoots(
                webhook=frozenset(webhook),
                vars=layout.vars,
                topic_is_text=layout.webhook is not None and layout.webhook.get_value("topic") is not None,
            ),
            names={name: node for name, (_, node) in layout.lets.items()} | webhook,
            lets=frozenset(layout.lets),
            units=layout.units,
            compile_info=compile_info,
        )

    def compile_program(self) -> Program | None:
        self._expressions.compile_names()
        rules = [self._compile_rule(rule) for rule in self._layout.rules]
        refusals = [self._compile_refusal(refusal) for refusal in self._layout.refusals]
        aliases = [self._compile_alias(alias) for alias in self._layout.aliases]
        reasons = {topic: self._compile_value(scalar) for topic, scalar in self._layout.ignore_reasons.items()}
        is_test, is_ping = self._is_test(), self._is_ping()
        if self._problems.errors:
            return None
        compiled = self._code.compile_module(NAMES)
        return Program(
            compiled=compiled,
            names=len(self._expressions.names),
            rules=tuple(
                RuleCode(
                    rule.topics,
                    compiled.get_function(made.name),
                    needs_body=_reads_body(made.scope),
                    when=made.when,
                    places=made.places,
                    recalls=rule.recall is not None or rule.defer_to is not None,
                    rank=rule.rank,
                    remember=rule.remember,
                    elements=compiled.get_function(made.elements) if made.elements else None,
                    element_name=rule.loop.name if rule.loop else "",
                    event_types=_visible_types(rule),
                )
                for rule, made in zip(self._layout.rules, rules, strict=True)
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
            test_needs_body=_test_reads_body(self._expressions.names.get("webhook.test")),
            is_ping=compiled.get_function(is_ping) if is_ping else None,
            aliases=tuple(
                AliasCode(alias.topics, compiled.get_function(name))
                for alias, name in zip(self._layout.aliases, aliases, strict=True)
            ),
            alias_types=_looked_for(self._layout),
            ignore_reasons={topic: compiled.get_function(name) for topic, name in reasons.items()},
        )

    # ------------------------------------------------------------------------------------------ rules, refusals

    def _compile_rule(self, rule: Rule) -> _CompiledRule:
        scope = ExpressionScope(self._expressions.known, earlier=self._earlier_writer(rule))
        elements = self._compile_elements(rule.loop, scope) if rule.loop else None
        if rule.loop:
            scope = scope.within_loop(rule.loop.name, self._code.fresh_name("n"))
        template = self._expressions.template(TEXT_FIELDS)
        requirements = RuleRequirements(rule, self._problems)
        requirements.check_statically()
        with self._code.open_function(scope.parameters) as name:
            for number, condition in enumerate(rule.when):
                self._code.emit_line(f"if not {self._expressions.condition(condition.test, scope)}: return {number}")
            when = WhenCode(
                tuple(condition.test.place.line for condition in rule.when),
                rule.loop.source.place.line if rule.loop else 0,
                tuple(condition.reason for condition in rule.when),
                tuple(sorted(name for name in self._layout.vars if f"{VARS}{name}" in scope.uses)) if rule.when else (),
            )
            self._compile_early_end(rule, scope)
            event = template.write_box(rule.event, (), scope)
            if rule.recall is not None:
                self._compile_recall(rule.recall, event, scope)
            if rule.defer_to is not None:
                self._compile_defer(rule.defer_to, event, scope)
            requirements.write_checks(self._code, event)
            self._code.emit_line(f"return {event}, {self._compile_keys(rule, scope)}")
        return _CompiledRule(name, scope, template.places, when, elements)

    def _compile_early_end(self, rule: Rule, scope: ExpressionScope) -> None:
        """Before the event is made: look up all that it asks for; end where it waits, or where another told it.

        Half of the webhooks of a load in which all defer are told by others.
        """
        recalled = None if rule.recall is None else self._looked_for(rule.recall, scope)
        if rule.defer_to is not None:
            with self._code.open_block(f"if {self._write_defers(rule.defer_to, scope)}:"):
                asked = self._looked_for(rule.defer_to, scope)
                self._code.emit_line(f"_look_up(S, {f'{recalled}, ' if recalled else ''}{asked})")
                self._code.emit_line(f"_leave_to(S, {self._code.add_constant(rule.defer_to)}, {asked}[1])")
        if recalled:
            self._code.emit_line(f"_await_sale(S, *{recalled})")

    def _looked_for(self, asked: Recall | DeferTo, scope: ExpressionScope) -> str:
        """The name of what is looked for, with its names."""
        names = self._write_names(asked, scope)
        with self._code.standing_for(asked.dedupes[0]):
            return self._code.assign_value(f"({self._code.add_constant(asked)}, {names})")

    def _compile_elements(self, loop: RuleLoop, scope: ExpressionScope) -> str:
        """The function that gives the elements of a rule's `for_each`."""
        with self._code.open_function("S") as name:
            items, _ = self._expressions.write(loop.source, replace(scope, earlier=None))
            with self._code.standing_for(loop.source):
                self._code.emit_line(f"return S.elements({items})")
        return name

    def _compile_recall(self, recall: Recall, event: str, scope: ExpressionScope) -> None:
        names = self._write_names(recall, scope)
        with self._code.standing_for(recall.dedupes[0]):
            self._code.emit_line(f"_take(S, {event}, {self._code.add_constant(recall)}, {names})")

    def _earlier_writer(self, rule: Rule) -> Callable[[ExpressionScope], str] | None:
        """What writes the atom of `earlier` in a rule, None where it has no such root."""
        if rule.recall is not None:
            return partial(self._write_earlier, rule.recall)
        if rule.defer_to is not None:
            return partial(self._write_others, rule.defer_to)
        return _write_nothing if rule.remember is not None else None

    def _compile_defer(self, defer_to: DeferTo, event: str, scope: ExpressionScope) -> None:
        with self._code.open_block(f"if {self._write_defers(defer_to, scope)}:"):
            names = self._write_names(defer_to, scope)
            with self._code.standing_for(defer_to.dedupes[0]):
                self._code.emit_line(f"_defer(S, {event}, {self._code.add_constant(defer_to)}, {names})")

    def _write_others(self, defer_to: DeferTo, scope: ExpressionScope) -> str:
        """The atom of `earlier` in a rule that defers."""
        defers = self._write_defers(defer_to, scope)
        names = self._write_names(defer_to, scope)
        with self._code.standing_for(defer_to.dedupes[0]):
            call = f"_others(S, {self._code.add_constant(defer_to)}, {names})"
            return self._code.assign_value(f"{call} if {defers} else None")

    def _write_defers(self, defer_to: DeferTo, scope: ExpressionScope) -> str:
        """Python that is true where a rule defers."""
        if defer_to.when is None:
            return "True"
        return self._expressions.condition(defer_to.when, replace(scope, earlier=None))

    def _write_earlier(self, recall: Recall, scope: ExpressionScope) -> str:
        """The atom of `earlier`."""
        names = self._write_names(recall, scope)
        with self._code.standing_for(recall.dedupes[0]):
            return self._code.assign_value(f"_earlier(S, {self._code.add_constant(recall)}, {names})")

    def _write_names(self, recall: Recall | DeferTo, scope: ExpressionScope) -> str:
        """The dedupe keys of a recall, without what came out as nothing."""
        without = replace(scope, earlier=None)  # which cannot read what it looks for
        names = []
        for dedupe in recall.dedupes:
            atom, _ = self._expressions.write(dedupe, without)
            with self._code.standing_for(dedupe):
                key = self._code.assign_value(atom)  # which may be a constant, and nobody compares one with None
                names.append(self._code.assign_value(f"() if {key} is None else _as_names({key})"))
        return f"({', '.join(f'*{name}' for name in names)},)"

    def _compile_keys(self, rule: Rule, scope: ExpressionScope) -> str:
        """The dedupe keys of a rule: the first decides."""
        if not rule.dedupes:
            return "()"
        atoms = [self._expressions.write(dedupe, scope)[0] for dedupe in rule.dedupes]
        with self._code.standing_for(rule.dedupes[0]):
            if len(atoms) == 1:
                return self._code.assign_value(f"(_as_key({atoms[0]}),)")
            return self._code.assign_value(f"_as_keys(({', '.join(atoms)}))")

    def _compile_alias(self, alias: AliasRule) -> str:
        scope = ExpressionScope(self._expressions.known)
        with self._code.open_function("S") as name:
            if alias.when is not None:
                self._code.emit_line(f"if not {self._expressions.condition(alias.when, scope)}: return None")
            keys = []
            for scalar in (alias.name, alias.belongs_to):
                atom, _ = self._expressions.write(scalar, scope)
                with self._code.standing_for(scalar):
                    value = self._code.assign_value(atom)
                    self._code.emit_line(f"if {value} is None: return None")
                    keys.append(self._code.assign_value(f"_as_key({value})"))
            self._code.emit_line(f"return {', '.join(keys)}")
        return name

    def _compile_value(self, scalar: Scalar) -> str:
        scope = ExpressionScope(self._expressions.known)
        with self._code.open_function("S") as name:
            atom, _ = self._expressions.write(scalar, scope)
            self._code.emit_line(f"return {atom}")
        return name

    def _compile_refusal(self, refusal: SetAsideRule) -> tuple[str, ExpressionScope]:
        scope = ExpressionScope(self._expressions.known)
        with self._code.open_function("S") as name:
            self._code.emit_line(f"return bool({self._expressions.condition(refusal.when, scope)})")
        return name, scope

    def _is_ping(self) -> str | None:
        ping = self._layout.expressions.get("ping")
        if ping is None:
            return None
        with self._code.open_function("S") as name:
            scope = ExpressionScope(self._expressions.known)
            self._code.emit_line(f"return bool({self._expressions.condition(ping, scope)})")
        return name

    def _is_test(self) -> str | None:
        test = self._layout.expressions.get("test")
        if test is None:
            return None
        made = self._expressions.compile_name("webhook.test")
        with self._code.standing_for(test), self._code.open_function("S") as name:
            if made is not None:
                value = self._code.assign_value(f"S.lets[{made.slot}]")
                self._code.emit_line(f"return _as_flag({made.call}(S) if {value} is _UNSET else {value})")
        return name


def _write_nothing(_scope: ExpressionScope) -> str:
    return "None"


def _looked_for(layout: MappingDefinition) -> tuple[str, ...]:
    """The types of event that the rules look for."""
    asked = [each for rule in layout.rules for each in (rule.recall, rule.defer_to) if each is not None]
    return tuple(dict.fromkeys(event_type for each in asked for event_type in each.event_types))


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    """The functions that a rule became, by name, and what is known of it."""

    name: str
    scope: ExpressionScope
    places: dict[Path, SourceLocation]
    when: WhenCode
    elements: str | None


def _visible_types(rule: Rule) -> tuple[str, ...]:
    node = rule.event.get_value("event_type")
    if isinstance(node, Scalar) and not node.is_expression:
        return (str(node.literal),)
    return rule.defer_to.event_types if rule.defer_to is not None else ()


def _reads_body(scope: ExpressionScope) -> bool:
    return bool(scope.uses & {"body", "request"})


def _test_reads_body(test: CompiledName | None) -> bool:
    return test is not None and bool(test.uses & {"body", "request"})
