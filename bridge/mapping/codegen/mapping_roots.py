"""The roots of a mapping: `body`, `headers`, `query`, `webhook`, `source` and `request`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bridge.core.suggestions import suggest_nearest
from bridge.mapping.codegen.emitter import ExpressionWriter
from bridge.mapping.codegen.scope import ExpressionScope
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.expressions.runtime import ANY
from bridge.mapping.language import ROOTS, SOURCE, WEBHOOK

_LAZY = frozenset({"occurred_at", "account", "test"})
_TEXT = frozenset({"string"})
_OBJECT = frozenset({"object"})
_ANYTHING = frozenset({"body", "request"})


VARS = "source.vars."
"""How the use of a var is noted among the roots that are read."""


@dataclass(frozen=True, slots=True)
class MappingRoots:
    """The roots of one mapping: `webhook` its expressions, as `webhook.account`, `vars` what an operator may set."""

    webhook: frozenset[str]
    vars: Collection[str]
    topic_is_text: bool = False

    @property
    def names(self) -> Sequence[str]:
        """The roots' names."""
        return ROOTS

    def compiled_behind(self, root: str) -> Iterable[str]:
        """The webhook's expressions, for `webhook`."""
        return self.webhook if root == "webhook" else ()

    def suggest_path(self, name: str) -> str:
        """Most likely a field of the body."""
        return f"; did you mean `body.{name}`?"

    def resolve_root(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        """The atom that a path begins with, and how many of its fields that took."""
        match path[0].value:
            case "webhook":
                return self._resolve_webhook(scope, writer, path)
            case "source":
                return self._resolve_source(scope, writer, path)
            case "headers":
                return _resolve_header(scope, writer, path)
            case name:
                return _read_mapping_root(scope, writer, name), 1

    def _resolve_webhook(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        if len(path) == 1:
            atoms = {key: self._of_webhook(scope, writer, key, path[0]) for key in WEBHOOK}
            text = "{" + ", ".join(f"{key!r}: {atom}" for key, atom in atoms.items()) + "}"
            return writer.with_types(writer.code.assign_value(text), _OBJECT), 1
        name = path[1].value
        if name not in WEBHOOK:
            mend = suggest_nearest(name, WEBHOOK)
            return writer.refuse_part(f"webhook has no `{name}`{mend}", at=path[1].at), len(path)
        return self._of_webhook(scope, writer, name, path[1]), 2

    def _of_webhook(self, scope: ExpressionScope, writer: ExpressionWriter, name: str, node: ExpressionNode) -> str:
        if name in _LAZY:
            key = f"webhook.{name}"
            return scope.read_let(writer, key, node) if key in self.webhook else "None"
        atom = writer.write_field(_read_mapping_root(scope, writer, "webhook"), name)
        return writer.with_types(atom, _TEXT) if name != "topic" or self.topic_is_text else atom

    def _resolve_source(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        if len(path) > 1 and path[1].value not in SOURCE:
            name = path[1].value
            return writer.refuse_part(f"source has no `{name}`{suggest_nearest(name, SOURCE)}", at=path[1].at), len(
                path
            )
        if len(path) > 2 and path[1].value == "vars":  # noqa: PLR2004  source, vars, and the var's name
            return self._resolve_var(scope, writer, path[2]), 3
        return _read_mapping_root(scope, writer, "source"), 1

    def _resolve_var(self, scope: ExpressionScope, writer: ExpressionWriter, node: ExpressionNode) -> str:
        name = node.value
        if name not in self.vars:
            mend = suggest_nearest(name, self.vars) or "; declare it under `vars:`"
            return writer.refuse_part(f"no var is called `{name}`{mend}", at=node.at)
        scope.uses.add(f"{VARS}{name}")
        return writer.with_types(writer.code.assign_value(f"S.vars[{name!r}]"), _TEXT)


def _resolve_header(
    scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
) -> tuple[str, int]:
    name = path[1].value if len(path) > 1 else ""
    if name != name.lower():
        text = f'names of headers are in lower case here: write headers."{name.lower()}"'
        return writer.refuse_part(text, at=path[1].at), len(path)
    return _read_mapping_root(scope, writer, "headers"), 1


def _read_mapping_root(scope: ExpressionScope, writer: ExpressionWriter, name: str) -> str:
    return scope.read_root(writer, name, ANY if name in _ANYTHING else _OBJECT)
