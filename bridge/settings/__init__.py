"""Settings, read from the environment and from one file. The same name in both is an error.

What a mapping declares and what a destination's options mean is checked when these are made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bridge.contract import REQUEST_BYTES
from bridge.core.environment_names import environment_name
from bridge.core.errors import SettingsError
from bridge.core.suggestions import nearest_word, suggest_or_list
from bridge.http.api_keys import read_digest
from bridge.http.body_budget import PARTS
from bridge.http.metrics_key import MetricsKey
from bridge.settings.addresses import read_addresses
from bridge.settings.alerts import read_alerts
from bridge.settings.console import ConsoleSettings, read_console
from bridge.settings.env_file import named_config, refuse_placeholders, warn_of_env_file
from bridge.settings.file import SettingsFile
from bridge.settings.given import find_given
from bridge.settings.model import DestinationSettings, KeySettings, Settings, SourceSettings
from bridge.settings.source_vars import warn_of_near_names, with_source_vars
from bridge.settings.table import (
    ADMIN,
    API_KEYS,
    API_RATE,
    BODY_BUDGET,
    DESTINATIONS,
    KEEP_BODIES,
    KEEP_EVENTS,
    KEEP_LEDGER,
    LOG,
    MAPPINGS,
    METRICS_KEY,
    MIN_FREE,
    PREFIX,
    QUEUE_LIMIT,
    QUEUE_PATIENCE,
    SEAL_KEY,
    SECRET_SUFFIX,
    SPOOL,
    STORE,
    TABLE,
    TRACK_KEY,
    TRACK_RATE,
    TRACK_TEST,
    TRACK_URL,
    TRUSTED_PROXIES,
    WEBHOOK_LIMIT,
    Setting,
)
from bridge.settings.values import split_list, value_places
from bridge.store.engines import is_on_server
from bridge.store.protocol import AdmissionLimits, RetentionPolicy

__all__ = [
    "SECRET_SUFFIX",
    "TABLE",
    "DestinationSettings",
    "KeySettings",
    "Setting",
    "Settings",
    "SourceSettings",
    "admission_limits",
    "console_settings",
    "load_settings",
    "logs_json",
    "retention_policy",
    "secret_name",
    "spool_folder",
    "store_url",
]

MOST_PATIENCE = 60
RETRIED = timedelta(days=31)
"""Longer than any provider continues retrying a webhook: what was purged from the ledger would be new again."""


def store_url(environment: Mapping[str, str]) -> str:
    """Where the store lies: all that the commands which only look need to know."""
    return STORE.read(environment)


def load_settings(
    environment: Mapping[str, str], *, providers: Mapping[str, Collection[str]], config: Path | None = None
) -> Settings:
    """The settings of an environment and its file, for the providers that have a mapping, each with its vars.

    Raises SettingsError that names the setting and the remedy, and never a value that may be secret.
    """
    refuse_placeholders(environment)
    path, rate = named_config(environment, config), API_RATE.read(environment)
    filed = SettingsFile(path, environment, rate).read_settings() if path else Settings()
    sources = with_source_vars(environment, _all_sources(environment, providers, filed.sources), providers)
    destinations = (*_environment_destinations(environment), *filed.destinations)
    keys = (*_environment_keys(environment, rate), *filed.keys)
    _all_different("destination", [destination.name for destination in destinations])
    _all_different("API key", [key.name for key in keys])
    _all_known(sources, keys, destinations)
    logs_json(environment)
    limit = WEBHOOK_LIMIT.read(environment)
    return replace(
        filed,
        store=store_url(environment),
        spool=spool_folder(environment),
        mappings=MAPPINGS.read(environment),
        platforms=DESTINATIONS.read(environment),
        sources=sources,
        destinations=destinations,
        keys=keys,
        metrics_key=_no_api_key(METRICS_KEY.read(environment), keys),
        admin=ADMIN.read(environment),
        addresses=read_addresses(environment),
        alerts=read_alerts(environment),
        console=console_settings(environment),
        seal_keys=SEAL_KEY.read(environment),
        webhook_limit=limit,
        body_budget=_body_budget(environment, limit),
        trusted_proxies=TRUSTED_PROXIES.read(environment),
        keeping=retention_policy(environment),
        bounds=admission_limits(environment),
        warnings=(
            *warn_of_env_file(environment),
            *_strange_names(environment, {*providers, *(one.name for one in sources)}),
            *warn_of_near_names(environment, sources, providers),
            *filed.warnings,
        ),
        given=find_given(environment, sources, config),
    )


def spool_folder(environment: Mapping[str, str]) -> Path | None:
    """The folder of `BRIDGE_SPOOL`; None where it is not set. Raises SettingsError, also for a store in a file."""
    folder = SPOOL.read(environment)
    if folder is not None and not is_on_server(store_url(environment)):
        raise SettingsError(
            "BRIDGE_SPOOL is for a store on a PostgreSQL server, and BRIDGE_STORE is a file, which is on this "
            "machine's disk already; unset BRIDGE_SPOOL"
        )
    return folder


def retention_policy(environment: Mapping[str, str]) -> RetentionPolicy:
    """How long what is done with is kept. Raises SettingsError."""
    bodies, events, ledger = (one.read(environment) for one in (KEEP_BODIES, KEEP_EVENTS, KEEP_LEDGER))
    if ledger < max(events, RETRIED):
        least = max(events, RETRIED).days
        raise SettingsError(
            f"BRIDGE_KEEP_LEDGER must be {least} or more: as long as events are kept, and longer than any "
            "provider retries"
        )
    return RetentionPolicy(bodies=bodies, events=events, ledger=ledger)


def admission_limits(environment: Mapping[str, str]) -> AdmissionLimits:
    """When the store takes nothing new. Raises SettingsError."""
    waiting, patience = QUEUE_LIMIT.read(environment), QUEUE_PATIENCE.read(environment)
    if not waiting:
        raise SettingsError(
            "BRIDGE_QUEUE_LIMIT must be 1 or more: a request that may not wait for the disk is not kept"
        )
    if not 1 <= patience <= MOST_PATIENCE:
        raise SettingsError(
            f"BRIDGE_QUEUE_PATIENCE must be from 1 to {MOST_PATIENCE} seconds: providers wait no longer"
        )
    return AdmissionLimits(waiting, timedelta(seconds=patience), MIN_FREE.read(environment))


def console_settings(environment: Mapping[str, str]) -> ConsoleSettings:
    """The settings of the web console. Raises SettingsError."""
    return read_console(environment, prefix=PREFIX.read(environment), has_admin=ADMIN.read(environment) is not None)


def logs_json(environment: Mapping[str, str]) -> bool:
    """Whether lines of the log are JSON, which must be known before anything is logged. Raises SettingsError."""
    return LOG.read(environment) == "json"


def secret_name(provider: str) -> str:
    """The environment's name for a provider's secrets."""
    return environment_name(provider) + SECRET_SUFFIX


# ------------------------------------------------------------------------------------------------- environment


def _all_sources(
    environment: Mapping[str, str], providers: Collection[str], filed: Sequence[SourceSettings]
) -> tuple[SourceSettings, ...]:
    """The sources of the file, and each mapping's own; the environment may hold the secrets of either."""
    own = [SourceSettings(provider, provider) for provider in providers if provider not in {one.name for one in filed}]
    sources = []
    for source in (*own, *filed):
        name = secret_name(source.name)
        if name not in environment:
            sources += [source] if source in filed else []
            continue
        if source.secrets:
            raise SettingsError(
                f"source `{source.name}`: its secrets are set twice, in the file and as {name}; keep one"
            )
        secrets = split_list(name, environment[name])
        sources.append(replace(source, secrets=secrets, places=value_places(name, environment[name])))
    return tuple(sources)


def _environment_destinations(environment: Mapping[str, str]) -> Iterator[DestinationSettings]:
    url, key = TRACK_URL.read(environment), TRACK_KEY.read(environment)
    if not url:
        if key:
            raise SettingsError("BRIDGE_TRACK_KEY is set without BRIDGE_TRACK_URL; set the address it belongs to")
        return
    if not key:
        raise SettingsError("BRIDGE_TRACK_URL is set without BRIDGE_TRACK_KEY; set the server API key of that address")
    rate, is_test = str(TRACK_RATE.read(environment)), TRACK_TEST.read(environment)
    options = {"url": url, "api_key": key, "rate": rate, "test": "true" if is_test else "false"}
    yield DestinationSettings("track", "track", options)


def _environment_keys(environment: Mapping[str, str], rate: int) -> Iterator[KeySettings]:
    if (text := environment.get(API_KEYS.name)) is not None:
        places = value_places(API_KEYS.name, text)
        for number, key in enumerate(split_list(API_KEYS.name, text), start=1):
            yield KeySettings(f"env-{number}", key, rate, place=places[number - 1])


def _body_budget(environment: Mapping[str, str], limit: int) -> int:
    """Enough for one body of every kind in the share of one peer."""
    budget = BODY_BUDGET.read(environment)
    least = PARTS * max(limit, REQUEST_BYTES)
    if budget < least:
        raise SettingsError(
            f"BRIDGE_BODY_BUDGET must be {least} bytes or more: {PARTS} times the largest body, which is"
            f" {max(limit, REQUEST_BYTES)} bytes (BRIDGE_WEBHOOK_LIMIT)"
        )
    return budget


def _strange_names(environment: Mapping[str, str], sources: Collection[str]) -> Iterator[str]:
    """Refuses a misspelt name of ours; warns of a secret for a source that there is not."""
    known = {row.name for row in TABLE}
    secrets = {secret_name(source) for source in sources}
    for name in sorted(environment):
        if name.startswith("BRIDGE_") and name not in known:
            near = nearest_word(name, known, cutoff=0.85)
            if near:
                raise SettingsError(f"{name} is no setting; did you mean {near}?")
        elif name.endswith(SECRET_SUFFIX) and name not in secrets:
            near = nearest_word(name, secrets, cutoff=0.8)
            hint = f"; did you mean {near}?" if near else ""
            yield f"{name} is set, but no source or mapping has that name{hint}"


def _no_api_key(key: MetricsKey | None, keys: Sequence[KeySettings]) -> MetricsKey | None:
    """The metrics key. Raises SettingsError where it is an API key, too: it would open more than it may."""
    for other in keys:
        if key is not None and key.digest == read_digest(other.key, what=f"the API key `{other.name}`"):
            raise SettingsError(
                f"BRIDGE_METRICS_KEY is the API key `{other.name}`, too; a key that reads metrics may do nothing else"
            )
    return key


def _all_different(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"the {what} `{name}` is set twice, in the environment and in the file; keep one")


def _all_known(
    sources: Sequence[SourceSettings], keys: Sequence[KeySettings], destinations: Sequence[DestinationSettings]
) -> None:
    """No message repeats an unknown name: `${NAME}` may have put a secret there."""
    names = [destination.name for destination in destinations]
    for owner, to in [
        *((f"source `{source.name}`", source.to) for source in sources),
        *((f"API key `{key.name}`", key.to) for key in keys),
    ]:
        for place, name in enumerate(to or (), start=1):
            if name not in names:
                raise SettingsError(
                    f"{owner}: entry {place} of `to` names no destination; {suggest_or_list(name, names)}"
                )
