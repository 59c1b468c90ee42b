"""Why a source is silent: requests that were refused, paths that resemble a source's, and sources never heard of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bridge.core.local_time import format_local, format_span
from bridge.status.configured import ConfiguredSource
from bridge.status.meant_source import HOOKS, path_problem
from bridge.status.refusal_remedies import UNKNOWN_PATH, WEBHOOK
from bridge.status.report import Finding, Findings
from bridge.store.status_views import RefusedRequests

RECENT = timedelta(days=3)
"""How long refused requests are spoken of: so long do providers send again."""
FEW = 3
"""Refused requests since the last genuine webhook from which they need a person, where there was a genuine one."""
QUIET = timedelta(minutes=10)
"""How long ago that one was then: anyone can send a forgery between two genuine webhooks."""
_GENUINE_CAUSES = frozenset({"mismatch", "stale", "too_large", "headers", "no_secret", UNKNOWN_PATH})
"""Causes that a provider's own requests have. Others are a stranger's as soon as one genuine webhook has come."""
_HARMLESS = frozenset({"method", "too_slow", "cut_off"})
"""Causes that need nobody: a browser that opens the address, a network that fails now and then."""
_SAYS = {
    "mismatch": "the signature does not fit the secret",
    "missing": "the signature is missing",
    "malformed": "the signature is none of this provider",
    "stale": "the signature is right, and its time is too far from the clock of this machine",
    "too_large": "the body is larger than BRIDGE_WEBHOOK_LIMIT",
    "headers": "the headers are too long",
    "too_slow": "the body came too slowly",
    "cut_off": "the connection ended before the body did",
    "method": "the method was not POST",
    "no_secret": "the source has no secret",
}


def find_request_troubles(
    refused: Sequence[RefusedRequests],
    sources: Sequence[ConfiguredSource],
    lasts: Mapping[str, datetime],
    now: datetime,
) -> Findings:
    """What was refused since the last genuine webhook of each source, and sources that nothing was heard of."""
    named = {one.name: one for one in sources}
    needs: list[Finding] = []
    notes: list[Finding] = []
    for one in standing_refusals(refused, lasts, now):
        source = named.get(one.source, ConfiguredSource(one.source))
        if one.cause == "no_secret" and source.has_secret and one.source in named:
            continue  # it was set meanwhile
        finding = _unknown_path(one) if one.cause == UNKNOWN_PATH else _refused_finding(one, source, lasts)
        needed = _needs_person(one, source, lasts.get(one.source), now)
        (needs if needed else notes).append(finding)
    spoken_of = {one.source for one in refused}
    notes += _never_heard([one for one in sources if one.name not in spoken_of], lasts)
    return Findings(tuple(needs), tuple(notes))


def standing_refusals(
    refused: Sequence[RefusedRequests], lasts: Mapping[str, datetime], now: datetime
) -> list[RefusedRequests]:
    """Those that no genuine webhook of the source has followed, of the last days."""
    return [
        one
        for one in refused
        if now - one.last_at <= RECENT and not (one.source in lasts and lasts[one.source] > one.last_at)
    ]


def _needs_person(one: RefusedRequests, source: ConfiguredSource, last: datetime | None, now: datetime) -> bool:
    if one.cause in _HARMLESS or (one.cause == UNKNOWN_PATH and not source.has_secret):
        return False
    if last is None:
        return True
    return one.cause in _GENUINE_CAUSES and one.count >= FEW and now - last > QUIET


def _refused_finding(one: RefusedRequests, source: ConfiguredSource, lasts: Mapping[str, datetime]) -> Finding:
    before = (
        f"the last genuine one came {format_local(lasts[one.source])}" if one.source in lasts else "no genuine one came"
    )
    return Finding(
        one.cause,
        f"{one.source}: {_count_requests(one.count)} refused because {_SAYS.get(one.cause, one.cause)} "
        f"({before}){_skew_text(one, source)}",
        _remedy_for(one, source),
        subject=one.source,
        since=one.first_at,
    )


def _skew_text(one: RefusedRequests, source: ConfiguredSource) -> str:
    if one.skew is None:
        return ""
    side = "ahead of" if one.skew > timedelta() else "behind"
    return f": this machine's clock is {format_span(one.skew)} {side} the time that {source.title or one.source} signed"


def _remedy_for(one: RefusedRequests, source: ConfiguredSource) -> str:
    title, setting = source.title or source.name, source.secret_setting or "its secrets"
    match one.cause:
        case "mismatch":
            return (
                f"the secret in {setting} does not fit: copy it again from where {title} shows the signing secret of "
                "this address, reload or restart serve, and send a test webhook; a proxy must not change bodies"
            )
        case "no_secret":
            return (
                f"set {setting} to the signing secret that {title} shows, and restart serve; or take the address out "
                f"at {title}"
            )
        case "stale":
            return "set the clock of this machine, and keep it set: `timedatectl set-ntp true`"
        case _:
            return WEBHOOK.get(one.cause, "its log says why")


def _unknown_path(one: RefusedRequests) -> Finding:
    return Finding(
        one.cause,
        f"{_count_requests(one.count)} came to {one.detail}, which {path_problem(one.detail, one.source)}",
        f"enter the address that ends with /{HOOKS}/{one.source} at the provider, or have the proxy pass on that path",
        subject=one.source,
        since=one.first_at,
    )


def _count_requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _never_heard(sources: Sequence[ConfiguredSource], lasts: Mapping[str, datetime]) -> Iterator[Finding]:
    for one in sources:
        if one.is_chosen and one.has_secret and one.name not in lasts:
            yield Finding(
                "never_heard",
                f"{one.name}: nothing has come yet",
                f"enter {one.address or f'the address that ends with /{HOOKS}/{one.name}'} at "
                f"{one.title or 'its provider'}, and send a test webhook from there",
                subject=one.name,
            )
