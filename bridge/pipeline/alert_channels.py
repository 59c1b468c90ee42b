"""Where alerts go: an address that takes Slack's JSON, and mail by SMTP. Neither tells what it holds of keys.

Slack's form is `{"text": …}`, which Mattermost, Rocket.Chat, Discord (below `/slack`) and others take, too:
https://api.slack.com/messaging/webhooks.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol

from bridge.core import json_text
from bridge.core.alert_targets import AlertTargets, MailServer
from bridge.core.delivery import Outgoing
from bridge.core.errors import AlertFailed
from bridge.pipeline.http_client import load_trusted_certificates, open_client

TIMEOUT = timedelta(seconds=20)
SUCCESS = range(200, 300)
TLS_PORT = 465
"""The port on which TLS begins at once: https://www.rfc-editor.org/rfc/rfc8314."""


class AlertChannel(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """The setting that it comes from."""
        ...

    async def send_alert(self, title: str, lines: Sequence[str]) -> None:
        """Send one message. Raises AlertFailed, which names no address and no key."""
        ...


def make_channels(targets: AlertTargets) -> tuple[AlertChannel, ...]:
    """A channel for each target."""
    chat: list[AlertChannel] = [ChatChannel(targets.url)] if targets.url else []
    mail: list[AlertChannel] = (
        [MailChannel(targets.server, targets.sender, targets.recipients)]
        if targets.server and targets.recipients
        else []
    )
    return (*chat, *mail)


@dataclass(frozen=True, slots=True)
class ChatChannel:
    """Posts Slack's JSON."""

    url: str = field(repr=False)
    name: str = "BRIDGE_ALERT_URL"

    async def send_alert(self, title: str, lines: Sequence[str]) -> None:
        """Post it. Raises AlertFailed."""
        body = json_text.write_json({"text": "\n".join([title, *lines])})
        trusted = await asyncio.to_thread(load_trusted_certificates)
        async with open_client(TIMEOUT, trusted) as send:
            response = await send(Outgoing(self.url, {"Content-Type": "application/json"}, body, ()))
        if response.status is None:
            raise AlertFailed(f"{self.name}: {response.failure}; check the address, and this machine's network")
        if response.status not in SUCCESS:
            raise AlertFailed(f"{self.name}: it answers {response.status}; make a new address where it came from")


@dataclass(frozen=True, slots=True)
class MailChannel:
    """Sends mail; the work is done in a thread, since `smtplib` waits."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    name: str = "BRIDGE_ALERT_EMAIL"

    async def send_alert(self, title: str, lines: Sequence[str]) -> None:
        """Send it to all recipients. Raises AlertFailed, also where only some were taken."""
        message = EmailMessage()
        message["From"] = Address("trackbridge", addr_spec=self.sender)
        message["To"] = ", ".join(self.recipients)
        message["Subject"] = title
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join([title, "", *lines, ""]))
        try:
            await asyncio.to_thread(self._send_message, message)
        except (OSError, smtplib.SMTPException) as error:
            raise AlertFailed(f"{self.name}: {describe_failure(error)}") from None

    def _send_message(self, message: EmailMessage) -> None:
        server, seconds = self.server, TIMEOUT.total_seconds()
        trusted = ssl.create_default_context()
        if server.port == TLS_PORT:
            client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=trusted)
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=seconds)
        with client:
            if server.port != TLS_PORT and (not server.is_local or server.user):
                client.starttls(context=trusted)
            if server.user and server.password:
                client.login(server.user, server.password)
            if client.send_message(message):
                raise smtplib.SMTPException


def describe_failure(error: OSError | smtplib.SMTPException) -> str:
    """Why mail could not be sent, without what the server said: that may repeat an address."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return (
                "the server refuses BRIDGE_SMTP_USER and BRIDGE_SMTP_PASSWORD; many services want a password for apps"
            )
        case smtplib.SMTPNotSupportedError():
            return "the server offers no TLS (STARTTLS) or no login; use its port 465 or 587 in BRIDGE_SMTP_SERVER"
        case smtplib.SMTPRecipientsRefused() | smtplib.SMTPSenderRefused():
            return "the server refuses a recipient or the sender; check BRIDGE_ALERT_EMAIL and BRIDGE_ALERT_FROM"
        case smtplib.SMTPResponseException():
            return f"the server answers {error.smtp_code}; check BRIDGE_SMTP_SERVER and BRIDGE_ALERT_FROM"
        case ssl.SSLError():
            return "the server's certificate or TLS does not hold; check the name and port in BRIDGE_SMTP_SERVER"
        case _:
            return (
                f"no mail could be sent ({type(error).__name__}); check BRIDGE_SMTP_SERVER, and this machine's network"
            )
