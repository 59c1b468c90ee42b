"""One run of `check` over files: what was found in which, and the texts for showing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.model import Problem
from bridge.core.regular_file import read_regular_file


@dataclass(slots=True)
class CheckRun:
    """One run over all files: what was found, and in which files."""

    problems: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    mappings: int = 0
    destinations: int = 0
    examples: int = 0
    unproven: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def read_file(self, path: Path) -> bytes:
        """The bytes of a file. Raises SettingsError that names it."""
        try:
            found = read_regular_file(path)
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
        self.files.append(path)
        self.texts[str(path)] = found.decode("utf-8", "replace")
        return found
