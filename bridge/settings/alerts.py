"""The settings of alerts: BRIDGE_ALERT_URL and BRIDGE_ALERT_EMAIL, and the mail server for the latter."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from bridge.core.alert_targets import AlertTargets, MailServer
from bridge.core.errors import SettingsError

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9.-]+")
LAST_PORT = 65535
USUAL_PORT = 587


def read_alerts(environment: Mapping[str, str]) -> AlertTargets:
    """Where alerts go; nowhere where nothing is set. Raises SettingsError, without the value."""
    recipients = _read_recipients(environment.get("BRIDGE_ALERT_EMAIL", ""))
    server = _read_server(environment)
    if recipients and server is None:
        raise SettingsError(
            "BRIDGE_ALERT_EMAIL is set without BRIDGE_SMTP_SERVER; set the mail server, such as mail.example.com:587"
        )
    sender = environment.get("BRIDGE_ALERT_FROM", "").strip() or _guess_sender(server)
    if not _ADDRESS.fullmatch(sender):
        raise SettingsError("BRIDGE_ALERT_FROM must be one mail address, such as trackbridge@example.com")
    return AlertTargets(_read_url(environment.get("BRIDGE_ALERT_URL", "").strip()), recipients, server, sender)


def _read_url(text: str) -> str | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and text.isascii() and " " not in text
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("BRIDGE_ALERT_URL must be an address that takes Slack's JSON, beginning with https://")
    return text


def _read_recipients(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ()
    found = tuple(part.strip() for part in text.split(","))
    for place, one in enumerate(found, start=1):
        if not _ADDRESS.fullmatch(one):
            raise SettingsError(
                f"BRIDGE_ALERT_EMAIL: entry {place} is no mail address; write addresses with commas between"
            )
    return found


def _read_server(environment: Mapping[str, str]) -> MailServer | None:
    text = environment.get("BRIDGE_SMTP_SERVER", "").strip()
    user, password = environment.get("BRIDGE_SMTP_USER", "").strip(), environment.get("BRIDGE_SMTP_PASSWORD", "")
    if not text:
        return None
    if bool(user) != bool(password):
        raise SettingsError("BRIDGE_SMTP_USER and BRIDGE_SMTP_PASSWORD belong together; set both, or neither")
    found = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?", text)
    port = int(found[2] or USUAL_PORT) if found else 0
    if found is None or not 0 < port <= LAST_PORT:
        raise SettingsError("BRIDGE_SMTP_SERVER must be a host and a port, such as mail.example.com:587")
    host = found[1].strip("[]")
    return MailServer(host, port, user or None, password or None, is_local=_is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _guess_sender(server: MailServer | None) -> str:
    if server and server.user and _ADDRESS.fullmatch(server.user):
        return server.user
    host = socket.gethostname()
    return f"trackbridge@{host if re.fullmatch(r'[A-Za-z0-9.-]+', host) else 'localhost'}"
