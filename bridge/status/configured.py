"""What the settings say, as far as a status needs it. Who reads the settings makes it: see `settings/describe.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.core.model import Webhook
from bridge.status.report import NOTHING_FOUND, Finding, Findings
from bridge.store.protocol import DEFAULT_RETENTION, RetentionPolicy


@dataclass(frozen=True, slots=True)
class VarHint:
    """A var that would make an event of an ignored webhook: `setting` is where it is set, such as SHOPIFY_PURCHASE."""

    setting: str
    value: str
    event_type: str


def _no_hints(_webhook: Webhook) -> tuple[VarHint, ...]:
    return ()


def _any_topic(_topic: str | None) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ConfiguredSource:
    """One source; `address` is its public one, if it is known.

    `is_chosen`: the operator set it, as against a mapping that waits for a secret. `has_rule` is whether a topic may
    become an event by its mapping; `find_vars` which vars would make an event of an ignored webhook; `delivers`
    whether its events go to any destination; `link_topics` are those that say which webhooks are of one payment.
    """

    name: str
    address: str | None = None
    title: str = ""
    has_secret: bool = True
    is_chosen: bool = True
    secret_setting: str = ""
    has_rule: Callable[[str | None], bool] = _any_topic
    find_vars: Callable[[Webhook], Sequence[VarHint]] = _no_hints
    delivers: bool = True
    link_topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfiguredBridge:
    """All of it. `cannot_start` is why `serve` would refuse to start; `findings` are others that the settings give.

    `is_known` is False where the settings cannot be read, and so nothing is said of what they would have.
    """

    sources: tuple[ConfiguredSource, ...] = ()
    destinations: tuple[str, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The host that each destination really sends to, with its port where one is written."""
    keeping: RetentionPolicy = DEFAULT_RETENTION
    cannot_start: tuple[Finding, ...] = ()
    findings: Findings = NOTHING_FOUND
    is_known: bool = False

    @property
    def served(self) -> str:
        """What a `serve` with these settings notes of itself."""
        return describe_served([one.name for one in self.sources if one.has_secret], self.destinations)


def describe_served(sources: Sequence[str], destinations: Sequence[str]) -> str:
    """Which sources have a secret, and which destinations there are, in one line."""
    return f"sources {', '.join(sorted(sources)) or 'none'}; destinations {', '.join(sorted(destinations)) or 'none'}"
