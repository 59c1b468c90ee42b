"""The table of settings in the environment, and the settings once they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from bridge.core.alert_targets import NO_ALERTS, AlertTargets
from bridge.core.model import SourceLocation
from bridge.core.sealing import SealKeys
from bridge.http import body_budget as budget
from bridge.http.metrics_key import MetricsKey
from bridge.settings.addresses import DEFAULT_ADDRESSES, Addresses
from bridge.settings.console import NO_SETTINGS, ConsoleSettings
from bridge.store.protocol import DEFAULT_LIMITS, DEFAULT_RETENTION, AdmissionLimits, RetentionPolicy

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Setting:
    """One name of the environment, its default as people write it, and what it means.

    `is_private`: its value is shown nowhere, since it is or may hold a secret or a person's address. `reloads`: a
    reload takes a change of it, as against a restart.
    """

    name: str
    default: str
    meaning: str
    is_private: bool = False
    reloads: bool = False


TABLE = (
    Setting(
        "BRIDGE_STORE",
        "sqlite:///trackbridge.db",
        "where everything is kept (`////` for an absolute path), or `postgresql://user@host/database`",
    ),
    Setting(
        "BRIDGE_SPOOL",
        "",
        "a folder on this machine's disk that keeps webhooks while the PostgreSQL server is away; unset, they get 503",
    ),
    Setting(
        "BRIDGE_CONFIG",
        "bridge.yaml",
        "a YAML file for several sources, destinations or API keys; unset, that of the working folder if there is one. "
        "The file `.env` beside it may hold the other settings",
    ),
    Setting("BRIDGE_HOST", "127.0.0.1", "the address to listen on"),
    Setting("BRIDGE_PORT", "8000", "the port to listen on"),
    Setting("BRIDGE_PUBLIC_URL", "", "the address at which providers reach the bridge: `https://shop.example`"),
    Setting("BRIDGE_PREFIX", "", "a path that every address begins with: with `/bridge`, `/bridge/webhooks/stripe`"),
    Setting("BRIDGE_MAPPINGS", "", "a folder of mappings that adds to the shipped ones and overrides them by provider"),
    Setting("BRIDGE_DESTINATIONS", "", "a folder of destination files that adds to the shipped ones, by kind"),
    Setting(
        "<PROVIDER>_WEBHOOK_SECRET",
        "",
        "the signing secret(s) of a provider, comma-separated: `STRIPE_…`",
        is_private=True,
        reloads=True,
    ),
    Setting(
        "<SOURCE>_<VAR>",
        "",
        "a var of a source's mapping, as `STRIPE_PURCHASE`; `mappings/README.md` lists them",
        reloads=True,
    ),
    Setting("BRIDGE_TRACK_URL", "", "where events are delivered: a destination called `track`", is_private=True),
    Setting("BRIDGE_TRACK_KEY", "", "its server API key", is_private=True),
    Setting("BRIDGE_TRACK_RATE", "1000", "its requests a minute, `0` for no limit"),
    Setting("BRIDGE_TRACK_TEST", "0", "`1`: it takes test events, and nothing else"),
    Setting("BRIDGE_API_KEYS", "", "keys for `/v1/track`, comma-separated, each plain or `sha256:…`", is_private=True),
    Setting(
        "BRIDGE_API_RATE", "1000", "requests a minute that each API key may make, over all nodes, `0` for no limit"
    ),
    Setting(
        "BRIDGE_METRICS_KEY",
        "",
        "the key for `/metrics` and the details of `/readyz`, plain or `sha256:…`; unset, a file beside the "
        "store has it",
        is_private=True,
    ),
    Setting("BRIDGE_ADMIN", "", "`host:port` where these and the console are then served, not on the public port"),
    Setting("BRIDGE_CONSOLE", "1", "`0` turns the web console at `/ui` off"),
    Setting(
        "BRIDGE_CONSOLE_KEYS",
        "",
        "who may open it, comma-separated: `ines:change:KEY`, `auditor:look:sha256:…`; unset, a file beside the store "
        "has the one key",
        is_private=True,
    ),
    Setting(
        "BRIDGE_CONSOLE_URL",
        "",
        "the address at which you open it from elsewhere: `https://hooks.example/ui`; unset, only this machine may",
    ),
    Setting(
        "BRIDGE_SEAL_KEY",
        "",
        "seals OAuth refresh tokens in the store: 32 random bytes as base64; to replace it, `NEW,OLD`",
        is_private=True,
    ),
    Setting("BRIDGE_WEBHOOK_LIMIT", "5242880", "bytes that one webhook may have"),
    Setting(
        "BRIDGE_BODY_BUDGET",
        "24MiB",
        "bytes of bodies that each web process holds at once; more get 503, and so does a slow one whose room another "
        "needs. A quarter is left to bodies up to 64 KiB",
    ),
    Setting(
        "BRIDGE_TRUSTED_PROXIES",
        "",
        "addresses or networks (`10.0.0.0/8`), comma-separated, of proxies whose `X-Forwarded-For` says who a peer is",
    ),
    Setting(
        "BRIDGE_MIN_FREE",
        "64MiB",
        "free disk, in bytes or `MiB`, `GiB`, below which new requests get 503, `0` for none",
    ),
    Setting("BRIDGE_QUEUE_LIMIT", "10000", "requests that may wait for the disk; more get 503"),
    Setting("BRIDGE_QUEUE_PATIENCE", "5", "seconds that a request may wait for the disk before it gets 503"),
    Setting(
        "BRIDGE_ALERT_URL",
        "",
        "an address that takes Slack's JSON, told when something needs a person and is over",
        is_private=True,
        reloads=True,
    ),
    Setting(
        "BRIDGE_ALERT_EMAIL",
        "",
        "mail addresses that are told the same, comma-separated",
        is_private=True,
        reloads=True,
    ),
    Setting(
        "BRIDGE_ALERT_FROM",
        "",
        "the sender of that mail; unset, `BRIDGE_SMTP_USER` if that is an address",
        is_private=True,
        reloads=True,
    ),
    Setting("BRIDGE_SMTP_SERVER", "", "the mail server, `host:port`: TLS on 465, else STARTTLS", reloads=True),
    Setting("BRIDGE_SMTP_USER", "", "its user; set it and the password, or neither", is_private=True, reloads=True),
    Setting("BRIDGE_SMTP_PASSWORD", "", "its password", is_private=True, reloads=True),
    Setting("BRIDGE_LOG", "text", "the form of log lines: `text` for people, `json` for one object a line"),
    Setting(
        "BRIDGE_KEEP_BODIES",
        "30",
        "days that a translated or ignored webhook's body is kept; of a refund that waits for its sale to be told, as "
        "long as events",
    ),
    Setting("BRIDGE_KEEP_EVENTS", "90", "days that webhooks, events, deliveries and dead letters are kept"),
    Setting("BRIDGE_KEEP_LEDGER", "400", "days that what was known is recognised as a duplicate, 31 at least"),
)

SECRET_SUFFIX = "_WEBHOOK_SECRET"  # noqa: S105  the name of a setting, no secret


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

    store: str = TABLE[0].default
    spool: Path | None = None
    """Where webhooks are kept while the store's server is away; None where they are refused then."""
    mappings: Path | None = None
    platforms: Path | None = None
    """The operator's folder of destination files."""
    sources: tuple[SourceSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    addresses: Addresses = DEFAULT_ADDRESSES
    webhook_limit: int = 5 * MEBIBYTE
    metrics_key: MetricsKey | None = None
    admin: tuple[str, int] | None = None
    """Host and port of the listener for `/metrics` and the details of `/readyz`; None for the public one."""
    body_budget: int = budget.USUAL
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
