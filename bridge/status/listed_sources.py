"""A source as it is listed: its address, what its provider should send, whether its secret is set, its vars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SourceVar:
    """One var of a source. `setting` is its name in the environment; `choices` is empty where any text may be."""

    name: str
    value: str
    default: str
    type: str
    choices: Sequence[str]
    help: str
    setting: str


@dataclass(frozen=True, slots=True)
class ListedSource:
    """One source. `problem` is what is wrong with its mapping, None where nothing is.

    `topics` are those that the provider should send: the rules name them. It is empty where the rules take every topic.
    """

    name: str
    address: str
    mapping: str
    title: str
    secret: bool
    secret_setting: str
    scope: str
    to: Sequence[str] | None
    last_webhook_at: datetime | None
    last_topic: str | None
    problem: str | None
    topics: Sequence[str]
    vars: Sequence[SourceVar]
