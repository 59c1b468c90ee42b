"""The settings of the web console: whether it is on, who may open it, and at which address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError
from bridge.http.console_keys import ConsoleKey, keep_console_key
from bridge.settings.table import CONSOLE, CONSOLE_KEYS, CONSOLE_URL

CONSOLE_PATH = "/ui"
"""Where the console stands, below the prefix."""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """No `keys`: the one in the file beside the store. `url` is where it is opened from elsewhere, None for nowhere."""

    is_on: bool = True
    keys: tuple[ConsoleKey, ...] = ()
    url: str | None = None


_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what is listened on is opened on this machine

NO_SETTINGS = ConsoleSettings()
"""What holds where nothing is set."""


def find_console_keys(console: ConsoleSettings, store: Path) -> tuple[ConsoleKey, ...]:
    """Who may open it: the keys that are set, else the one in the file beside the store, which the first call makes.

    Nobody where it is off. Raises SettingsError where that file cannot be read or made.
    """
    if not console.is_on:
        return ()
    return console.keys or (keep_console_key(store),)


def console_address(console: ConsoleSettings, listener: tuple[str, int], *, prefix: str) -> str:
    """Where a browser opens it: the address that is set, else that of its listener, as this machine reaches it."""
    host, port = listener
    host = _ANY_ADDRESS.get(host, host)
    return console.url or f"http://{f'[{host}]' if ':' in host else host}:{port}{prefix}{CONSOLE_PATH}"


def read_console(environment: Mapping[str, str], *, prefix: str, has_admin: bool) -> ConsoleSettings:
    """What is set. With `has_admin` it is served on the admin listener, without the prefix. Raises SettingsError."""
    url, path = CONSOLE_URL.read(environment), CONSOLE_PATH if has_admin else f"{prefix}{CONSOLE_PATH}"
    return ConsoleSettings(
        CONSOLE.read(environment), CONSOLE_KEYS.read(environment), _read_url(url, path) if url else None
    )


def _read_url(text: str, path: str) -> str:
    """The address, without a slash at its end."""
    wrong = f"BRIDGE_CONSOLE_URL must be the address at which you open the console, as https://hooks.example{path}"
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(wrong)
    if parts.path.rstrip("/") not in {"", path}:
        raise SettingsError(f"{wrong}: the console stands at {path}")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"
