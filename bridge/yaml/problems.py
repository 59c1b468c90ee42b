"""The problems found in a file, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.core.model import Problem, SourceLocation


class Problems:
    """The problems found so far, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add_error(self, place: SourceLocation, text: str, details: Sequence[str] = ()) -> None:
        """A mapping with this in it cannot be used."""
        self._found[Problem(place, "error", text, tuple(details))] = None

    def add_warning(self, place: SourceLocation, text: str) -> None:
        """This is probably not meant."""
        self._found[Problem(place, "warning", text)] = None

    def take_over(self, found: Iterable[Problem]) -> None:
        """What was found elsewhere."""
        self._found |= dict.fromkeys(found)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Everything found, in the order of the file."""
        return tuple(sorted(self._found))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the mapping from being used."""
        return tuple(problem for problem in self.all_problems if problem.severity == "error")
