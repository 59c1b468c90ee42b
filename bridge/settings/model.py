"""The settings once they are read: sources, destinations, API keys, and everything else that was set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from bridge.core.alert_targets import NO_ALERTS, AlertTargets
from bridge.core.model import SourceLocation
from bridge.core.sealing import SealKeys
from bridge.http.metrics_key import MetricsKey
from bridge.settings.addresses import DEFAULT_ADDRESSES, Addresses
from bridge.settings.console import NO_SETTINGS, ConsoleSettings
from bridge.settings.table import BODY_BUDGET, STORE, WEBHOOK_LIMIT
from bridge.store.protocol import DEFAULT_LIMITS, DEFAULT_RETENTION, AdmissionLimits, RetentionPolicy


@dataclass(frozen=True, slots=True)
class GivenSetting:
    """A setting that the environment holds: its text as it stands there, and where that is."""

    name: str
    text: str = field(repr=False)
    place: str


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One inbound endpoint. No secrets: it is known, and its webhooks wait at the provider.

    `places` are where the secrets are, one each: in the file, or in the environment's variable of that name;
    `var_places` say the same of each var.
    """

    name: str
    mapping: str
    secrets: tuple[str, ...] = ()
    vars: Mapping[str, str] = field(default_factory=dict)
    to: tuple[str, ...] | None = None
    public_url: str | None = None
    scope: str | None = None
    places: tuple[SourceLocation, ...] = field(default=(), compare=False)
    var_places: Mapping[str, SourceLocation | str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """One place events go to; `options` are what its kind understands: texts, and tables of texts or nothing.

    `place` is where the file has it, None for the environment's.
    """

    name: str
    kind: str
    options: Mapping[str, str | Mapping[str, str | None]]
    place: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """One API key for `/v1/track`, plain or `sha256:…`, and where it is."""

    name: str
    key: str
    rate: int
    scope: str | None = None
    to: tuple[str, ...] | None = None
    place: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was set. `sources` holds only those that were named or given a secret."""

    store: str = STORE.default
    spool: Path | None = None
    """Where webhooks are kept while the store's server is away; None where they are refused then."""
    mappings: Path | None = None
    platforms: Path | None = None
    """The operator's folder of destination files."""
    sources: tuple[SourceSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    addresses: Addresses = DEFAULT_ADDRESSES
    webhook_limit: int = WEBHOOK_LIMIT.read({})
    metrics_key: MetricsKey | None = None
    admin: tuple[str, int] | None = None
    """Host and port of the listener for `/metrics` and the details of `/readyz`; None for the public one."""
    body_budget: int = BODY_BUDGET.read({})
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    alerts: AlertTargets = NO_ALERTS
    console: ConsoleSettings = NO_SETTINGS
    seal_keys: SealKeys | None = None
    keeping: RetentionPolicy = DEFAULT_RETENTION
    bounds: AdmissionLimits = DEFAULT_LIMITS
    warnings: tuple[str, ...] = ()
    given: tuple[GivenSetting, ...] = field(default=(), compare=False, repr=False)
    """What the environment held at the start."""
    newest_given: tuple[GivenSetting, ...] | None = field(default=None, compare=False, repr=False)
    """What it held at the last reload, None before one."""
