"""A setting as it is listed: what it means, whether it is set and where, and what a change of it needs. No secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """One setting of the environment. `place` is where it was set, None where it was not, and then `default` holds.

    `value` is what was set; None of a setting that is or may hold a secret or a person's address. `reloads` is whether
    a reload takes a change of it, as against a restart; `is_changed` that a reload found another value, which waits
    for a restart.
    """

    name: str
    meaning: str
    default: str
    value: str | None
    place: str | None
    reloads: bool
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ListedApiKey:
    """One key for `/v1/track`, without the key; `rate` is in requests a minute, 0 for no limit."""

    name: str
    rate: int
    scope: str | None
    to: Sequence[str] | None
    place: str


@dataclass(frozen=True, slots=True)
class SettingsListing:
    """All of them, in the order of their table, and what the settings file adds."""

    settings: Sequence[ListedSetting]
    api_keys: Sequence[ListedApiKey]
    file: str | None
    """The settings file in use."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The file into which the console may put a source's secret; where it is None, `why_not` says so to a person."""

    path: Path | None
    why_not: str = ""
