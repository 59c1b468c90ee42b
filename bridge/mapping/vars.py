"""The vars of a mapping: what an operator may set for a source, of which type, and what was set.

A text may be anything, a choice is one of its allowed values, a duration is a length of time such as `10m`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.errors import SettingsError
from bridge.core.suggestions import suggest_nearest
from bridge.mapping.engine.rule_waits import read_length
from bridge.mapping.language import VAR_TYPES, VarType
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.schema.mapping import VAR_KEYS
from bridge.yaml.document import Node, Scalar
from bridge.yaml.problems import Problems

LENGTHS = "a length of time such as 30s, 10m or 1h, of at most 7d"


@dataclass(frozen=True, slots=True)
class VarDefinition:
    """What an operator may set: its type, its default, the values that a choice may have, and a line of help."""

    name: str
    default: str
    allowed: tuple[str, ...] = ()
    help: str = ""
    type: VarType = "text"

    def find_fault(self, value: str) -> str | None:
        """What a value of it must be; None where this one is."""
        match self.type:
            case "choice" if value not in self.allowed:
                return f"one of {', '.join(self.allowed)}"
            case "duration" if not _is_length(value):
                return LENGTHS
            case _:
                return None


class WrongVar(SettingsError):
    """A var of a source that cannot be; `var` is its name as it was given."""

    def __init__(self, var: str, text: str) -> None:
        super().__init__(text)
        self.var = var


def read_var(name: str, key: Scalar, node: Node, problems: Problems) -> VarDefinition:
    """The var that an entry of `vars` declares."""
    reader = ObjectReader.read_object(node, VAR_KEYS, problems, what=f"the var {name}")
    given, default = reader.read_scalar("type"), reader.read_scalar("default", needed=True)
    allowed = tuple(item.text for item in reader.read_scalars("allowed"))
    kind = _read_type(given, allowed, key, problems)
    text = default.text if default else ""
    var = VarDefinition(name, text, allowed, reader.read_text("help") or "", kind)
    wanted = var.find_fault(text) if allowed or kind != "choice" else None
    if default is not None and wanted is not None:
        problems.add_error(default.place, f"the default must be {wanted}")
    return var


def resolve_vars(
    source: str, provider: str, declared: Mapping[str, VarDefinition], given: Mapping[str, str]
) -> dict[str, str]:
    """The value of each declared var for a source. Raises WrongVar for one that is not declared or cannot be."""
    for name, value in given.items():
        var = declared.get(name)
        if var is None:
            known = ", ".join(declared) or "none"
            told = f"{provider} has no var `{name}`{suggest_nearest(name, declared)} (its vars: {known})"
            raise WrongVar(name, f"source `{source}`: {told}")
        wanted = var.find_fault(value)
        if wanted is not None:
            raise WrongVar(name, f"source `{source}`: the var `{name}` must be {wanted}")
    return {name: given.get(name, var.default) for name, var in declared.items()}


def _read_type(given: Scalar | None, allowed: tuple[str, ...], key: Scalar, problems: Problems) -> VarType:
    """The type that is written; where none is, `allowed` makes a choice."""
    if given is None:
        return "choice" if allowed else "text"
    kind = next((kind for kind in VAR_TYPES if kind == given.text), None)
    if kind is None:
        mend = suggest_nearest(given.text, VAR_TYPES)
        problems.add_error(given.place, f"type must be one of {', '.join(VAR_TYPES)}{mend}")
    elif kind == "choice" and not allowed:
        problems.add_error(key.place, "a choice needs `allowed`: the values that the var may have")
    elif kind != "choice" and allowed:
        problems.add_error(given.place, f"a {kind} has no `allowed`; write `type: choice`")
    return kind or "text"


def _is_length(text: str) -> bool:
    return read_length(text) is not None
