"""What the examples beside a mapping file say of it: for `check`, and wherever else its problems are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bridge import mapping
from bridge.core.regular_file import read_regular_file
from bridge.mapping import MappingReading
from bridge.mapping.files import example_files, shipped_mappings
from bridge.mapping.tools import examples


def check_file_examples(reading: MappingReading, path: Path, read_file: Callable[[Path], bytes]) -> int:
    """Hold a mapping against the examples beside its file; what is found is added to its problems. Returns how many.

    The places of problems name examples by what `read_file` is given.
    """
    provider = reading.parts.provider or path.stem
    files = example_files(path, provider)
    told = [examples.read_example(read_file(each), name=str(each), problems=reading.problems) for each in files]
    given = [example for example in told if example]
    examples.check_examples(reading, given, reading.problems, known_topics=_shipped_topics(path, provider))
    return len(files)


def _shipped_topics(path: Path, provider: str) -> frozenset[str]:
    """The topics that the shipped mapping of the same provider names: those of an edited copy should be among them."""
    shipped = shipped_mappings() / f"{provider}.yaml"
    if not shipped.is_file() or (path.exists() and shipped.samefile(path)):
        return frozenset()
    parts = mapping.read_mapping(read_regular_file(shipped), name=shipped.name).parts
    return frozenset({*parts.ignores, *(topic for rule in parts.rules for topic in rule.topics or ())})
