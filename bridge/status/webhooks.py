"""What became of webhooks and should not: set aside, ignored although they carry money, or never acted on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bridge.core.local_time import format_local
from bridge.core.model import WebhookState
from bridge.status.configured import ConfiguredBridge, ConfiguredSource, VarHint
from bridge.status.report import Coverage, Finding, SourceStatus, count_words
from bridge.store.protocol import Store
from bridge.store.status_views import (
    DoubtedEvent,
    EventCount,
    PrivacyRequest,
    RecentOutcomes,
    TopicCount,
    WaitingWebhooks,
)

MONEY = frozenset({"purchase", "subscription"})
"""Event types of which a source that tells none at all is set wrongly, if its webhooks could be some."""
SHOWN = 10
"""Privacy requests that are named one by one."""
SHOWN_DOUBTED = 4
DOUBTED_FOR = timedelta(days=7)
"""How long a payment that may have been told twice is spoken of."""
ACT_WITHIN = timedelta(days=30)
"""How long there is for a privacy request: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance"""


def set_aside_findings(sources: Sequence[SourceStatus], *, broken: Collection[str]) -> Iterator[Finding]:
    """Sources with webhooks that could not be translated; `broken` are those whose mapping has errors."""
    for one in sources:
        if one.set_aside:
            see = f"see `trackbridge list webhooks --state set_aside --source {one.name}`"
            mend = (
                "once its mapping has no errors, serve translates by itself what was set aside for them"
                if one.name in broken
                else f"{see}, mend the mapping, then `trackbridge replay --set-aside --source {one.name}`"
            )
            yield Finding("set_aside", f"{one.name}: {one.set_aside} set aside", mend, subject=one.name)


def waiting_notes(waiting: WaitingWebhooks) -> Iterator[Finding]:
    """Webhooks that are not late: their time has not come."""
    kinds = (
        (waiting.for_richer, "for a richer one about the same payment"),
        (waiting.for_sale, "for the sale that they belong to"),
    )
    said = " and ".join(f"{count_words(count, 'webhook')} {why}" for count, why in kinds if count)
    if said:
        until = f"; the next wait ends {format_local(waiting.next_at)}" if waiting.next_at else ""
        yield Finding("waiting", f"waiting: {said}{until}")


def only_test_findings(sources: Sequence[str]) -> Iterator[Finding]:
    """Sources whose newest events were all skipped as tests."""
    for name in sources:
        yield Finding(
            "only_tests",
            f"{name}: all its newest events were skipped as tests",
            "use the provider's live keys, or set BRIDGE_TRACK_TEST=1",
            subject=name,
        )


def privacy_findings(requests: Sequence[PrivacyRequest]) -> Iterator[Finding]:
    """Requests for data of a person, or for their deletion, each by the date until which it must be done."""
    for one in requests[:SHOWN]:
        yield Finding(
            "privacy",
            f"{one.source}: {one.topic or 'a privacy request'} asks you to act by "
            f"{format_local(one.received_at + ACT_WITHIN)} ({one.id})",
            f"see `trackbridge show {one.id}`, do what it asks here and at your destinations, then "
            f"`trackbridge done {one.id}`",
            subject=one.id,
        )
    if len(requests) > SHOWN:
        yield Finding(
            "privacy",
            f"{len(requests) - SHOWN} more privacy requests wait",
            'see `trackbridge list webhooks --reason "privacy request"`',
        )


# ---------------------------------------------------------------------------------------------------- told twice


def double_findings(doubted: Sequence[DoubtedEvent], configured: ConfiguredBridge, now: datetime) -> Iterator[Finding]:
    """Sources of whose payments some were told twice, or may have been, in the last days."""
    sources = {f"source:{one.name}": one for one in configured.sources}
    recent = [one for one in doubted if one.created_at > now - DOUBTED_FOR]
    for origin, is_certain in sorted({(one.origin, one.is_certain) for one in recent}):
        ids = [one.id for one in recent if (one.origin, one.is_certain) == (origin, is_certain)]
        name, source = origin.partition(":")[2], sources.get(origin)
        shown = f"{', '.join(ids[:SHOWN_DOUBTED])}{' …' if len(ids) > SHOWN_DOUBTED else ''}"
        yield _double_finding(name, shown, () if source is None else source.link_topics, is_certain=is_certain)


def _double_finding(name: str, shown: str, topics: Sequence[str], *, is_certain: bool) -> Finding:
    see = f"`trackbridge show` says at each of them which other one it is: {shown}"
    if is_certain:
        text = f"{name}: payments were told twice, as a later webhook says"
        return Finding("told_twice", text, f"correct them at your destinations; {see}", subject=name)
    add = f"have the provider send {' and '.join(topics)}, too; " if topics else ""
    text = f"{name}: payments may have been told twice, since no webhook says which of them belong together"
    return Finding("possible_double", text, f"{add}{see}", subject=name)


# ------------------------------------------------------------------------------------------- ignored, and money


async def find_ignored_money(
    store: Store, configured: ConfiguredBridge, recent: RecentOutcomes
) -> dict[tuple[str, str | None], tuple[TopicCount, VarHint]]:
    """Topics of which all webhooks were ignored, although a var would make the sales of them that the source lacks.

    The newest webhook of each topic is translated with every value of every var that is not set: bounded by what a
    mapping declares, and only for topics that were never translated.
    """
    found: dict[tuple[str, str | None], tuple[TopicCount, VarHint]] = {}
    named = {one.name: one for one in configured.sources}
    for one in _only_ignored(recent.webhooks):
        source = named.get(one.source)
        if source is None or not source.has_rule(one.topic):
            continue
        for webhook in await store.iter_webhooks([one.source], since=None, after=one.newest - 1, limit=1):
            hint = _lacking_sale(source, source.find_vars(webhook), recent.events)
            if hint is not None:
                found[one.source, one.topic] = one, hint
    return found


def ignored_money_findings(
    found: Mapping[tuple[str, str | None], tuple[TopicCount, VarHint]],
) -> Iterator[Finding]:
    """Each with the var to set."""
    for one, hint in found.values():
        yield Finding(
            "ignored_money",
            f"{one.source}: all {one.count} webhooks of {one.topic} were ignored, and the source told no "
            f"{hint.event_type}",
            f"set {hint.setting}={hint.value}, restart serve, then `trackbridge replay --state ignored --source "
            f"{one.source}`; if it is meant so, set {hint.setting} to its present value",
            subject=one.source,
        )


def _only_ignored(webhooks: Sequence[TopicCount]) -> Iterator[TopicCount]:
    states: dict[tuple[str, str | None], set[str]] = {}
    for one in webhooks:
        states.setdefault((one.source, one.topic), set()).add(one.state)
    return (one for one in webhooks if states[one.source, one.topic] == {WebhookState.IGNORED.value})


def _lacking_sale(source: ConfiguredSource, hints: Sequence[VarHint], events: Sequence[EventCount]) -> VarHint | None:
    told = {one.event_type for one in events if one.origin == f"source:{source.name}"}
    return next((hint for hint in hints if hint.event_type in MONEY and hint.event_type not in told), None)


# --------------------------------------------------------------------------------------------------- coverage


def measure_coverage(
    recent: RecentOutcomes,
    configured: ConfiguredBridge,
    wrongly: Mapping[tuple[str, str | None], object],
    *,
    unapplied: int,
) -> Coverage | None:
    """(delivered + rightly ignored) / all that carry conversions, over the newest; None where none came.

    A webhook carries a conversion where its mapping has a rule for the topic; `wrongly` are topics ignored by a var,
    `unapplied` webhooks that nobody has looked at.
    """
    named = {one.name: one for one in configured.sources}
    states = {"just kept": unapplied} if unapplied else {}
    for one in recent.webhooks:
        source = named.get(one.source)
        if one.state == WebhookState.TRANSLATED or (source is not None and not source.has_rule(one.topic)):
            continue
        what = "ignored by a setting" if (one.source, one.topic) in wrongly else one.state
        states[what] = states.get(what, 0) + one.count
    for event in recent.events:
        if event.state != "skipped":
            what = event.state or "without destination"
            states[what] = states.get(what, 0) + event.count
    delivered, ignored = states.pop("delivered", 0), states.pop(WebhookState.IGNORED.value, 0)
    missing = {what.replace("_", " "): count for what, count in sorted(states.items())}
    found = Coverage(delivered, ignored, missing)
    return found if found.total else None
