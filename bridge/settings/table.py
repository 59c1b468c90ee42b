"""The settings in the environment, one row each: name, type, default and meaning stand here and nowhere else.

A type is the function that reads it. What several settings mean together is checked where they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bridge.core.sealing import read_seal_keys
from bridge.http.body_budget import USUAL as BODY_BYTES
from bridge.http.console_keys import ConsoleKey, read_console_keys
from bridge.http.metrics_key import MetricsKey, read_setting
from bridge.settings.address_values import (
    read_alert_url,
    read_listener,
    read_mail_address,
    read_mail_server,
    read_port,
    read_prefix,
    read_public_url,
    read_recipients,
)
from bridge.settings.values import (
    read_bytes,
    read_days,
    read_folder,
    read_list,
    read_log_form,
    read_networks,
    read_number,
    read_path,
    read_switch,
    read_text,
    read_verbatim,
)
from bridge.store.protocol import DEFAULT_LIMITS, DEFAULT_RETENTION

MEBIBYTE = 1024 * 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One name of the environment: how its text is read, its default as people write it, and what it means.

    `read_value` takes the name and the text. `is_private`: its value is shown nowhere, since it is or may hold a secret
    or a person's address. `reloads`: a reload takes a change of it, as against a restart.
    """

    name: str
    read_value: Callable[[str, str], T]
    default: str
    meaning: str
    is_private: bool = False
    reloads: bool = False

    def read(self, environment: Mapping[str, str]) -> T:
        """What the environment sets, or else the default. Raises SettingsError that names the setting, no secret."""
        text = environment.get(self.name, "")
        return self.read_value(self.name, text if text.strip() else self.default)


def _read_metrics_key(_name: str, text: str) -> MetricsKey | None:
    return read_setting(text.strip()) if text else None


def _read_console_keys(_name: str, text: str) -> tuple[ConsoleKey, ...]:
    return read_console_keys(text.strip()) if text else ()


STORE = Setting(
    "BRIDGE_STORE",
    read_text,
    "sqlite:///trackbridge.db",
    "where everything is kept (`////` for an absolute path), or `postgresql://user@host/database`",
)
SPOOL = Setting(
    "BRIDGE_SPOOL",
    read_path,
    "",
    "a folder on this machine's disk that keeps webhooks while the PostgreSQL server is away; unset, they get 503",
)
CONFIG = Setting(
    "BRIDGE_CONFIG",
    read_path,
    "bridge.yaml",
    "a YAML file for several sources, destinations or API keys; unset, that of the working folder if there is "
    "one. The file `.env` beside it may hold the other settings",
)
HOST = Setting("BRIDGE_HOST", read_text, "127.0.0.1", "the address to listen on")
PORT = Setting("BRIDGE_PORT", read_port, "8000", "the port to listen on")
PUBLIC_URL = Setting(
    "BRIDGE_PUBLIC_URL", read_public_url, "", "the address at which providers reach the bridge: `https://shop.example`"
)
PREFIX = Setting(
    "BRIDGE_PREFIX", read_prefix, "", "a path that every address begins with: with `/bridge`, `/bridge/webhooks/stripe`"
)
MAPPINGS = Setting(
    "BRIDGE_MAPPINGS",
    read_folder,
    "",
    "a folder of mappings that adds to the shipped ones and overrides them by provider",
)
DESTINATIONS = Setting(
    "BRIDGE_DESTINATIONS", read_folder, "", "a folder of destination files that adds to the shipped ones, by kind"
)
WEBHOOK_SECRET = Setting(
    "<PROVIDER>_WEBHOOK_SECRET",
    read_list,
    "",
    "the signing secret(s) of a provider, comma-separated: `STRIPE_…`",
    is_private=True,
    reloads=True,
)
VAR = Setting(
    "<SOURCE>_<VAR>",
    read_verbatim,
    "",
    "a var of a source's mapping, as `STRIPE_PURCHASE`; `mappings/README.md` lists them",
    reloads=True,
)
TRACK_URL = Setting(
    "BRIDGE_TRACK_URL", read_text, "", "where events are delivered: a destination called `track`", is_private=True
)
TRACK_KEY = Setting("BRIDGE_TRACK_KEY", read_text, "", "its server API key", is_private=True)
TRACK_RATE = Setting("BRIDGE_TRACK_RATE", read_number, "1000", "its requests a minute, `0` for no limit")
TRACK_TEST = Setting("BRIDGE_TRACK_TEST", read_switch, "0", "`1`: it takes test events, and nothing else")
API_KEYS = Setting(
    "BRIDGE_API_KEYS", read_list, "", "keys for `/v1/track`, comma-separated, each plain or `sha256:…`", is_private=True
)
API_RATE = Setting(
    "BRIDGE_API_RATE",
    read_number,
    "1000",
    "requests a minute that each API key may make, over all nodes, `0` for no limit",
)
METRICS_KEY = Setting(
    "BRIDGE_METRICS_KEY",
    _read_metrics_key,
    "",
    "the key for `/metrics` and the details of `/readyz`, plain or `sha256:…`; unset, a file beside the store has it",
    is_private=True,
)
ADMIN = Setting(
    "BRIDGE_ADMIN",
    read_listener,
    "",
    "`host:port` where `/metrics`, the details of `/readyz` and the console are then served, not on the public port",
)
CONSOLE = Setting("BRIDGE_CONSOLE", read_switch, "1", "`0` turns the web console at `/ui` off")
CONSOLE_KEYS = Setting(
    "BRIDGE_CONSOLE_KEYS",
    _read_console_keys,
    "",
    "who may open it, comma-separated: `ines:change:KEY`, `auditor:look:sha256:…`; unset, a file beside the "
    "store has the one key",
    is_private=True,
)
CONSOLE_URL = Setting(
    "BRIDGE_CONSOLE_URL",
    read_text,
    "",
    "the address at which you open it from elsewhere: `https://hooks.example/ui`; unset, only this machine may",
)
SEAL_KEY = Setting(
    "BRIDGE_SEAL_KEY",
    read_seal_keys,
    "",
    "seals OAuth refresh tokens in the store: 32 random bytes as base64; to replace it, `NEW,OLD`",
    is_private=True,
)
WEBHOOK_LIMIT = Setting("BRIDGE_WEBHOOK_LIMIT", read_number, "5242880", "bytes that one webhook may have")
BODY_BUDGET = Setting(
    "BRIDGE_BODY_BUDGET",
    read_bytes,
    f"{BODY_BYTES // MEBIBYTE}MiB",
    "bytes of bodies that each web process holds at once; more get 503, and so does a slow one whose room "
    "another needs. A quarter is left to bodies up to 64 KiB",
)
TRUSTED_PROXIES = Setting(
    "BRIDGE_TRUSTED_PROXIES",
    read_networks,
    "",
    "addresses or networks (`10.0.0.0/8`), comma-separated, of proxies whose `X-Forwarded-For` says who a peer is",
)
MIN_FREE = Setting(
    "BRIDGE_MIN_FREE",
    read_bytes,
    f"{DEFAULT_LIMITS.min_free // MEBIBYTE}MiB",
    "free disk, in bytes or `MiB`, `GiB`, below which new requests get 503, `0` for none",
)
QUEUE_LIMIT = Setting(
    "BRIDGE_QUEUE_LIMIT", read_number, str(DEFAULT_LIMITS.waiting), "requests that may wait for the disk; more get 503"
)
QUEUE_PATIENCE = Setting(
    "BRIDGE_QUEUE_PATIENCE",
    read_number,
    str(DEFAULT_LIMITS.max_wait.seconds),
    "seconds that a request may wait for the disk before it gets 503",
)
ALERT_URL = Setting(
    "BRIDGE_ALERT_URL",
    read_alert_url,
    "",
    "an address that takes Slack's JSON, told when something needs a person and is over",
    is_private=True,
    reloads=True,
)
ALERT_EMAIL = Setting(
    "BRIDGE_ALERT_EMAIL",
    read_recipients,
    "",
    "mail addresses that are told the same, comma-separated",
    is_private=True,
    reloads=True,
)
ALERT_FROM = Setting(
    "BRIDGE_ALERT_FROM",
    read_mail_address,
    "",
    "the sender of that mail; unset, `BRIDGE_SMTP_USER` if that is an address",
    is_private=True,
    reloads=True,
)
SMTP_SERVER = Setting(
    "BRIDGE_SMTP_SERVER", read_mail_server, "", "the mail server, `host:port`: TLS on 465, else STARTTLS", reloads=True
)
SMTP_USER = Setting(
    "BRIDGE_SMTP_USER", read_text, "", "its user; set it and the password, or neither", is_private=True, reloads=True
)
SMTP_PASSWORD = Setting("BRIDGE_SMTP_PASSWORD", read_verbatim, "", "its password", is_private=True, reloads=True)
LOG = Setting(
    "BRIDGE_LOG", read_log_form, "text", "the form of log lines: `text` for people, `json` for one object a line"
)
KEEP_BODIES = Setting(
    "BRIDGE_KEEP_BODIES",
    read_days,
    str(DEFAULT_RETENTION.bodies.days),
    "days that a translated or ignored webhook's body is kept; of a refund that waits for its sale to be told, "
    "as long as events",
)
KEEP_EVENTS = Setting(
    "BRIDGE_KEEP_EVENTS",
    read_days,
    str(DEFAULT_RETENTION.events.days),
    "days that webhooks, events, deliveries and dead letters are kept",
)
KEEP_LEDGER = Setting(
    "BRIDGE_KEEP_LEDGER",
    read_days,
    str(DEFAULT_RETENTION.ledger.days),
    "days that what was known is recognised as a duplicate, 31 at least",
)

TABLE: tuple[Setting[Any], ...] = tuple(row for row in list(globals().values()) if isinstance(row, Setting))
"""All of them, in the order in which they are listed."""

SECRET_SUFFIX = "_WEBHOOK_SECRET"  # noqa: S105  the name of a setting, no secret
