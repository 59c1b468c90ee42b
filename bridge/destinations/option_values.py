"""Options of a destination as settings hold them, which is text: numbers and switches. No message repeats a value."""

from __future__ import annotations

import re

from bridge.core.errors import SettingsError


def read_number(name: str, option: str, value: object) -> int:
    """A whole number. Raises SettingsError."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise SettingsError(f"destination `{name}`: {option} must be a whole number")
    return int(text)


def read_switch(name: str, option: str, value: object) -> bool:
    """True or false. Raises SettingsError."""
    match str(value).strip().lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise SettingsError(f"destination `{name}`: {option} must be true or false")
