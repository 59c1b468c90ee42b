"""The destinations that the settings make, and which of them an event goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import structs

from bridge.core import dedupe_keys
from bridge.core.errors import SettingsError
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Route
from bridge.destinations import kinds
from bridge.destinations.protocol import Destination
from bridge.destinations.reloadable import ReloadableDestination
from bridge.settings.model import DestinationSettings, Settings


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
            route_to(destination, event) for name, destination in destinations.items() if to is None or name in to
        )

    return route


def route_to(destination: Destination, event: Event) -> Route:
    """The route of an event to a destination, whether it is skipped there or not."""
    skip = destination.skip_reason(event)
    if skip is not None or not isinstance(destination, ReloadableDestination) or not event.order_id:
        return Route(destination.name, skip)
    return Route(destination.name, None, _followed_keys(event, destination.follows.get(event.event_type, ())))


def _followed_keys(event: Event, types: Sequence[str]) -> tuple[bytes, ...]:
    """The ledger's keys of the events of its order that an event follows, as the contract makes them."""
    order_id = event.order_id or ""
    return tuple(dedupe_keys.conversion_key(event.scope, one, order_id, test=event.test) for one in types)


def with_scopes(events: Iterable[Event], configured: Settings) -> list[Event]:
    """Events that a store gave, with the scopes that their sources and API keys have in the settings of now."""
    scopes = {f"source:{one.name}": one.scope or one.name for one in configured.sources}
    scopes |= {f"key:{one.name}": one.scope or dedupe_keys.DEFAULT_SCOPE for one in configured.keys}
    return [structs.replace(one, scope=scopes.get(one.origin, "")) for one in events]
