"""Generates one Python module from a destination file, with the compiler of mappings and the roots of its parts."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.model import SourceLocation
from bridge.destinations.language.parts import (
    AnswerDefinition,
    EachDefinition,
    PlatformDefinition,
    SendRule,
    VerdictDefinition,
)
from bridge.destinations.language.program import AnswerCode, PlatformProgram, RequestCode, SendCode, VerdictCode
from bridge.destinations.language.roots import PlatformRoots, answer_roots, event_roots, request_roots, verdict_roots
from bridge.mapping.codegen.compiler import NAMES
from bridge.mapping.codegen.expression_compiler import CompileInfo, ExpressionCompiler
from bridge.mapping.codegen.scope import ExpressionScope
from bridge.mapping.engine.module import CompiledModule, ModuleCode
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.language import Path
from bridge.yaml.document import Node, Scalar
from bridge.yaml.problems import Problems

_ALL_SOFT: frozenset[Path] = frozenset({()})
_NOTHING_SOFT: frozenset[Path] = frozenset()
VERDICT_AFTER = timedelta(minutes=15)
"""How long after a request its verdict is asked for, where the file does not say."""


def compile_platform(
    parts: PlatformDefinition, problems: Problems, *, name: str, compile_info: CompileInfo
) -> PlatformProgram | None:
    """The program of a destination file; None where there are errors, which are then among the problems."""
    return _PlatformCompiler(parts, problems, name, compile_info).compile_all()


class _PlatformCompiler:
    def __init__(self, parts: PlatformDefinition, problems: Problems, name: str, compile_info: CompileInfo) -> None:
        self._parts = parts
        self._problems = problems
        self._code = ModuleCode(f"<destination {name}>")
        self._compile_info = compile_info
        names = (parts.vars, parts.secrets)
        lets = {name: node for name, (_, node) in parts.lets.items()}
        self._events = self._make_compiler(event_roots(*names), lets, soft=_ALL_SOFT)
        self._request = self._make_compiler(request_roots(*names, one_event=parts.limits.events == 1), {})
        self._answers = self._make_compiler(answer_roots(*names), {}, soft=_ALL_SOFT)
        self._verdict = self._make_compiler(verdict_roots(*names), {})

    def _make_compiler(
        self, roots: PlatformRoots, lets: dict[str, Node], *, soft: frozenset[Path] = _NOTHING_SOFT
    ) -> ExpressionCompiler:
        return ExpressionCompiler(
            self._code,
            self._problems,
            roots=roots,
            names=lets,
            lets=frozenset(lets),
            compile_info=self._compile_info,
            functions=DESTINATION_FUNCTIONS,
            soft=soft,
        )

    def compile_all(self) -> PlatformProgram | None:
        parts = self._parts
        self._events.compile_names()
        skips = [self._write_condition(skip.when, self._events) for skip in parts.skips]
        sends = [self._write_send(send) for send in parts.sends]
        together = self._write_value(parts.limits.together, self._events)
        request = self._write_request()
        answers = [self._write_answer(answer) for answer in parts.answers]
        verdict = None if parts.verdict is None else self._write_verdict(parts.verdict)
        if self._problems.errors or request is None:
            return None
        compiled = self._code.compile_module(NAMES)
        return PlatformProgram(
            compiled=compiled,
            names=len(self._events.names),
            skips=tuple(
                (compiled.get_function(name), skip.reason) for name, skip in zip(skips, parts.skips, strict=True)
            ),
            sends=tuple(_send_code(compiled, name, send) for name, send in zip(sends, parts.sends, strict=True)),
            request=_request_code(compiled, request, parts),
            answers=tuple(
                _answer_code(compiled, names, answer) for names, answer in zip(answers, parts.answers, strict=True)
            ),
            together=compiled.get_function(together) if parts.limits.together is not None else None,
            limits_sale=_reads_name(self._compile_info, "sale_opt_out"),
            names_conversions=_reads_name(self._compile_info, "conversion_id"),
            follows={name: rule.event_types for name, rule in parts.follows.items()},
            verdict=None if verdict is None else _verdict_code(compiled, verdict, parts.verdict),
        )

    # ------------------------------------------------------------------------------------------------ one function

    def _write_value(self, scalar: Scalar | None, compiler: ExpressionCompiler) -> str:
        """The name of a function that gives what a scalar becomes: an expression evaluated, a literal, or None."""
        with self._code.open_function("S") as name:
            if scalar is None:
                self._code.emit_line("return None")
            elif scalar.is_expression:
                atom, _ = compiler.write(scalar, ExpressionScope(compiler.known))
                self._code.emit_line(f"return {atom}")
            else:
                self._code.emit_line(f"return {self._code.add_constant(scalar.literal)}")
        return name

    def _write_node(self, node: Node | None, compiler: ExpressionCompiler, what: str) -> str:
        """The name of a function that gives what a template becomes."""
        if node is None or isinstance(node, Scalar):
            return self._write_value(node, compiler)
        with self._code.open_function("S") as name:
            atom = compiler.template().write_box(node, (what,), ExpressionScope(compiler.known))
            self._code.emit_line(f"return {atom}")
        return name

    def _write_condition(self, scalar: Scalar | None, compiler: ExpressionCompiler) -> str:
        with self._code.open_function("S") as name:
            held = "True" if scalar is None else compiler.condition(scalar, ExpressionScope(compiler.known))
            self._code.emit_line(f"return bool({held})")
        return name

    # ------------------------------------------------------------------------------------------------------- parts

    def _write_send(self, send: SendRule) -> str:
        scope = ExpressionScope(self._events.known)
        with self._code.open_function("S") as name:
            if send.when is not None:
                self._code.emit_line(f"if not {self._events.condition(send.when, scope)}: return None")
            item = self._events.template().write_box(send.item, (), scope)
            self._code.emit_line(f"return {item}")
        return name

    def _write_request(self) -> tuple[str, str, str, str] | None:
        request = self._parts.request
        if request is None:
            return None
        parameters = request.auth.parameters if request.auth is not None else None
        return (
            self._write_value(request.url, self._request),
            self._write_node(request.headers, self._request, "headers"),
            self._write_node(request.body, self._request, "body"),
            self._write_node(parameters, self._request, "auth"),
        )

    def _write_answer(self, answer: AnswerDefinition) -> tuple[str, ...]:
        return (
            self._write_condition(answer.when, self._answers),
            self._write_value(answer.outcome, self._answers),
            self._write_value(answer.reason, self._answers),
            self._write_value(answer.after, self._answers),
            self._write_value(answer.note, self._answers),
            self._write_each(answer.each) if answer.each is not None else "",
        )

    def _write_each(self, each: EachDefinition) -> str:
        """A function that gives `(at, is, reason)` of each entry that counts; its own place where `at` is unwritten."""
        compiler, code = self._answers, self._code
        scope = ExpressionScope(compiler.known)
        with code.open_function("S") as name:
            out, place, element = code.assign_value("[]"), code.fresh_name("p"), code.fresh_name("n")
            entries, _ = compiler.write(each.source, scope)
            inside = scope.within_loop(each.name, element)
            with (
                code.standing_for(each.source),
                code.open_block(f"for {place}, {element} in enumerate(S.each({entries})):"),
            ):
                if each.when is not None:
                    code.emit_line(f"if not {compiler.condition(each.when, inside)}: continue")
                at = place if each.at is None else compiler.write(each.at, inside)[0]
                outcome = "'rejected'" if each.outcome is None else self._write_atom(each.outcome, inside)
                reason = self._write_softly(each.reason, inside)
                code.emit_line(f"{out}.append(({at}, {outcome}, {reason}))")
            code.emit_line(f"return {out}")
        return name

    def _write_verdict(self, verdict: VerdictDefinition) -> tuple[str, str, str, str]:
        """Functions that give the address, whether it is too early, `(reason, count)` of what was refused, success."""
        compiler, code = self._answers, self._code
        if verdict.pending is None:
            with code.open_function("S") as pending:
                code.emit_line("return False")
        else:
            pending = self._write_condition(verdict.pending, compiler)
        success = self._write_condition(verdict.success, compiler)
        scope = ExpressionScope(compiler.known)
        with code.open_function("S") as refused:
            out, element = code.assign_value("[]"), code.fresh_name("n")
            entries, _ = compiler.write(verdict.source, scope)
            inside = scope.within_loop(verdict.name, element)
            with code.standing_for(verdict.source), code.open_block(f"for {element} in S.each({entries}):"):
                reason, count = (compiler.write(one, inside)[0] for one in (verdict.reason, verdict.count))
                code.emit_line(f"{out}.append(({reason}, {count}))")
            code.emit_line(f"return {out}")
        return self._write_value(verdict.url, self._verdict), pending, refused, success

    def _write_softly(self, scalar: Scalar | None, scope: ExpressionScope) -> str:
        """A reason that cannot be worked out is none, and changes nothing of the outcome."""
        if scalar is None or not scalar.is_expression:
            return self._write_atom(scalar, scope)
        reason = self._code.assign_value("None")
        with self._code.open_block("try:"):
            atom, _ = self._answers.write(scalar, scope)
            self._code.emit_line(f"{reason} = {atom}")
        self._code.emit_line("except Exception: pass")
        return reason

    def _write_atom(self, scalar: Scalar | None, scope: ExpressionScope) -> str:
        if scalar is None:
            return "None"
        return self._answers.write(scalar, scope)[0] if scalar.is_expression else repr(scalar.text)


# --------------------------------------------------------------------------------------------------------- what runs


def _send_code(compiled: CompiledModule, name: str, send: SendRule) -> SendCode:
    return SendCode(
        send.event_types,
        compiled.get_function(name),
        identify=tuple(tuple(use.path for use in group) for group in send.identify),
        require=tuple(use.path for use in send.require),
    )


def _request_code(compiled: CompiledModule, names: tuple[str, str, str, str], parts: PlatformDefinition) -> RequestCode:
    url, headers, body, auth = map(compiled.get_function, names)
    kind = parts.request.auth.kind if parts.request is not None and parts.request.auth is not None else None
    return RequestCode(url, headers, body, kind, auth)


def _verdict_code(compiled: CompiledModule, names: tuple[str, ...], verdict: VerdictDefinition | None) -> VerdictCode:
    url, is_pending, refused, is_success = map(compiled.get_function, names)
    after = verdict.after if verdict is not None and verdict.after is not None else VERDICT_AFTER
    return VerdictCode(url, is_pending, refused, is_success, after)


def _answer_code(compiled: CompiledModule, names: tuple[str, ...], answer: AnswerDefinition) -> AnswerCode:
    holds, outcome, reason, after, note = map(compiled.get_function, names[:5])
    place: SourceLocation = answer.place
    return AnswerCode(
        place,
        holds,
        outcome if answer.outcome is not None else None,
        reason,
        after,
        note,
        compiled.get_function(names[5]) if answer.each is not None else None,
        answer.rest,
    )


def _reads_name(compile_info: CompileInfo, name: str) -> bool:
    """Whether any expression of the file reads a field of this name."""
    waiting = list(compile_info.trees.values())
    while waiting:
        tree = waiting.pop()
        if tree.kind == "field" and tree.value == name:
            return True
        waiting.extend(tree.children)
    return False
