"""The kinds of destinations: those written in Python, by name, and those that a destination file declares.

To add a platform, write a destination file. To add a kind that needs Python, write a file here and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.mapping_text import MappingText
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.engine.declared import DeclaredDestination, make_declared
from bridge.destinations.engine.options import keep_known_options
from bridge.destinations.language import Platform, parse_platform
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
        platform = _find_platform(kind, name, folder)
        return ReloadableDestination(DeclaredDestination.from_options(platform, name, options), options)
    known_options = KINDS[kind].options
    for option in options:
        if option not in known_options:
            raise SettingsError(
                f"destination `{name}`: {kind} has no option `{option}`; {suggest_or_list(option, known_options)}"
            )
    return KINDS[kind].of(name, options)


def make_masked_destination(
    kind: str,
    name: str,
    options: Mapping[str, object],
    *,
    made_by: MappingText | None = None,
    folder: Path | None = None,
) -> tuple[Destination, MappingText | None]:
    """The same with each secret as its name in brackets, for people to read; and the text of the destination file.

    `made_by` is that of another version of the file; None for the one that serves now. Raises SettingsError, or
    MappingError for a file that this version of trackbridge cannot read.
    """
    if kind in KINDS:
        return KINDS[kind].of(name, {**options, "api_key": "[api_key]"}), None
    platform = (
        _find_platform(kind, name, folder) if made_by is None else parse_platform(made_by.text, name=made_by.name)
    )
    return make_declared(platform, name, keep_known_options(platform, options), masked=True), platform.text


def _find_platform(kind: str, name: str, folder: Path | None) -> Platform:
    platform = load_kind(kind, folder)
    if platform is None:
        known = [*KINDS, *known_kinds(folder)]
        raise SettingsError(f"destination `{name}`: `kind` names no kind; {suggest_or_list(kind, known)}")
    return platform
