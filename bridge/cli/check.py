"""`trackbridge check`: every problem of mappings, destination files, their examples and the settings, in one run.

`mapping/` finds the problems; `problem_format` writes them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from bridge import mapping
from bridge.cli import problem_format
from bridge.cli.check_platforms import (
    check_platform_example,
    check_platforms,
    declares_platform,
    is_platform_example,
    platforms_beside,
)
from bridge.cli.check_run import CheckRun
from bridge.cli.environment import read_environment
from bridge.cli.options import arguments, command_options, flag_option, option_of
from bridge.cli.terminal import print_text, say_error
from bridge.core.errors import BridgeError, SettingsError
from bridge.core.model import Problem, SourceLocation
from bridge.core.suggestions import suggest_nearest
from bridge.destinations.language.files import platform_files
from bridge.mapping.files import EXAMPLES, example_folders, mapping_files
from bridge.mapping.tools import examples
from bridge.mapping.tools.check_files import check_file_examples
from bridge.mapping.tools.examples import MappingExample
from bridge.settings import secret_strength
from bridge.settings.app_config import AppConfig
from bridge.settings.load import load_configuration
from bridge.settings.table import DESTINATIONS, MAPPINGS
from bridge.yaml.problems import Problems

POLL = 0.3
"""Seconds between two looks at the files with `--watch`."""


@command_options
class CheckOptions:
    """The options of `check`."""

    paths: Sequence[Path] = arguments(Path, "PATH", meaning="files or folders (default: what serve loads)")
    format: Literal["text", "json", "github"] = option_of(
        ("text", "json", "github"), preset="text", meaning="for people, machines, or GitHub's checks"
    )
    strict: bool = flag_option("take warnings for errors")
    no_examples: bool = flag_option("leave the examples beside the mappings alone")
    watch: bool = flag_option("check again whenever a file changes, until Ctrl-C")


def run_check(options: CheckOptions) -> int:
    """Print the problems; 1 where one is an error."""
    return _check_on_change(options) if options.watch else _check_once(options)


def _check_once(options: CheckOptions) -> int:
    found = CheckRun()
    _check_paths(found, options.paths, with_examples=not options.no_examples)
    problems = sorted(found.problems)
    if options.strict:
        problems = [replace(problem, severity="error") for problem in problems]
    counts = (found.mappings, found.destinations, found.examples)
    told = problem_format.format_problems(
        problems, options.format, texts=found.texts, counts=counts, unproven=found.unproven
    )
    print_text(told, lines=True)
    return 1 if any(problem.severity == "error" for problem in problems) else 0


# ------------------------------------------------------------------------------------------------------------ files


def _check_paths(found: CheckRun, paths: Sequence[Path], *, with_examples: bool) -> None:
    """Check what was named: mappings, folders of them, single examples; without any name what serve would load."""
    if not paths:
        environment = read_environment()
        _check_mappings(found, mapping_files(MAPPINGS.read(environment)), with_examples=with_examples)
        check_platforms(found, platform_files(DESTINATIONS.read(environment)), with_examples=with_examples)
        found.problems += _settings_problems()
        return
    for path in paths:
        if path.is_dir():
            files = sorted(path.glob("[!.]*.yaml"))
            beside = platforms_beside(path)
            if not files and not beside:
                raise SettingsError(f"{path}: holds no .yaml file")
            kinds = check_platforms(found, beside, with_examples=with_examples)
            files = [each for each in files if each not in beside]
            providers = _check_mappings(found, files, with_examples=with_examples)
            if with_examples:
                _stray_examples(found, path, providers | kinds)
        elif path.absolute().parts[-3:-2] == (EXAMPLES,) and is_platform_example(path):
            check_platform_example(found, path)
        elif path.absolute().parts[-3:-2] == (EXAMPLES,):
            _one_example(found, path)
        elif declares_platform(path):
            check_platforms(found, [path], with_examples=with_examples)
        else:
            _check_mappings(found, [path], with_examples=with_examples)


def _check_mappings(found: CheckRun, files: Iterable[Path], *, with_examples: bool) -> set[str]:
    """Check mappings with their examples; the providers that they are about."""
    providers: set[str] = set()
    for path in files:
        reading = mapping.read_mapping(found.read_file(path), name=str(path))
        provider = reading.parts.provider or path.stem
        providers.add(provider)
        found.mappings += 1
        if with_examples:
            count = check_file_examples(reading, path, found.read_file)
            found.examples += count
            found.unproven += [] if count else [path.name]
        found.problems.extend(reading.all_problems)
    return providers


def _settings_problems() -> Sequence[Problem]:
    """What is wrong with the settings that serve would load. Errors of mappings are found elsewhere."""
    try:
        configured, mappings = load_configuration(read_environment(), None, tell=False)
        AppConfig(configured, mappings)
        return secret_strength.strength_problems(configured, mappings)
    except SettingsError as error:
        return (Problem(error.place or SourceLocation("settings", 1, 1), "error", error.text),)


def _check_example(found: CheckRun, problems: Problems, path: Path) -> MappingExample | None:
    found.examples += 1
    return examples.read_example(found.read_file(path), name=str(path), problems=problems)


def _stray_examples(found: CheckRun, folder: Path, providers: set[str]) -> None:
    """Folders of examples that belong to no mapping."""
    for beside in example_folders(folder):
        files = sorted(beside.glob("[!.]*.yaml"))
        if beside.name not in providers and files:
            told = (
                f"no mapping in {folder} is for the provider '{beside.name}'{suggest_nearest(beside.name, providers)}"
            )
            found.problems.append(Problem(SourceLocation(str(files[0]), 1, 1), "error", told))


def _one_example(found: CheckRun, path: Path) -> None:
    """Check one example against the mapping of its provider."""
    folder, provider = path.absolute().parents[2], path.absolute().parent.name
    problems = Problems()
    example = _check_example(found, problems, path)
    for file in sorted(folder.glob("[!.]*.yaml"), key=lambda each: each.stem != provider):
        reading = mapping.read_mapping(found.read_file(file), name=str(file))
        if reading.parts.provider == provider:
            if reading.mapping is None:
                raise SettingsError(f"{file} has errors of its own; check it first")
            if example is not None:
                examples.run_example(reading.mapping, example, problems)
            found.problems.extend(problems.all_problems)
            return
    raise SettingsError(f"{path}: no mapping in {folder} is for the provider `{provider}`")


# ------------------------------------------------------------------------------------------------------------ watch


def _check_on_change(options: CheckOptions) -> int:
    """Check again whenever a file changes, until Ctrl-C."""
    try:
        while True:
            seen = _file_states(options.paths)
            try:
                _check_once(options)
            except BridgeError as error:
                say_error(error)
            print_text(f"watching {len(seen)} files; Ctrl-C ends", error=True)
            while _file_states(options.paths) == seen:
                time.sleep(POLL)
    except KeyboardInterrupt:
        return 0


def _file_states(paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Every file that a run would read, with its time and size."""
    roots = list(paths) or [path.parent for path in mapping_files(MAPPINGS.read(read_environment()))]
    folders = {path if path.is_dir() else path.parent for path in roots}
    files = [path for path in roots if path.is_file()]
    for folder in folders:
        files += [*folder.glob("[!.]*.yaml"), *(folder / EXAMPLES).glob("*/[!.]*.yaml"), *platforms_beside(folder)]
    state: dict[Path, tuple[int, int]] = {}
    for path in files:
        try:
            known = path.stat()
        except OSError:
            continue
        state[path] = (known.st_mtime_ns, known.st_size)
    return state
