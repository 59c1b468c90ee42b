"""Where destination files and their examples are: the shipped ones, and the operator's in a folder of their own.

A file is named for its kind: `meta.yaml` declares the kind `meta`.
"""

from __future__ import annotations

from pathlib import Path

from bridge.core.errors import MappingError
from bridge.core.model import Problem, SourceLocation
from bridge.destinations.language import Platform, load_platform
from bridge.destinations.language.parts import PlatformDefinition
from bridge.mapping.files import EXAMPLES, shipped_mappings

FOLDER = "destinations"


def shipped_platforms() -> Path:
    """The folder of destination files that came with this package."""
    return shipped_mappings() / FOLDER


def platform_files(extra: Path | None) -> list[Path]:
    """Every destination file that serve loads, the operator's last."""
    folders = [shipped_platforms(), *([extra] if extra else [])]
    return [path for folder in folders for path in sorted(folder.glob("[!.]*.yaml"))]


def platform_examples(file: Path, kind: str) -> list[Path]:
    """The examples of a kind beside its file."""
    return sorted((file.parent / EXAMPLES / kind).glob("[!.]*.yaml")) if kind else []


def known_kinds(extra: Path | None) -> list[str]:
    """The kinds that destination files declare, by the names of the files."""
    return sorted({path.stem for path in platform_files(extra)})


def load_kind(kind: str, extra: Path | None) -> Platform | None:
    """The platform of a kind, the operator's before the shipped one; None where no file declares it.

    Only its file is read. Raises MappingError with every problem of it.
    """
    file = next((path for path in reversed(platform_files(extra)) if path.stem == kind), None)
    if file is None:
        return None
    platform = load_platform(file)
    misnamed = name_problem(platform.parts, file)
    if misnamed is not None:
        raise MappingError((misnamed,))
    return platform


def name_problem(parts: PlatformDefinition, file: Path, *, name: str | None = None) -> Problem | None:
    """What is wrong with the name of a file: it must be its kind's, as files are found by it."""
    if not parts.kind or file.stem == parts.kind:
        return None
    place = SourceLocation(name or file.name, 1, 1)
    return Problem(place, "error", f"a file is found by its kind: call it {parts.kind}.yaml, or its kind `{file.stem}`")
