"""The URL of a database: what is shown of it, and how a connection is opened by it."""

from __future__ import annotations

from itertools import zip_longest

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.core.errors import SettingsError

_SECRET = frozenset({"password", "passfile", "sslpassword", "sslkey"})
_FORCED = {
    "connect_timeout": "2", "tcp_user_timeout": "5000", "keepalives_idle": "5", "application_name": "trackbridge",
}  # fmt: skip
"""A connection of which the other end is gone is noticed within seconds."""


def connection_info(url: str) -> str:
    """What libpq connects by: hosts, service files, TLS and target_session_attrs are its own.

    Raises SettingsError for a URL that libpq does not understand, without repeating it: it may hold a password.
    """
    try:
        return make_conninfo(url, **_FORCED)
    except psycopg.ProgrammingError:
        raise SettingsError(
            "the store's URL is none that PostgreSQL understands; write postgresql://user@host/database"
        ) from None


def next_host_first(info: str) -> tuple[str, int]:
    """The same with its first host as the last one; and how many hosts there are."""
    parts = conninfo_to_dict(info)
    lists = {name: str(parts[name]).split(",") for name in ("host", "hostaddr", "port") if parts.get(name)}
    turned: dict[str, str] = {name: ",".join([*each[1:], each[0]]) for name, each in lists.items()}
    return make_conninfo(info, **turned), max(map(len, lists.values()), default=1)


def shown_url(url: str) -> str:
    """The URL as people may see it: user, hosts and database, without a password."""
    parts = {name: value for name, value in conninfo_to_dict(connection_info(url)).items() if name not in _SECRET}
    user = f"{parts['user']}@" if parts.get("user") else ""
    hosts = str(parts.get("host") or parts.get("hostaddr") or "").split(",")
    if "/" in hosts[0]:  # a socket's folder
        return f"postgresql://{user}/{parts.get('dbname') or ''}?host={hosts[0]}"
    ports = str(parts.get("port") or "").split(",")
    pairs = zip_longest(hosts, ports, fillvalue=ports[0] if len(ports) == 1 else "")
    return f"postgresql://{user}{','.join(':'.join(filter(None, pair)) for pair in pairs)}/{parts.get('dbname') or ''}"
