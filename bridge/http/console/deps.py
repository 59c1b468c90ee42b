"""What the console needs of the rest of the bridge. The composition root gives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.core.delivery import Outgoing
from bridge.core.model import Event, Route
from bridge.core.source import SignedBody, Source
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.trial import TrialAnswer
from bridge.http.console.origins import ConsoleOrigin
from bridge.http.console_keys import ConsoleKey
from bridge.http.own_request import OwnAnswer
from bridge.http.peer_address import TrustedProxies
from bridge.mapping import BrokenMapping
from bridge.mapping import Mapping as UsableMapping
from bridge.mapping.tools.sample_webhook import SampleWebhook
from bridge.status.configured import ConfiguredBridge
from bridge.status.kept_request import MakeMasked
from bridge.status.listed_settings import SecretFile, SettingsListing
from bridge.status.listed_sources import ListedSource
from bridge.store.protocol import Store


@dataclass(frozen=True, slots=True)
class ConsoleDeps:
    """All of it. `root` is the path of the console as browsers see it: the prefix and `/ui`.

    `list_sources` takes the time and the topic of each source's last webhook.

    `sources` and `configured` are asked for each time, because a reload changes them; `source_vars` gives the vars that
    are set for a source; `route` decides where an event goes, to the named destinations or to all. `mappings` are those
    in use, by their providers; `mappings_folder` is the operator's. `reload` asks for what was changed in files; it
    does not wait.
    """

    store: Store
    keys: Sequence[ConsoleKey]
    root: str
    origin: ConsoleOrigin
    proxies: TrustedProxies
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sources: Callable[[], Mapping[str, Source]]
    list_sources: Callable[[Mapping[str, tuple[datetime, str | None]]], Sequence[ListedSource]]
    list_settings: Callable[[], SettingsListing]
    source_vars: Callable[[str], Mapping[str, str]]
    configured: Callable[[], ConfiguredBridge]
    mappings: Callable[[], Mapping[str, UsableMapping | BrokenMapping]]
    mappings_folder: Callable[[], Path | None]
    reload: Callable[[], None]
    route: Callable[[Event, Sequence[str] | None], tuple[Route, ...]]
    destinations: Callable[[], Mapping[str, Destination]]
    make_masked: MakeMasked
    nonce: Callable[[], str]
    find_secret_file: Callable[[str], SecretFile]
    """Where the signing secret of a source can be saved."""
    save_secret: Callable[[str, str], None]
    """Saves it, by the name of the source; a reload takes it. It writes a file, and raises SettingsError."""
    make_sample: Callable[[Source], SampleWebhook | None]
    """A signed webhook to try a source with. It reads files, and raises SettingsError."""
    post_webhook: Callable[[str, SignedBody], Awaitable[OwnAnswer]]
    """Posts it to the bridge itself, by the name of the source."""
    send_trial: Callable[[Destination, Outgoing], Awaitable[TrialAnswer]]
