"""`trackbridge check`: every problem of mapping files, one line each, in one run.

Not concerned with what a problem is: the mapping package finds them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from bridge import mapping
from bridge.app import mapping_files
from bridge.cli.send import read
from bridge.errors import SettingsError
from bridge.model import Problem
from bridge.settings import mappings_folder


def run(options: argparse.Namespace) -> int:
    """Print the problems; 1 where one is an error."""
    paths = _files(options.paths) if options.paths else mapping_files(mappings_folder(os.environ))
    problems: list[Problem] = []
    for path in paths:
        _, found = mapping.check(read(path), name=str(path))
        problems.extend(found)
    for problem in problems:
        print(problem)
    errors = sum(problem.severity == "error" for problem in problems)
    if not problems:
        print(f"{len(paths)} mapping{'s' * (len(paths) != 1)}, no problems")
    return 1 if errors else 0


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not found:
            raise SettingsError(f"{path}: holds no .yaml file")
        files.extend(found)
    return files
