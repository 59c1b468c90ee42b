"""The destinations that the settings make, and which of them an event goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.model import Event, Route
from bridge.destinations import kinds
from bridge.destinations.protocol import Destination
from bridge.settings.table import DestinationSettings, Settings


def make_destinations(configured: Settings) -> dict[str, Destination]:
    """Every destination by its name. Raises SettingsError with the place in the file, or MappingError."""
    return {one.name: _make_destination(one, configured.platforms) for one in configured.destinations}


def _make_destination(one: DestinationSettings, folder: Path | None) -> Destination:
    try:
        return kinds.make_destination(one.kind, one.name, one.options, folder=folder)
    except SettingsError as error:
        raise SettingsError(f"{one.place}: {error}" if one.place is not None else str(error)) from None


def make_router(destinations: Mapping[str, Destination]) -> Callable[[Event, Sequence[str] | None], tuple[Route, ...]]:
    """Decides where an event goes: to the named destinations, or to all of them."""

    def route(event: Event, to: Sequence[str] | None) -> tuple[Route, ...]:
        return tuple(
            Route(name, destination.skip_reason(event))
            for name, destination in destinations.items()
            if to is None or name in to
        )

    return route
