"""The part of `check` that is about destination files and the examples beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bridge.cli.check_run import CheckRun
from bridge.core.errors import SettingsError
from bridge.core.regular_file import read_regular_file
from bridge.destinations.language import read_platform
from bridge.destinations.language.files import FOLDER, name_problem, platform_examples
from bridge.destinations.tools.examples import read_destination_example, run_destination_example
from bridge.yaml.problems import Problems

_BEGINNING = re.compile(r"^destination\s*:", re.MULTILINE)


def declares_platform(path: Path) -> bool:
    """Whether a file is a destination file: it says so by its key `destination`."""
    try:
        return _BEGINNING.search(read_regular_file(path).decode("utf-8", "replace")) is not None
    except OSError:
        return False


def platforms_beside(folder: Path) -> list[Path]:
    """The destination files of a folder, and of its folder `destinations`."""
    here = [path for path in sorted(folder.glob("[!.]*.yaml")) if declares_platform(path)]
    return [*here, *sorted((folder / FOLDER).glob("[!.]*.yaml"))]


def is_platform_example(path: Path) -> bool:
    """Whether an example belongs to a destination file: one of its kind lies beside the examples."""
    return _file_of(path) is not None


def _file_of(example: Path) -> Path | None:
    whole = example.absolute()
    file = whole.parents[2] / f"{whole.parent.name}.yaml"
    return file if file.is_file() and declares_platform(file) else None


def check_platforms(found: CheckRun, files: Iterable[Path], *, with_examples: bool) -> set[str]:
    """Check destination files with their examples; the kinds that they declare."""
    kinds: set[str] = set()
    for path in files:
        reading = read_platform(found.read_file(path), name=str(path))
        found.destinations += 1
        kinds.add(reading.parts.kind)
        misnamed = name_problem(reading.parts, path, name=str(path))
        found.problems += [misnamed] if misnamed is not None else []
        found.problems.extend(reading.all_problems)
        if with_examples:
            for each in platform_examples(path, reading.parts.kind):
                problems = Problems()
                found.examples += 1
                example = read_destination_example(found.read_file(each), name=str(each), problems=problems)
                if example is not None and reading.platform is not None:
                    run_destination_example(reading.platform, example, problems)
                found.problems.extend(problems.all_problems)
    return kinds


def check_platform_example(found: CheckRun, path: Path) -> None:
    """Check one example against the destination file of its kind. Raises SettingsError where that has errors."""
    file = _file_of(path)
    if file is None:
        raise SettingsError(f"{path}: no destination file lies beside its examples")
    reading = read_platform(found.read_file(file), name=str(file))
    if reading.platform is None:
        raise SettingsError(f"{file} has errors of its own; check it first")
    problems = Problems()
    found.examples += 1
    example = read_destination_example(found.read_file(path), name=str(path), problems=problems)
    if example is not None:
        run_destination_example(reading.platform, example, problems)
    found.problems.extend(problems.all_problems)
