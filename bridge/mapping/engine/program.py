"""A compiled mapping, as the translator runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.engine.context import MappingFrame
from bridge.mapping.engine.module import CompiledModule
from bridge.mapping.language import Path


@dataclass(frozen=True, slots=True)
class WhenCode:
    """The conditions of a rule, as far as they say why it makes nothing.

    `lines` and `reasons` have one for each, the reason None where it says nothing; `vars` are those of the source that
    they read. `loop_line` is where the list of a `for_each` is.
    """

    lines: tuple[int, ...] = ()
    loop_line: int = 0
    reasons: tuple[str | None, ...] = ()
    vars: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleCode:
    """A rule that runs: gives the event and its dedupe keys, or the number of the condition that does not hold.

    `places` is where each of the event's fields is in the file. `elements` gives the list of a rule with `for_each`,
    whose `run` takes one of them, too; `element_name` is what one is called. With `remember` the event is not told, for
    that reason. `event_types` are those that it may make, as far as that can be seen.
    """

    topics: tuple[str, ...] | None
    run: Callable[..., tuple[dict[str, Json], tuple[str, ...]] | int]
    needs_body: bool
    when: WhenCode
    places: dict[Path, SourceLocation]
    recalls: bool = False
    elements: Callable[[MappingFrame], list[Json]] | None = None
    element_name: str = ""
    rank: int = 0
    remember: str | None = None
    event_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AliasCode:
    """An entry of `aliases` that runs: gives a name and the one that it belongs to, or None."""

    topics: tuple[str, ...] | None
    run: Callable[[MappingFrame], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class RefusalCode:
    """An entry of `set_aside` that runs: whether it holds."""

    topics: tuple[str, ...] | None
    run: Callable[[MappingFrame], bool]
    needs_body: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled mapping.

    `names` is how many values a frame keeps; `is_test` whether a webhook is a test, `is_ping` whether it is nothing but
    the provider's question whether the address answers.
    `alias_types` are the types of event that its rules look for, `ignore_reasons` the topics with a computed reason.
    """

    compiled: CompiledModule
    names: int
    rules: tuple[RuleCode, ...]
    refusals: tuple[RefusalCode, ...]
    is_test: Callable[[MappingFrame], bool] | None
    test_needs_body: bool
    is_ping: Callable[[MappingFrame], bool] | None = None
    aliases: tuple[AliasCode, ...] = ()
    alias_types: tuple[str, ...] = ()
    ignore_reasons: Mapping[str, Callable[[MappingFrame], Json]] = field(default_factory=dict)
