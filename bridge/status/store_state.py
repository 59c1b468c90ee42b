"""What is wrong with the store itself and with the clock, and what is worth knowing of what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bridge.core.local_time import format_local
from bridge.status.report import Finding, Findings, count_words
from bridge.store.protocol import OverdueWork, RetentionPolicy, StateCounts, StatusSummary

WARNING = timedelta(days=7)
"""How long before its deletion something that nobody has mended is spoken of."""
FILES_SHOWN = 10
"""How many files are named one by one."""


def find_store_troubles(
    summary: StatusSummary, counts: StateCounts, overdue: OverdueWork, keeping: RetentionPolicy, now: datetime
) -> Findings:
    """Disk, clock, damage, webhooks that nobody translates; and what will be deleted soon."""
    needs = [
        *_clock_ahead(summary, now), *_no_room(summary), *_troubles(summary), *_damage(summary),
        *_overdue_webhooks(overdue),
    ]  # fmt: skip
    notes = [*_unapplied(counts), *_exposed(summary), *_doubles(summary), *_deleted_soon(summary, keeping, now)]
    return Findings(tuple(needs), tuple(notes))


def _clock_ahead(summary: StatusSummary, now: datetime) -> Iterator[Finding]:
    """A wrong clock needs a person; where it is right, an hour of running says so by itself."""
    ahead = summary.clock_ahead
    if ahead is not None:
        yield Finding(
            "clock_ahead",
            f"the clock says {format_local(now)}, more than a day after {format_local(ahead.newest_at)}, the newest "
            f"time before: nothing is purged, given up or expired before {format_local(ahead.believed_from)}, when "
            "trackbridge has run for an hour with it",
            "set the clock if it is wrong, else wait",
        )


def _troubles(summary: StatusSummary) -> Iterator[Finding]:
    yield from (Finding("store", text) for text in summary.troubles)


def _no_room(summary: StatusSummary) -> Iterator[Finding]:
    if summary.no_room:
        yield Finding("no_room", f"new requests get 503: {summary.no_room}")


def _damage(summary: StatusSummary) -> Iterator[Finding]:
    if summary.unreadable:
        yield Finding(
            "damaged",
            f"{summary.unreadable} webhooks were damaged on disk before they had a place",
            "keep a copy of the store, look to the disk, and let the providers send that time's webhooks again",
        )
    for text in summary.unread[:FILES_SHOWN]:
        yield Finding("unread_file", text)
    if len(summary.unread) > FILES_SHOWN:
        more = len(summary.unread) - FILES_SHOWN
        yield Finding("unread_file", f"{more} more files of the ingest log cannot be read")


def _overdue_webhooks(overdue: OverdueWork) -> Iterator[Finding]:
    if overdue.webhooks:
        yield Finding(
            "overdue",
            f"{overdue.webhooks} webhooks are overdue: due and not translated",
            "check that `trackbridge serve` runs on this store; where it does, its log says why (translate.…)",
            since=overdue.oldest_webhook,
        )


def _unapplied(counts: StateCounts) -> Iterator[Finding]:
    if counts.unapplied and counts.oldest_received:
        yield Finding(
            "unapplied",
            f"{count_words(counts.unapplied, 'more webhook is', 'more webhooks are')} kept and not translated yet",
            since=counts.oldest_received,
        )


def _exposed(summary: StatusSummary) -> Iterator[Finding]:
    if summary.exposed:
        yield Finding("exposed", summary.exposed)


def _first_ids(ids: Sequence[str], *, of: int) -> str:
    return f"{', '.join(ids)}{', …' if of > len(ids) else ''}"


def _doubles(summary: StatusSummary) -> Iterator[Finding]:
    if summary.differing:
        differ = count_words(
            summary.differing,
            "duplicate tells another value or currency than its original",
            "duplicates tell another value or currency than their original",
        )
        yield Finding(
            "differing",
            f"{differ}: {_first_ids(summary.differing_ids, of=summary.differing)}",
            "`trackbridge list events --state differing` has all of them; those that are payments of their own "
            "`trackbridge release ID` tells; its --dry-run shows the original",
        )
    if summary.no_longer_made:
        gone = count_words(
            summary.no_longer_made,
            "event was sent that its webhook's mended mapping does not make",
            "events were sent that their webhooks' mended mapping does not make",
        )
        yield Finding(
            "no_longer_made",
            f"{gone}: {_first_ids(summary.no_longer_made_ids, of=summary.no_longer_made)}",
            "`trackbridge list events --state no_longer_made` has all of them; correct them at your destinations",
        )
    for (source, other), n in sorted(summary.same_bytes.items()):
        yield Finding(
            "same_bytes",
            f"{source}: {n} webhooks have the bytes of webhooks of {other}, and their signatures fit both",
            "if both stand for one shop, give them the same `scope`, so that no conversion is told twice; if not, give "
            "each its own secret",
            subject=source,
        )


def _deleted_soon(summary: StatusSummary, keeping: RetentionPolicy, now: datetime) -> Iterator[Finding]:
    for what, oldest in (("set aside webhook", summary.oldest_set_aside), ("dead letter", summary.oldest_dead)):
        if oldest is not None and oldest + keeping.events - WARNING <= now:
            yield Finding(
                "deleted_soon",
                f"the oldest {what} is deleted on {format_local(oldest + keeping.events)}: BRIDGE_KEEP_EVENTS",
            )
