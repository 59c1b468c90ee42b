"""Every source of the settings and mappings, as it is listed. No secret is in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.core.environment_names import var_environment_name
from bridge.core.source import Source
from bridge.mapping import BrokenMapping
from bridge.mapping.vars import VarDefinition
from bridge.settings import Settings, SourceSettings, secret_name
from bridge.settings.sources import LoadedMapping, make_sources
from bridge.status.listed_sources import ListedSource, SourceVar


def list_sources(
    configured: Settings, mappings: Mapping[str, LoadedMapping], lasts: Mapping[str, tuple[datetime, str | None]]
) -> list[ListedSource]:
    """Every source by its name, those that wait for a secret too; `lasts` are times and topics of last webhooks."""
    named = {one.name: one for one in configured.sources}
    return [
        _listed_source(
            source,
            named.get(name, SourceSettings(name, name)),
            mappings,
            lasts.get(name, (None, None)),
            address=configured.addresses.source_url(name) or f"{configured.addresses.prefix}/webhooks/{name}",
        )
        for name, source in sorted(make_sources(configured, mappings).items())
    ]


def _listed_source(
    source: Source,
    given: SourceSettings,
    mappings: Mapping[str, LoadedMapping],
    last: tuple[datetime | None, str | None],
    *,
    address: str,
) -> ListedSource:
    mapped = mappings.get(given.mapping)
    return ListedSource(
        name=source.name,
        address=given.public_url or address,
        mapping=given.mapping,
        title=mapped.title if mapped else "",
        secret=source.has_secret,
        secret_setting=secret_name(source.name),
        scope=source.scope,
        to=source.to,
        last_webhook_at=last[0],
        last_topic=last[1],
        problem=source.defect.reason if source.defect else None,
        topics=_topics_of(mapped),
        vars=tuple(_source_var(var, source.name, given.vars) for var in (mapped.vars.values() if mapped else ())),
    )


def _source_var(var: VarDefinition, source: str, given: Mapping[str, str]) -> SourceVar:
    return SourceVar(
        name=var.name,
        value=given.get(var.name, var.default),
        default=var.default,
        type=var.type,
        choices=var.allowed,
        help=var.help,
        setting=var_environment_name(source, var.name),
    )


def _topics_of(mapped: LoadedMapping | None) -> tuple[str, ...]:
    """The topics that a mapping's rules name, and those that say which webhooks are of one payment."""
    if mapped is None or isinstance(mapped, BrokenMapping) or not mapped.topics:
        return ()
    return tuple(dict.fromkeys((*mapped.topics, *mapped.link_topics)))
