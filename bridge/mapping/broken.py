"""A mapping file with errors, as far as its source can still work by it.

Where everything under `webhook` reads, the source's webhooks are verified, kept and set aside. Where it does not, the
mapping does not say what is genuine, and nothing is taken.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field

from bridge import signature
from bridge.core.errors import SettingsError
from bridge.core.model import Problem
from bridge.core.source import DefectEffect, MappingDefect
from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.codegen.unsigned_facts import lets_read
from bridge.mapping.definition import MappingDefinition
from bridge.mapping.engine.source import BrokenSource, UnverifiableSource
from bridge.mapping.schema.mapping import MAPPING_KEYS
from bridge.mapping.vars import VarDefinition
from bridge.signature import Recipe
from bridge.yaml.document import MappingNode, Node

_PROVIDER_LINE = re.compile(r"^provider:[ \t]*[\"']?([a-z0-9][a-z0-9_-]*)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, eq=False)
class BrokenMapping:
    """A mapping with errors, which are `problems`. `recipe` None: nothing can be verified by it.

    `is_named` is whether its file says its provider; where it does not, `provider` is the file's name.
    """

    name: str
    provider: str
    problems: tuple[Problem, ...]
    recipe: Recipe | None = None
    title: str = ""
    vars: Table[str, VarDefinition] = field(default_factory=dict)
    weak: tuple[Problem, ...] = ()
    is_named: bool = True

    def bind_source(  # noqa: PLR0913  what an operator may set for a source, by name
        self,
        name: str,
        *,
        secrets: Sequence[str],
        vars: Table[str, str],  # noqa: A002, ARG002  the word of the language; nothing is translated by them
        to: tuple[str, ...] | None = None,
        public_url: str | None = None,
        scope: str | None = None,
    ) -> BrokenSource | UnverifiableSource:
        """A source of this provider that translates nothing. Raises SettingsError for a secret that cannot be."""
        effect = DefectEffect.REFUSED if self.recipe is None else DefectEffect.SET_ASIDE
        defect = describe_defect(self.problems, effect)
        if self.recipe is None:
            return UnverifiableSource(name, scope=scope or name, to=to, defect=defect)
        try:
            keys = signature.read_keys(self.recipe, secrets)
        except SettingsError as error:
            raise SettingsError(f"source `{name}`: {error}") from None
        return BrokenSource(
            name, recipe=self.recipe, keys=keys, scope=scope or name, to=to, public_url=public_url, defect=defect
        )


def describe_defect(problems: Sequence[Problem], effect: DefectEffect) -> MappingDefect:
    """The errors of a mapping file as its source shows them."""
    return MappingDefect(f"{problems[0].place}: {problems[0].text}", len(problems), effect)


def is_webhook_sound(
    root: Node, parts: MappingDefinition, compile_info: CompileInfo, errors: Sequence[Problem]
) -> bool:
    """Whether no error is under `webhook`, nor in a `let` that its expressions read.

    Those say which headers are part of a webhook's identity: read by half, they would make a redelivery a new webhook.
    """
    if not isinstance(root, MappingNode) or parts.webhook is None or not set(root.entries) <= set(MAPPING_KEYS):
        return False  # an unknown key may be one of `webhook` that is indented too little
    spans = _lines_below(root, ["webhook"], end=_NO_END)
    lets = root.get_value("let")
    if isinstance(lets, MappingNode):
        [section] = _lines_below(root, ["let"], end=_NO_END)
        spans += _lines_below(lets, lets_read(parts, compile_info), end=section.stop)
    return not any(error.place.line in span for error in errors for span in spans)


def words_of(text: str) -> frozenset[str]:
    """Every word of a mapping's text: the names of all headers that it may read once it is mended are among them."""
    return frozenset(_WORD.findall(text))


def guess_provider(text: str) -> str | None:
    """The provider that a text says on a line of its own, though it cannot be read as YAML."""
    found = _PROVIDER_LINE.search(text)
    return found[1] if found else None


_NO_END = sys.maxsize


def _lines_below(node: MappingNode, keys: Iterable[str], *, end: int) -> list[range]:
    """The lines of some entries of an object, each up to where the next begins, the last up to `end`."""
    starts = sorted(entry.key.place.line for entry in node.entries.values())
    firsts = [node.entries[key].key.place.line for key in keys if key in node.entries]
    return [range(first, next((start for start in starts if start > first), end)) for first in firsts]
