"""Compiles the expressions and the names of `let` of one file: it parses, searches for pitfalls, and bounds.

What is made of them, rules of a mapping or items of a destination, is its users' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.mapping.codegen.expressions import ExpressionCoder
from bridge.mapping.codegen.scope import CompiledName, ExpressionScope, KnownNames, RootNames
from bridge.mapping.codegen.template import TemplateWriter
from bridge.mapping.engine.module import ModuleCode
from bridge.mapping.expressions import size_limit
from bridge.mapping.expressions.parser import ExpressionError, child_parts, parse_expression
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.mapping.expressions.pitfalls import find_pitfalls
from bridge.mapping.expressions.runtime import ANY
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.money import MinorUnits
from bridge.mapping.functions.registry import MappingFunction
from bridge.mapping.language import SOFT, Path
from bridge.yaml.document import IN_QUOTES, MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

UNREADABLE = Tree("literal", 0)
"""The tree of an expression that cannot be parsed."""
_CALL = "function_expression"


@dataclass(slots=True)
class CompileInfo:
    """What compiling found out about a file's expressions: the tree of each, and the types it may evaluate to."""

    trees: dict[Scalar, Tree] = field(default_factory=dict)
    types: dict[Scalar, frozenset[str]] = field(default_factory=dict)


class ExpressionCompiler:
    """Compiles into one module. `names` are what `let` and the file's own expressions name; `lets` those of `let`.

    `soft` are the paths of a template below which a value that cannot be worked out is left out with a note.
    """

    def __init__(  # noqa: PLR0913  all that a file's expressions depend on, by name
        self,
        code: ModuleCode,
        problems: Problems,
        *,
        roots: RootNames,
        names: Mapping[str, Node],
        lets: frozenset[str],
        compile_info: CompileInfo,
        units: MinorUnits | None = None,
        functions: Mapping[str, MappingFunction] = FUNCTIONS,
        soft: frozenset[Path] = SOFT,
    ) -> None:
        self.code = code
        self.problems = problems
        self.known = KnownNames(lets=lets, roots=roots, name=self.compile_name)
        self.names: dict[str, CompiledName | None] = {}
        self._nodes = names
        self._units = units
        self._functions = functions
        self._soft = soft
        self._compile_info = compile_info
        self._trees = compile_info.trees
        self._types: dict[str, frozenset[str]] = {}
        self._open: list[str] = []

    def template(self, texts: frozenset[Path] = frozenset()) -> TemplateWriter:
        """A writer of templates whose expressions are compiled here."""
        return TemplateWriter(self.code, self.problems, self, texts=texts, soft=self._soft)

    def compile_names(self) -> None:
        """Compile every name, also one that nothing reads."""
        for name in self._nodes:
            self.compile_name(name)

    # ---------------------------------------------------------------------------------------------- expressions

    def write(self, scalar: Scalar, scope: ExpressionScope) -> tuple[str, frozenset[str]]:
        """The atom of what an expression becomes, and the types that it may have."""
        coder = ExpressionCoder(self.code, self._units, self._functions, types=self._types)
        with self.code.standing_for(scalar):
            atom = coder.write_outermost(self._parse_scalar(scalar, scope), scope)
        for problem in coder.problems:
            self.problems.add_error(scalar.location_at(problem.at), problem.text)
        for warning in coder.warnings:
            self.problems.add_warning(scalar.location_at(warning.at), warning.text)
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
            found = self.compile_name(tree.value) if tree.value in self.known.lets else None
            return found is not None and found.fallible
        if tree.kind == "subexpression" and tree.children[0].kind == "field":
            behind = self.known.roots.compiled_behind(tree.children[0].value)
            if behind:
                return any(name is not None and name.fallible for name in map(self.compile_name, behind))
        return any(
            self._makes_calls(child) if same_level else _has_call(child) for child, same_level in child_parts(tree)
        )

    def _parse_scalar(self, scalar: Scalar, scope: ExpressionScope) -> Tree:
        if scalar not in self._trees:
            try:
                tree = parse_expression(scalar.expression)
            except ExpressionError as error:
                mend = f"; {IN_QUOTES}" if scalar.is_cut else ""
                self.problems.add_error(scalar.location_at(error.at), error.text + mend)
                tree = UNREADABLE
            self._trees[scalar] = tree
            self._look_for_traps(scalar, tree, scope)
        return self._trees[scalar]

    def _look_for_traps(self, scalar: Scalar, tree: Tree, scope: ExpressionScope) -> None:
        for trap in find_pitfalls(tree, scope.visible_names):
            tell = self.problems.add_error if trap.certain else self.problems.add_warning
            tell(scalar.location_at(trap.at), trap.text)
        if size_limit.growth_bound(tree, scope.growth_of) > size_limit.MOST_REPETITIONS:
            self.problems.add_error(
                scalar.place, f"could repeat what it reads over {size_limit.MOST_REPETITIONS:,} times"
            )

    # ----------------------------------------------------------------------------------------------------- names

    def compile_name(self, name: str) -> CompiledName | None:
        """A name of `let`, or one of the webhook's expressions, compiled when it is first asked for."""
        if name in self._open:
            self.problems.add_error(self._nodes[name].place, f"goes in a circle: {' → '.join([*self._open, name])}")
            return None
        if name not in self.names:
            self._open.append(name)
            made = self._make_name(name, len(self.names) + len(self._open) - 1)
            self._open.pop()
            self.names[name] = made
        return self.names[name]

    def _make_name(self, name: str, slot: int) -> CompiledName:
        node, scope = self._nodes[name], ExpressionScope(self.known)
        with self.code.standing_for(None), self.code.open_function("S") as call:
            if not isinstance(node, Scalar):
                atom, types = (
                    self.template().write_box(node, ("let", name), scope),
                    ANY,
                )
            elif node.is_expression:
                atom, types = self.write(node, scope)
            else:
                atom, types = self.code.add_constant(node.literal), ANY
            self.code.emit_line(f"S.lets[{slot}] = {atom}")
            self.code.emit_line(f"return {atom}")
        return CompiledName(
            call=call,
            slot=slot,
            types=types,
            growth=self._growth_of(node, scope),
            uses=frozenset(scope.uses),
            fallible=any(self.can_fail(scalar, scope) for scalar in iter_expressions(node)),
        )

    def _growth_of(self, node: Node, scope: ExpressionScope) -> int:
        total = sum(
            size_limit.growth_bound(self._parse_scalar(scalar, scope), scope.growth_of)
            for scalar in iter_expressions(node)
        )
        return max(1, total)


def iter_expressions(node: Node) -> list[Scalar]:
    """Every expression in a node."""
    match node:
        case Scalar():
            return [node] if node.is_expression else []
        case SequenceNode():
            return [scalar for item in node.items for scalar in iter_expressions(item)]
        case MappingNode():
            return [scalar for entry in node.entries.values() for scalar in iter_expressions(entry.value)]


def _has_call(tree: Tree) -> bool:
    return tree.kind == _CALL or any(map(_has_call, tree.children))
