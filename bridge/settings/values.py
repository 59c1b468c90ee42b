"""The types of settings that are no addresses: each reads one text, and names the setting where it is wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

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


def read_verbatim(_name: str, text: str) -> str:
    """The text as it stands, blanks and all: a password may begin with one."""
    return text


def read_text(_name: str, text: str) -> str:
    """A text without blanks around it."""
    return text.strip()


def read_list(name: str, text: str) -> tuple[str, ...]:
    """The values between commas; none of an empty text. Raises SettingsError where one is blank."""
    return split_list(name, text) if text else ()


def read_number(name: str, text: str) -> int:
    """A whole number. Raises SettingsError."""
    return _read_whole(name, text, example=1000)


def read_bytes(name: str, text: str) -> int:
    """A number of bytes, with or without a unit. Raises SettingsError."""
    found = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text.strip())
    if found is None or found[2].lower() not in UNITS:
        raise SettingsError(f"{name} must be a number of bytes, or one with a unit, such as 64MiB or 2GiB")
    return int(found[1]) * UNITS[found[2].lower()]


def read_days(name: str, text: str) -> timedelta:
    """A number of days. Raises SettingsError."""
    days = _read_whole(name, text, example=30)
    if days > MOST_DAYS:
        raise SettingsError(f"{name} must be a number of days, {MOST_DAYS} at most")
    return timedelta(days=days)


def read_switch(name: str, text: str) -> bool:
    """Whether `1` is set. Raises SettingsError where neither that nor `0` is."""
    if text.strip() not in {"0", "1"}:
        raise SettingsError(f"{name} must be 0 or 1")
    return text.strip() == "1"


def read_log_form(name: str, text: str) -> Literal["text", "json"]:
    """The form of log lines. Raises SettingsError."""
    form = text.strip()
    if form not in {"text", "json"}:
        raise SettingsError(f"{name} must be text or json")
    return "json" if form == "json" else "text"


def read_path(_name: str, text: str) -> Path | None:
    """A path; None of an empty text."""
    return Path(text) if text else None


def read_folder(name: str, text: str) -> Path | None:
    """A folder that is there; None of an empty text. Raises SettingsError."""
    folder = read_path(name, text)
    if folder is not None and not folder.is_dir():
        raise SettingsError(f"{name}: {folder} is no folder; create it or unset {name}")
    return folder


def read_networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks between commas. Raises SettingsError, which never repeats one."""
    networks = []
    for place, one in enumerate(read_list(name, text), start=1):
        try:
            networks.append(ip_network(one))
        except ValueError:
            raise SettingsError(
                f"{name}: entry {place} {_network_problem(one)}; write addresses such as 10.0.0.5, or networks such "
                "as 10.0.0.0/8"
            ) from None
    return tuple(networks)


def _read_whole(name: str, text: str, *, example: int) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text.strip()):
        raise SettingsError(f"{name} must be a whole number such as {example}")
    return int(text)


def _network_problem(text: str) -> str:
    """What is wrong, without the text itself: it may be a secret that was pasted there."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return "is no address and no network"
    return "is a network whose address has bits set behind its prefix"
