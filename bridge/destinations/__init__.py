"""The kinds of destinations, by name. To add one, write a file here and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.core.errors import SettingsError
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.protocol import Destination
from bridge.destinations.track import TrackDestination


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """How one kind is made, and the options it knows."""

    of: Callable[[str, Mapping[str, object]], Destination]
    options: tuple[str, ...]


KINDS: Mapping[str, DestinationKind] = {
    "track": DestinationKind(TrackDestination.from_options, ("url", "api_key", "rate", "test", "batch", "concurrency")),
}


def make_destination(kind: str, name: str, options: Mapping[str, object]) -> Destination:
    """The destination of that kind and name. Raises SettingsError that names the remedy and holds no value."""
    if kind not in KINDS:
        raise SettingsError(f"destination `{name}`: `kind` names no kind; {suggest_or_list(kind, KINDS)}")
    known = KINDS[kind].options
    for option in options:
        if option not in known:
            raise SettingsError(
                f"destination `{name}`: {kind} has no option `{option}`; {suggest_or_list(option, known)}"
            )
    return KINDS[kind].of(name, options)
