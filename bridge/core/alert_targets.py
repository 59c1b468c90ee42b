"""Where alerts go, as it is set: to the address of a chat, and by mail."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MailServer:
    """An SMTP server. Unless it is this machine itself, TLS is required: at once on port 465, else by STARTTLS."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class AlertTargets:
    """All that is set: the `url` of a chat, and the `recipients` of mail with its `server` and `sender`."""

    url: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = ()
    server: MailServer | None = None
    sender: str = ""


NO_ALERTS = AlertTargets()
"""Nothing is set."""
