"""Reads one value of the environment: a number, bytes with a unit, days, networks, a list between commas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from bridge.core.errors import SettingsError
from bridge.core.model import SourceLocation

MOST_DAYS = 36_500
UNITS = {
    "": 1, "b": 1,
    "k": 1 << 10, "kib": 1 << 10, "kb": 10**3,
    "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9,
    "t": 1 << 40, "tib": 1 << 40, "tb": 10**12,
}  # fmt: skip
"""Bytes by their unit, in any case."""


def split_list(name: str, text: str) -> tuple[str, ...]:
    """The values between commas. Raises SettingsError where one is blank."""
    values = tuple(part.strip() for part in text.split(","))
    if not all(values):
        raise SettingsError(f"{name} is set but blank, or has a blank between commas; give it a value or unset it")
    return values


def value_places(name: str, text: str) -> tuple[SourceLocation, ...]:
    """Where each value between commas begins in a variable's text."""
    starts = [0, *(found.end() for found in re.finditer(r",\s*", text))]
    return tuple(SourceLocation(name, 1, start + 1) for start in starts)


def read_number(environment: Mapping[str, str], name: str, default: int) -> int:
    """A whole number. Raises SettingsError."""
    text = environment.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise SettingsError(f"{name} must be a whole number such as {default}")
    return int(text)


def read_bytes(environment: Mapping[str, str], name: str, usual: int) -> int:
    """A number of bytes, with or without a unit. Raises SettingsError."""
    text = environment.get(name) or str(usual)
    found = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text.strip())
    if found is None or found[2].lower() not in UNITS:
        raise SettingsError(f"{name} must be a number of bytes, or one with a unit, such as 64MiB or 2GiB")
    return int(found[1]) * UNITS[found[2].lower()]


def read_networks(name: str, environment: Mapping[str, str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks between commas. Raises SettingsError, which never repeats one."""
    if not environment.get(name):
        return ()
    networks = []
    for place, text in enumerate(split_list(name, environment[name]), start=1):
        try:
            networks.append(ip_network(text))
        except ValueError:
            raise SettingsError(
                f"{name}: entry {place} {_network_problem(text)}; write addresses such as 10.0.0.5, or networks such "
                "as 10.0.0.0/8"
            ) from None
    return tuple(networks)


def _network_problem(text: str) -> str:
    """What is wrong, without the text itself: it may be a secret that was pasted there."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return "is no address and no network"
    return "is a network whose address has bits set behind its prefix"


def read_days(environment: Mapping[str, str], name: str, usual: timedelta) -> timedelta:
    """A number of days. Raises SettingsError."""
    days = read_number(environment, name, usual.days)
    if days > MOST_DAYS:
        raise SettingsError(f"{name} must be a number of days, {MOST_DAYS} at most")
    return timedelta(days=days)
