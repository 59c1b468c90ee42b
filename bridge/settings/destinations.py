"""The destinations that the settings make, and which of them an event goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bridge.core.errors import SettingsError
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Route
from bridge.destinations import kinds
from bridge.destinations.protocol import Destination
from bridge.destinations.reloadable import ReloadableDestination
from bridge.settings.table import DestinationSettings, Settings


def make_destinations(configured: Settings) -> dict[str, Destination]:
    """Every destination by its name. Raises SettingsError with the place in the file, or MappingError."""
    return {one.name: _make_destination(one, configured) for one in configured.destinations}


def _make_destination(one: DestinationSettings, configured: Settings) -> Destination:
    try:
        made = kinds.make_destination(one.kind, one.name, one.options, folder=configured.platforms)
        _require_seal_key(made, configured)
    except SettingsError as error:
        raise SettingsError(error.text, place=one.place) from None
    return made


def _require_seal_key(made: Destination, configured: Settings) -> None:
    if isinstance(made, ReloadableDestination) and made.keeps_refresh_token and configured.seal_keys is None:
        raise SettingsError(
            f"destination `{made.name}`: its refresh token is kept sealed in the store, and BRIDGE_SEAL_KEY is not "
            "set; make a key with `openssl rand -base64 32`, and set it for all that use this store"
        )


def make_masked(
    configured: Settings, name: str, made_by: MappingText | None = None
) -> tuple[Destination, MappingText | None]:
    """The destination of that name with its secrets masked, for people to read, and the text of its file.

    `made_by` is another version of that file. Raises SettingsError or MappingError.
    """
    one = next((one for one in configured.destinations if one.name == name), None)
    if one is None:
        raise SettingsError(f"no destination is called `{name}` here; is BRIDGE_CONFIG set as for serve?")
    return kinds.make_masked_destination(one.kind, name, one.options, made_by=made_by, folder=configured.platforms)


def make_router(destinations: Mapping[str, Destination]) -> Callable[[Event, Sequence[str] | None], tuple[Route, ...]]:
    """Decides where an event goes: to the named destinations, or to all of them."""

    def route(event: Event, to: Sequence[str] | None) -> tuple[Route, ...]:
        return tuple(
            Route(name, destination.skip_reason(event))
            for name, destination in destinations.items()
            if to is None or name in to
        )

    return route
