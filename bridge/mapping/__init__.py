"""The mapping language: one YAML file about one provider becomes a source.

`load_mapping` and `parse_mapping` return a Mapping or raise MappingError with every problem; `check_mapping` returns
the problems as values. `Mapping.bind_source` makes a source of it.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from bridge import signature
from bridge.core.errors import MappingError, SettingsError
from bridge.core.mapping_text import MappingText
from bridge.core.model import Problem, SourceLocation
from bridge.core.regular_file import read_regular_file
from bridge.core.source import DefectEffect
from bridge.mapping.broken import (
    BrokenMapping,
    describe_defect,
    guess_provider,
    is_webhook_sound,
    words_of,
)
from bridge.mapping.codegen.compiler import CompileInfo, compile_layout
from bridge.mapping.codegen.unsigned_facts import headers_read, names_read
from bridge.mapping.definition import MappingDefinition
from bridge.mapping.engine.program import Program
from bridge.mapping.engine.rule_waits import RuleWait, find_bad_wait
from bridge.mapping.engine.source import MappedSource
from bridge.mapping.engine.translator import WebhookTranslator
from bridge.mapping.lint import lint_mapping
from bridge.mapping.read_definition import read_definition
from bridge.mapping.vars import VarDefinition, WrongVar, resolve_vars
from bridge.signature import Recipe
from bridge.yaml.document import read_document
from bridge.yaml.problems import Problems

__all__ = [
    "BrokenMapping",
    "MappedSource",
    "Mapping",
    "MappingReading",
    "VarDefinition",
    "WrongVar",
    "check_mapping",
    "load_mapping",
    "parse_mapping",
    "read_mapping",
    "read_or_break",
]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A mapping without problems. `name` is its file's; `topics` are the patterns that its rules take.

    `weak` is what `check` refuses of it although it works: who has it running already must be able to continue.
    `newer` are the errors of what its file holds now, where this is what it held before.
    """

    name: str
    provider: str
    title: str
    vars: Table[str, VarDefinition]
    topics: tuple[str, ...]
    ignores: Table[str, str]
    recipe: Recipe
    program: Program
    topic_places: tuple[str, ...]
    file_text: MappingText
    weak: tuple[Problem, ...] = ()
    defers: tuple[RuleWait, ...] = ()
    recalls: tuple[RuleWait, ...] = ()
    newer: tuple[Problem, ...] = ()

    def bind_source(  # noqa: PLR0913  what an operator may set for a source, by name
        self,
        name: str,
        *,
        secrets: Sequence[str],
        vars: Table[str, str],  # noqa: A002  the word of the language
        to: tuple[str, ...] | None = None,
        public_url: str | None = None,
        scope: str | None = None,
    ) -> MappedSource:
        """A source of this provider. Raises SettingsError for a secret that cannot be, WrongVar for a var."""
        try:
            keys = signature.read_keys(self.recipe, secrets)
        except SettingsError as error:
            raise SettingsError(f"source `{name}`: {error}") from None
        if keys.values and public_url is None and signature.needs_url(self.recipe):
            raise SettingsError(f"source `{name}`: {self.title} signs the address it posts to; set `public_url`")
        return MappedSource(
            name,
            recipe=self.recipe,
            keys=keys,
            translator=self.make_translator(name, vars=vars, scope=scope or name),
            scope=scope or name,
            to=to,
            public_url=public_url,
            text=self.file_text,
            defect=describe_defect(self.newer, DefectEffect.PREVIOUS) if self.newer else None,
        )

    def make_translator(
        self,
        source: str,
        *,
        vars: Table[str, str],  # noqa: A002  the word of the language
        scope: str,
    ) -> WebhookTranslator:
        """What translates the webhooks of a source of that name. Raises WrongVar for a var."""
        return WebhookTranslator(
            self.program,
            name=source,
            provider=self.provider,
            scope=scope,
            vars=self._resolve_vars(source, vars),
            choices={name: var.allowed for name, var in self.vars.items()},
            ignores=self.ignores,
            file_name=self.name,
            looked_at=self.topic_places,
        )

    @property
    def link_topics(self) -> tuple[str, ...]:
        """The topics whose webhooks say which keys are of one payment."""
        return tuple(dict.fromkeys(topic for one in self.program.aliases for topic in one.topics or ()))

    def richer_topics(self, rank: int, event_types: Sequence[str]) -> tuple[str, ...]:
        """The topics whose webhooks tell such events and are richer than those of that rank, the richest first."""
        rules = sorted(self.program.rules, key=lambda rule: -rule.rank)
        richer = [
            one for one in rules if one.rank > rank and one.remember is None and set(event_types) & set(one.event_types)
        ]
        return tuple(dict.fromkeys(topic for rule in richer for topic in rule.topics or ()))

    def _resolve_vars(self, source: str, given: Table[str, str]) -> dict[str, str]:
        values = resolve_vars(source, self.provider, self.vars, given)
        bad = find_bad_wait(self.defers, self.recalls, values)
        if bad is not None:
            raise WrongVar(bad[0].var, f"source `{source}`: {bad[1]}")
        return values


def load_mapping(path: Path) -> Mapping:
    """The mapping in a file. Raises MappingError with every problem."""
    return parse_mapping(read_regular_file(path), name=path.name)


def read_or_break(path: Path) -> Mapping | BrokenMapping:
    """The mapping in a file, or what is left of it where it has errors or cannot be read."""
    try:
        content = read_regular_file(path)
    except OSError as error:
        unread = Problem(SourceLocation(path.name, 1, 1), "error", f"cannot be read: {error.strerror}")
        return BrokenMapping(path.name, path.stem, (unread,), is_named=False)
    try:
        return parse_mapping(content, name=path.name)
    except MappingError as error:
        return _break_mapping(read_mapping(content, name=path.name), error.problems, content, path)


def _break_mapping(found: MappingReading, errors: tuple[Problem, ...], content: bytes, path: Path) -> BrokenMapping:
    text = content.decode("utf-8", "replace")
    provider = found.parts.provider or guess_provider(text)
    recipe = found.recipe
    if recipe is not None:
        recipe = replace(recipe, reads=words_of(text), saying=headers_read(found.parts, found.compile_info))
    return BrokenMapping(
        path.name,
        provider or path.stem,
        errors,
        recipe,
        found.parts.title,
        found.parts.vars,
        is_named=provider is not None,
    )


@lru_cache(maxsize=64)  # a reload compiles what has changed, not what has not
def parse_mapping(text: str | bytes, *, name: str) -> Mapping:
    """The mapping in a text; `name` is what its places call the file. Raises MappingError with every problem."""
    mapping, problems = check_mapping(text, name=name)
    if mapping is None:
        raise MappingError(tuple(problem for problem in problems if problem.severity == "error"))
    return mapping


def check_mapping(text: str | bytes, *, name: str) -> tuple[Mapping | None, tuple[Problem, ...]]:
    """The mapping in a text, None where it has errors, and every problem, warnings too, in the order of the file."""
    found = read_mapping(text, name=name)
    return found.mapping, found.all_problems


@dataclass(frozen=True, slots=True)
class MappingReading:
    """A mapping file as far as it could be read. `problems` are the compiler's and all errors, `advice` the rest.

    `recipe` is None where something under `webhook` is wrong.
    """

    problems: Problems
    advice: Problems = field(default_factory=Problems)
    mapping: Mapping | None = None
    parts: MappingDefinition = field(default_factory=MappingDefinition)
    compile_info: CompileInfo = field(default_factory=CompileInfo)
    recipe: Recipe | None = None

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything found, in the order of the file."""
        return tuple(sorted({*self.problems.all_problems, *self.advice.all_problems}))


def read_mapping(text: str | bytes, *, name: str) -> MappingReading:
    """What can be read of a mapping's text, with every problem."""
    problems = Problems()
    root = read_document(text, name=name, problems=problems)
    if root is None:
        return MappingReading(problems)
    parts = read_definition(root, problems)
    advice = Problems()
    recipe = None if parts.webhook is None else signature.read_recipe(parts.webhook, problems)
    if parts.webhook is not None and recipe is not None:
        signature.note_weaknesses(parts.webhook, recipe, advice)
    compile_info = CompileInfo()
    program = compile_layout(parts, problems, name=name, compile_info=compile_info)
    lint_mapping(parts, compile_info, problems, advice)
    if problems.errors or recipe is None or program is None:
        sound = recipe if is_webhook_sound(root, parts, compile_info, problems.errors) else None
        return MappingReading(problems, advice, None, parts, compile_info, sound)
    recipe = replace(recipe, saying=headers_read(parts, compile_info), reads=names_read(compile_info))
    weak = tuple(each for each in advice.all_problems if each.severity == "error")
    file_text = MappingText(name, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    made = _make_mapping(parts, recipe, program, file_text=file_text, weak=weak)
    return MappingReading(problems, advice, made, parts, compile_info, recipe)


def _make_mapping(
    parts: MappingDefinition, recipe: Recipe, program: Program, *, file_text: MappingText, weak: tuple[Problem, ...]
) -> Mapping:
    return Mapping(
        name=file_text.name,
        provider=parts.provider,
        title=parts.title,
        vars=parts.vars,
        topics=tuple(dict.fromkeys(topic for rule in parts.rules for topic in rule.topics or ())),
        ignores=parts.ignores,
        recipe=recipe,
        program=program,
        topic_places=parts.topic_places,
        file_text=file_text,
        weak=weak,
        defers=parts.defer_waits,
        recalls=parts.recall_waits,
    )
