"""What a status needs to know of the settings and mappings. No secret is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bridge.core.environment_names import environment_name, var_environment_name
from bridge.core.errors import SettingsError
from bridge.core.model import Translated, Webhook
from bridge.destinations.protocol import Destination
from bridge.destinations.self_loop import Listener, points_to
from bridge.mapping import BrokenMapping
from bridge.mapping import Mapping as SourceMapping
from bridge.mapping.engine.topics import matches_topic
from bridge.settings.model import Settings, SourceSettings
from bridge.settings.secret_strength import strength_problems
from bridge.settings.table import SECRET_SUFFIX
from bridge.status.configured import ConfiguredBridge, ConfiguredSource, VarHint
from bridge.status.report import Finding, Findings

MOST_TRIALS = 40
"""Values of vars that one ignored webhook is translated with."""


def describe_bridge(
    configured: Settings,
    mappings: Mapping[str, SourceMapping | BrokenMapping],
    destinations: Mapping[str, Destination] | None = None,
    *,
    filed: Collection[str] = (),
) -> ConfiguredBridge:
    """The bridge that these settings make, with the hosts of `destinations`, where they are made already.

    `filed` names the sources whose secrets are in the settings file.
    """
    problems = strength_problems(configured, mappings)
    at = configured.addresses
    loops = find_self_loops(configured, Listener(at.host, at.port, at.public_url))
    return ConfiguredBridge(
        sources=tuple(_describe_sources(configured, mappings, filed)),
        destinations=tuple(one.name for one in configured.destinations),
        keeping=configured.keeping,
        cannot_start=tuple(Finding("self_loop", text) for text in loops),
        findings=Findings(
            needs=tuple(Finding("weak_secret", problem.text) for problem in problems),
            notes=tuple(Finding("settings", text) for text in configured.warnings),
        ),
        is_known=True,
        hosts={name: find_host(one.address) for name, one in (destinations or {}).items()},
    )


def find_host(address: str) -> str:
    """The host of an address, with its port where one is written, and without anything else."""
    return urlsplit(address).netloc.rpartition("@")[2]


def find_self_loops(configured: Settings, listener: Listener) -> tuple[str, ...]:
    """A sentence on each destination that is the bridge itself: its events would come back without end."""
    return tuple(
        f"the destination `{one.name}` is this bridge itself, which listens on port {listener.port}: set its url to "
        "the endpoint that takes your events"
        for one in configured.destinations
        if isinstance(url := one.options.get("url"), str) and points_to(url, listener)
    )


def _describe_sources(
    configured: Settings, mappings: Mapping[str, SourceMapping | BrokenMapping], filed: Collection[str]
) -> Iterator[ConfiguredSource]:
    chosen = {one.name for one in configured.sources}
    own = [SourceSettings(provider, provider) for provider in mappings if provider not in chosen]
    for one in (*configured.sources, *own):
        mapping = mappings.get(one.mapping)
        if mapping is None:
            continue
        address = one.public_url or configured.addresses.source_url(one.name)
        bound = mapping.bind_source(one.name, secrets=one.secrets, vars={}, public_url=address)
        variable = f"{environment_name(one.name)}{SECRET_SUFFIX}"
        made = ConfiguredSource(
            one.name,
            address=address,
            title=mapping.title,
            has_secret=bound.has_secret,
            is_chosen=one.name in chosen,
            secret_setting=f"its secrets in the settings file (source `{one.name}`)" if one.name in filed else variable,
            delivers=one.to != (),
        )
        if isinstance(mapping, BrokenMapping):  # it has no rules that could be asked
            yield made
        else:
            yield replace(
                made, has_rule=_TopicTest(mapping), find_vars=_VarFinder(one, mapping), link_topics=mapping.link_topics,
            )  # fmt: skip


class _TopicTest:
    """Whether a topic may become an event: a rule names it."""

    def __init__(self, mapping: SourceMapping) -> None:
        self._patterns = mapping.topics

    def __call__(self, topic: str | None) -> bool:
        if not self._patterns:
            return True
        return topic is not None and any(matches_topic(pattern, topic) for pattern in self._patterns)


class _VarFinder:
    """Which vars would make an event of an ignored webhook; those that are set are left as they are."""

    def __init__(self, source: SourceSettings, mapping: SourceMapping) -> None:
        self._source = source
        self._mapping = mapping

    def __call__(self, webhook: Webhook) -> Sequence[VarHint]:
        return [hint for name, value in self._trials() for hint in self._try_value(webhook, name, value)]

    def _trials(self) -> list[tuple[str, str]]:
        free = [var for name, var in self._mapping.vars.items() if name not in self._source.vars]
        return [(var.name, value) for var in free for value in var.allowed if value != var.default][:MOST_TRIALS]

    def _try_value(self, webhook: Webhook, name: str, value: str) -> Iterator[VarHint]:
        try:
            tried = self._mapping.bind_source(
                self._source.name, secrets=(), vars={**self._source.vars, name: value}, scope=self._source.scope
            )
        except SettingsError:
            return
        made = tried.translate(webhook)
        if isinstance(made, Translated) and made.events:
            yield VarHint(var_environment_name(self._source.name, name), value, made.events[0].event_type)
