"""Who types a command, for the record of what was done by hand."""

from __future__ import annotations

import getpass
import os

from bridge.core.errors import SettingsError
from bridge.core.visible_text import make_visible

LONGEST = 80


def name_of_person(given: str | None) -> str:
    """The name that was typed, else that of the user; one who became root by sudo has his own. Raises SettingsError."""
    if given is not None:
        name = make_visible(" ".join(given.split()))
        if not 0 < len(name) <= LONGEST:
            raise SettingsError(f"--by takes a name of 1 to {LONGEST} characters")
        return name
    if os.environ.get("SUDO_USER"):
        return make_visible(os.environ["SUDO_USER"])[:LONGEST]
    try:
        return make_visible(getpass.getuser())[:LONGEST]
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
