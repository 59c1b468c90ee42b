"""The settings of alerts: where they go, and the mail server that takes those by mail."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from ipaddress import ip_address

from bridge.core.alert_targets import AlertTargets, MailServer
from bridge.core.errors import SettingsError
from bridge.settings.address_values import is_mail_address
from bridge.settings.table import ALERT_EMAIL, ALERT_FROM, ALERT_URL, SMTP_PASSWORD, SMTP_SERVER, SMTP_USER


def read_alerts(environment: Mapping[str, str]) -> AlertTargets:
    """Where alerts go; nowhere where nothing is set. Raises SettingsError, without the value."""
    recipients, server = ALERT_EMAIL.read(environment), _read_server(environment)
    if recipients and server is None:
        raise SettingsError(
            "BRIDGE_ALERT_EMAIL is set without BRIDGE_SMTP_SERVER; set the mail server, such as mail.example.com:587"
        )
    sender = ALERT_FROM.read(environment) or _guess_sender(server)
    return AlertTargets(ALERT_URL.read(environment), recipients, server, sender)


def _read_server(environment: Mapping[str, str]) -> MailServer | None:
    address = SMTP_SERVER.read(environment)
    user, password = SMTP_USER.read(environment), SMTP_PASSWORD.read(environment)
    if address is None:
        return None
    if bool(user) != bool(password):
        raise SettingsError("BRIDGE_SMTP_USER and BRIDGE_SMTP_PASSWORD belong together; set both, or neither")
    host, port = address
    return MailServer(host, port, user or None, password or None, is_local=_is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _guess_sender(server: MailServer | None) -> str:
    if server and server.user and is_mail_address(server.user):
        return server.user
    host = socket.gethostname()
    return f"trackbridge@{host if re.fullmatch(r'[A-Za-z0-9.-]+', host) else 'localhost'}"
