"""What `serve` says at its start: addresses, what waits for a secret, destinations, where the store lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from bridge.core.source import DefectEffect
from bridge.runtime.roles import ROLES, WORKER
from bridge.settings import secret_name
from bridge.settings.app_config import AppConfig
from bridge.settings.console import CONSOLE_PATH
from bridge.store.engines import describe_server, shown_store


def greeting_text(app_config: AppConfig, urls: Sequence[str], *, workers: int, roles: Sequence[str] = ROLES) -> str:
    """What serve says at its start: addresses, what waits for a secret, destinations, where the store lies.

    `urls` are the public address and the admin's, where there is one; none without web processes.
    """
    about = describe_server(app_config.settings.store)
    store = f"store: {shown_store(app_config.settings.store)}{(about and f' ({about})') or ''}"
    if not urls:
        title = "trackbridge translates and delivers; `trackbridge serve --role web` answers requests"
        return "\n".join([title, store, *_destination_lines(app_config)])
    more = f" with {workers} web processes" if workers > 1 else ""
    if workers > count_cores():
        more += f", more than gain anything on {count_cores()} cores"
    apart = [] if WORKER in roles else ["`trackbridge serve --role worker` translates and delivers what is kept here"]
    base = app_config.settings.addresses.public_base(urls[0])
    metrics = app_config.settings.addresses.prefix if len(urls) == 1 else ""
    count = len(app_config.settings.keys)
    keys = f"{count} API key{'s' * (count != 1)}" if count else "NO API KEY: answers 401 until BRIDGE_API_KEYS is set"
    return "\n".join(
        [
            f"trackbridge listens on {urls[0]}{more}",
            *apart,
            store,
            *_spool_lines(app_config),
            *_source_lines(app_config, base),
            *_destination_lines(app_config),
            f"metrics: {urls[-1]}{metrics}/metrics  `trackbridge metrics` prints a scrape configuration",
            *_console_lines(app_config, urls[-1]),
            f"track API: {base}/v1/track  {keys}",
        ]
    )


def _spool_lines(app_config: AppConfig) -> Iterator[str]:
    if folder := app_config.settings.spool:
        yield f"spool: {folder}  keeps webhooks while the database is away; a 200 is then on this machine's disk alone"


def _console_lines(app_config: AppConfig, url: str) -> Iterator[str]:
    console, has_admin = app_config.settings.console, app_config.settings.admin is not None
    if console.is_on:
        at = console.url or f"{url}{'' if has_admin else app_config.settings.addresses.prefix}{CONSOLE_PATH}"
        yield f"console: {at}/  `trackbridge console` prints a link that opens it"


def _source_lines(app_config: AppConfig, url: str) -> Iterator[str]:
    yield "sources:"
    width = max((len(name) for name in app_config.sources), default=0)
    named = {one.name: one for one in app_config.settings.sources}
    for name, source in sorted(app_config.sources.items()):
        public = named[name].public_url if name in named else None
        address = public or f"{url}/webhooks/{name}"
        mend = "its secrets in the settings file are set" if name in named else f"{secret_name(name)} is set"
        if source.defect is not None and source.defect.effect is not DefectEffect.PREVIOUS:
            mend = "its mapping is mended, see `trackbridge check`"
            secret = "secret set" if source.has_secret else "NO SECRET"
            does = "answers 503" if source.defect.effect is DefectEffect.REFUSED else f"{secret}; sets aside"
            yield f"  {name:<{width}}  {address}  MAPPING BROKEN: {does} until {mend}"
            continue
        secret = "secret set" if source.has_secret else f"NO SECRET: answers 503 until {mend}"
        yield f"  {name:<{width}}  {address}  {secret}"


def _destination_lines(app_config: AppConfig) -> Iterator[str]:
    yield "destinations:"
    for name, destination in app_config.destinations.items():
        rate = f"{destination.rate} requests a minute" if destination.rate else "no rate limit"
        yield f"  {name}  {destination.address}  {rate}"
    if not app_config.destinations:
        yield "  none: events are kept and shown, not delivered; set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY"


def count_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
