"""The kinds of destinations: those written in Python, by name, and those that a destination file declares.

To add a platform, write a destination file. To add a kind that needs Python, write a file here and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language.files import known_kinds, load_kind
from bridge.destinations.protocol import Destination
from bridge.destinations.reloadable import ReloadableDestination
from bridge.destinations.track import TrackDestination


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """How one kind is made, and the options it knows."""

    of: Callable[[str, Mapping[str, object]], Destination]
    options: tuple[str, ...]


KINDS: Mapping[str, DestinationKind] = {
    "track": DestinationKind(TrackDestination.from_options, ("url", "api_key", "rate", "test", "batch", "concurrency")),
}


def make_destination(kind: str, name: str, options: Mapping[str, object], *, folder: Path | None = None) -> Destination:
    """The destination of that kind and name; `folder` holds the operator's destination files.

    Raises SettingsError that names the remedy and holds no value, or MappingError for a destination file.
    """
    if kind not in KINDS:
        platform = load_kind(kind, folder)
        if platform is None:
            known = [*KINDS, *known_kinds(folder)]
            raise SettingsError(f"destination `{name}`: `kind` names no kind; {suggest_or_list(kind, known)}")
        return ReloadableDestination(DeclaredDestination.from_options(platform, name, options), options)
    known_options = KINDS[kind].options
    for option in options:
        if option not in known_options:
            raise SettingsError(
                f"destination `{name}`: {kind} has no option `{option}`; {suggest_or_list(option, known_options)}"
            )
    return KINDS[kind].of(name, options)
