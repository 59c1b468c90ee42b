"""The roots of a destination file: which names its parts may read, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.suggestions import suggest_nearest
from bridge.destinations.language.words import (
    ANSWER_ROOTS,
    DESTINATION,
    EVENT_ROOTS,
    REQUEST_ROOTS,
    RESPONSE,
    VERDICT_ROOTS,
)
from bridge.mapping.codegen.emitter import ExpressionWriter
from bridge.mapping.codegen.scope import ExpressionScope
from bridge.mapping.expressions.parser import ExpressionNode
from bridge.mapping.expressions.runtime import ANY

_TEXT = frozenset({"string"})
_TYPES: Mapping[str, frozenset[str]] = {
    "event": frozenset({"object"}),
    "event_name": _TEXT,
    "conversion_id": frozenset({"string", "null"}),
    "value_left": frozenset({"number", "null"}),
    "items": frozenset({"array"}),
    "note": _TEXT,
    "response": frozenset({"object"}),
    "secrets": frozenset({"object"}),
    "destination": frozenset({"object"}),
}
_FIELDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("destination", "name"): _TEXT,
    ("destination", "test"): frozenset({"boolean"}),
    ("response", "status"): frozenset({"number"}),
    ("response", "headers"): frozenset({"object"}),
    ("response", "body"): ANY,
    ("response", "text"): _TEXT,
    ("response", "sent"): frozenset({"number"}),
}
_KNOWN_FIELDS: Mapping[str, Sequence[str]] = {"destination": DESTINATION, "response": RESPONSE}
_ELSEWHERE: Mapping[str, str] = {
    "secrets": "; secrets are read in `request` only",
    "note": "; `note` is read in `verdict.url` only",
    "items": "; `items` is read in `request` only",
    "response": "; `response` is read in `answers` only",
    "event": "; `event` is read in `let`, `skip` and `send`, and in `request` where `limits.events` is 1",
    "event_name": "; `event_name` is read in `let`, `skip` and `send`",
    "conversion_id": "; `conversion_id` is read in `let`, `skip` and `send`",
    "value_left": "; `value_left` is read in `let`, `skip` and `send`",
}


@dataclass(frozen=True, slots=True)
class PlatformRoots:
    """The roots of one part of a file. `vars` and `secrets` are the names that the file declares."""

    names: Sequence[str]
    vars: Iterable[str]
    secrets: Iterable[str]
    read_secrets: set[str] = field(default_factory=set)
    """The secrets that were read, collected while it is compiled."""

    def compiled_behind(self, root: str) -> Iterable[str]:  # noqa: ARG002  no root is worked out here
        """None."""
        return ()

    def suggest_path(self, name: str) -> str:
        """Where a root of another part is read, else a field of the event."""
        if name in _ELSEWHERE:
            return _ELSEWHERE[name]
        return f"; did you mean `event.{name}`?" if "event" in self.names else f"; known are {', '.join(self.names)}"

    def resolve_root(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        """The atom that a path begins with, and how many of its fields that took."""
        root = path[0].value
        below = path[1] if len(path) > 1 else None
        if root == "secrets":
            return self._resolve_secret(scope, writer, path)
        if below is not None and root in _KNOWN_FIELDS:
            if below.value not in _KNOWN_FIELDS[root]:
                mend = suggest_nearest(below.value, _KNOWN_FIELDS[root])
                return writer.refuse_part(f"{root} has no `{below.value}`{mend}", at=below.at), len(path)
            if below.value == "vars" and len(path) > 2:  # noqa: PLR2004  destination, vars, and the var's name
                return self._resolve_option(writer, path[2], self.vars, "var"), 3
            if (root, below.value) in _FIELDS:
                atom = writer.write_field(scope.read_root(writer, root, _TYPES[root]), below.value)
                return writer.with_types(atom, _FIELDS[root, below.value]), 2
        return scope.read_root(writer, root, _TYPES[root]), 1

    def _resolve_secret(
        self, scope: ExpressionScope, writer: ExpressionWriter, path: Sequence[ExpressionNode]
    ) -> tuple[str, int]:
        if len(path) == 1:
            return writer.refuse_part("name the secret: `secrets.NAME`", at=path[0].at), 1
        scope.uses.add("secrets")
        self.read_secrets.add(path[1].value)
        return self._resolve_option(writer, path[1], self.secrets, "secret"), 2

    def _resolve_option(self, writer: ExpressionWriter, node: ExpressionNode, known: Iterable[str], what: str) -> str:
        name, names = node.value, list(known)
        if name not in names:
            mend = suggest_nearest(name, names) or f"; declare it under `{what}s:`"
            return writer.refuse_part(f"no {what} is called `{name}`{mend}", at=node.at)
        held = "vars" if what == "var" else "secrets"
        return writer.with_types(writer.code.assign_value(f"S.{held}[{name!r}]"), frozenset({"string", "null"}))


def event_roots(variables: Iterable[str], secrets: Iterable[str]) -> PlatformRoots:
    """What `let`, `skip` and `send` read."""
    return PlatformRoots(EVENT_ROOTS, variables, secrets)


def request_roots(variables: Iterable[str], secrets: Iterable[str], *, one_event: bool) -> PlatformRoots:
    """What `request` reads: the event itself only where a request carries one."""
    return PlatformRoots((*REQUEST_ROOTS, *(("event",) if one_event else ())), variables, secrets)


def answer_roots(variables: Iterable[str], secrets: Iterable[str]) -> PlatformRoots:
    """What `answers` reads."""
    return PlatformRoots(ANSWER_ROOTS, variables, secrets)


def verdict_roots(variables: Iterable[str], secrets: Iterable[str]) -> PlatformRoots:
    """What the address of `verdict` reads."""
    return PlatformRoots(VERDICT_ROOTS, variables, secrets)
