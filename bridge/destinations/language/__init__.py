"""The language of destinations: one YAML file about one platform says what it takes, how it is asked, what it answers.

`load_platform` and `read_platform` return a Platform or its problems; `engine/` delivers by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bridge.core.errors import MappingError
from bridge.core.mapping_text import MappingText
from bridge.core.model import Problem
from bridge.core.regular_file import read_regular_file
from bridge.destinations.language.compiler import compile_platform
from bridge.destinations.language.definition import read_platform_definition
from bridge.destinations.language.lint import lint_platform
from bridge.destinations.language.parts import PlatformDefinition
from bridge.destinations.language.program import PlatformProgram
from bridge.mapping.codegen.expression_compiler import CompileInfo
from bridge.yaml.document import read_document
from bridge.yaml.problems import Problems

__all__ = ["Platform", "PlatformReading", "load_platform", "parse_platform", "read_platform"]


@dataclass(frozen=True, slots=True, eq=False)
class Platform:
    """A destination file without errors: its text, its parts, and the program that they compile to."""

    text: MappingText
    parts: PlatformDefinition
    program: PlatformProgram

    @property
    def name(self) -> str:
        """What its places call the file."""
        return self.text.name

    @property
    def kind(self) -> str:
        """What settings call it."""
        return self.parts.kind


@dataclass(frozen=True, slots=True)
class PlatformReading:
    """A destination file as far as it could be read."""

    problems: Problems
    platform: Platform | None = None
    parts: PlatformDefinition = field(default_factory=PlatformDefinition)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything found, in the order of the file."""
        return self.problems.all_problems


def load_platform(path: Path) -> Platform:
    """The platform in a file. Raises MappingError with every problem."""
    return parse_platform(read_regular_file(path), name=path.name)


@lru_cache(maxsize=64)  # a reload compiles what has changed, not what has not
def parse_platform(text: str | bytes, *, name: str) -> Platform:
    """The platform in a text; `name` is what its places call the file. Raises MappingError with every problem."""
    reading = read_platform(text, name=name)
    if reading.platform is None:
        raise MappingError(reading.problems.errors)
    return reading.platform


def read_platform(text: str | bytes, *, name: str) -> PlatformReading:
    """What can be read of a destination file's text, with every problem."""
    problems = Problems()
    root = read_document(text, name=name, problems=problems)
    if root is None:
        return PlatformReading(problems)
    parts = read_platform_definition(root, problems)
    compile_info = CompileInfo()
    program = compile_platform(parts, problems, name=name, compile_info=compile_info)
    lint_platform(parts, compile_info, problems)
    if problems.errors or program is None:
        return PlatformReading(problems, None, parts)
    kept = MappingText(name, text.encode() if isinstance(text, str) else text)
    return PlatformReading(problems, Platform(kept, parts, program), parts)
