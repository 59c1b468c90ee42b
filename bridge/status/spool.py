"""What waits in this machine's spool for the database, as `status` says it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bridge.core.errors import StoreUnavailable
from bridge.status.report import Finding, Findings, count_words
from bridge.store.spool import SpooledWebhooks, count_spooled

SOON = timedelta(minutes=1)
"""How long a webhook may be in the spool until a person must know."""


def find_spool_troubles(folder: Path, *, now: datetime) -> Findings:
    """Webhooks that wait there, and parts of its files that cannot be read."""
    try:
        found = count_spooled(folder)
    except StoreUnavailable as error:
        return Findings(needs=(Finding("spool", str(error)),))
    waiting = tuple(_waiting_webhooks(folder, found))
    is_new = found.oldest_at is not None and now - found.oldest_at < SOON
    return Findings(
        needs=(*(() if is_new else waiting), *_damaged_parts(folder, found)), notes=waiting if is_new else ()
    )


def _waiting_webhooks(folder: Path, found: SpooledWebhooks) -> Iterator[Finding]:
    if found.count:
        yield Finding(
            "spool",
            f"{count_words(found.count, 'webhook')} in the spool {folder} of this machine wait for the database",
            "see that the database answers and `trackbridge serve` runs here; do not delete the folder",
            since=found.oldest_at,
        )


def _damaged_parts(folder: Path, found: SpooledWebhooks) -> Iterator[Finding]:
    if found.damaged:
        yield Finding(
            "spool_unreadable",
            f"{count_words(found.damaged, 'part')} of files of the spool {folder} could not be read",
            "check the disk; have the providers send again what they sent then, and delete the files damaged-…",
        )
