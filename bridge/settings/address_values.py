"""The types of settings that are addresses: each reads one text, and names the setting where it is wrong.

No message repeats the text: a password may be in it.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError

LAST_PORT = 65535
MAIL_PORT = 587
"""Where a mail server takes messages unless another port is set."""
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_MAIL = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9.-]+")


def read_port(name: str, text: str) -> int:
    """A port to listen on; 0 lets the system choose. Raises SettingsError."""
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or int(text) > LAST_PORT:
        raise SettingsError(f"{name} must be a port such as 8000, at most {LAST_PORT}")
    return int(text)


def read_listener(name: str, text: str) -> tuple[str, int] | None:
    """Host and port to listen on; None of an empty text. Raises SettingsError."""
    if not text:
        return None
    host, _, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= LAST_PORT:
        raise SettingsError(f"{name} must be an address to listen on, such as 127.0.0.1:9090 or [::1]:9090")
    return host, int(port)


def read_prefix(name: str, text: str) -> str:
    """A path that addresses begin with, without a slash at its end. Raises SettingsError."""
    prefix = text.strip().rstrip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise SettingsError(f"{name} must be a path such as /bridge, of letters, digits, `.`, `_`, `~` and `-`")
    return prefix


def read_public_url(name: str, text: str) -> str | None:
    """The address at which others reach the bridge, without a slash at its end. Raises SettingsError."""
    text = text.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in text or parts.query or parts.fragment:
        raise SettingsError(
            f"{name} must be the address at which providers reach the bridge, such as https://shop.example, "
            "without a user and a query"
        )
    return text.rstrip("/")


def read_alert_url(name: str, text: str) -> str | None:
    """An address that takes alerts. Raises SettingsError."""
    text = text.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isascii() and " " not in text
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{name} must be an address that takes Slack's JSON, beginning with https://")
    return text


def read_recipients(name: str, text: str) -> tuple[str, ...]:
    """Mail addresses between commas. Raises SettingsError."""
    found = tuple(part.strip() for part in text.split(",")) if text else ()
    for place, one in enumerate(found, start=1):
        if not _MAIL.fullmatch(one):
            raise SettingsError(f"{name}: entry {place} is no mail address; write addresses with commas between")
    return found


def read_mail_address(name: str, text: str) -> str | None:
    """One mail address; None of an empty text. Raises SettingsError."""
    if text and not is_mail_address(text.strip()):
        raise SettingsError(f"{name} must be one mail address, such as trackbridge@example.com")
    return text.strip() or None


def is_mail_address(text: str) -> bool:
    """Whether a text is one mail address."""
    return _MAIL.fullmatch(text) is not None


def read_mail_server(name: str, text: str) -> tuple[str, int] | None:
    """Host and port of a mail server; None of an empty text. Raises SettingsError."""
    if not text:
        return None
    found = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?", text.strip())
    port = int(found[2] or MAIL_PORT) if found else 0
    if found is None or not 0 < port <= LAST_PORT:
        raise SettingsError(f"{name} must be a host and a port, such as mail.example.com:587")
    return found[1].strip("[]"), port
