"""What the examples beside a mapping file say of it: for `check`, and wherever else its problems are shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from bridge.core.model import Problem
from bridge.core.regular_file import read_regular_file
from bridge.mapping import MappingReading
from bridge.mapping.files import example_files, shipped_mappings
from bridge.mapping.read_definition import read_definition
from bridge.mapping.tools import examples
from bridge.mapping.tools.examples import MappingExample
from bridge.yaml.document import read_document
from bridge.yaml.problems import Problems

MOST_KEPT = 32 * 1024
"""Bytes of an example that is kept as it was read; those that are shipped have 4 KB at most."""


def check_file_examples(reading: MappingReading, path: Path, read_file: Callable[[Path], bytes]) -> int:
    """Hold a mapping against the examples beside its file; what is found is added to its problems. Returns how many.

    The places of problems name examples by what `read_file` is given.
    """
    provider = reading.parts.provider or path.stem
    files = example_files(path, provider)
    given: list[MappingExample] = []
    for each in files:
        content = read_file(each)
        read = _read_once if len(content) <= MOST_KEPT else _read_once.__wrapped__
        example, problems = read(content, str(each))
        reading.problems.take_over(problems)
        given += [example] if example else []
    examples.check_examples(reading, given, reading.problems, known_topics=_shipped_topics(path, provider))
    return len(files)


@lru_cache(maxsize=256)  # a mapping that is edited is held against the same examples again and again
def _read_once(content: bytes, name: str) -> tuple[MappingExample | None, tuple[Problem, ...]]:
    """The example in a file, and what is wrong with it."""
    problems = Problems()
    return examples.read_example(content, name=name, problems=problems), problems.all_problems


def _shipped_topics(path: Path, provider: str) -> frozenset[str]:
    """The topics that the shipped mapping of the same provider names: those of an edited copy should be among them."""
    shipped = shipped_mappings() / f"{provider}.yaml"
    if not shipped.is_file() or (path.exists() and shipped.samefile(path)):
        return frozenset()
    return _named_topics(read_regular_file(shipped), shipped.name)


@lru_cache(maxsize=2)
def _named_topics(content: bytes, name: str) -> frozenset[str]:
    """The topics that a mapping's text names. It is not compiled for that."""
    root = read_document(content, name=name, problems=Problems())
    if root is None:
        return frozenset()
    parts = read_definition(root, Problems())
    return frozenset({*parts.ignores, *(topic for rule in parts.rules for topic in rule.topics or ())})
