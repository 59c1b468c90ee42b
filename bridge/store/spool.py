"""The spool: a folder on a disk of this machine that keeps webhooks while the database is away, until it has them.

Its files are those of SQLite's ingest log, with the same promise: what was kept is flushed. How far each file was sent
is in a file beside them, which is written after the database's commit: what was sent just before a crash is sent again,
and is known there by the ledger.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import structs

from bridge.core import json_text, log
from bridge.core.errors import SettingsError, StoreUnavailable
from bridge.core.model import Webhook
from bridge.store.callbacks import AnswerCallback
from bridge.store.codec import packed_requests
from bridge.store.group_commit import GroupCommit
from bridge.store.protocol import AdmissionLimits
from bridge.store.sqlite.db import network_disk
from bridge.store.sqlite.ingest import log_files, log_reader
from bridge.store.sqlite.ingest.log_reader import UnappliedLog
from bridge.store.sqlite.ingest.log_writer import LogWriter, flush_folder

SENT, LOCK, DAMAGED = ".sent", ".lock", "damaged-"
"""What lies beside the files of the log: how far each was sent, a lock of who sends, and what could not be read."""
WEBHOOKS_AT_ONCE = 200
"""About so many are sent together."""


@dataclass(frozen=True, slots=True)
class SpooledWebhooks:
    """What waits in a spool: how many webhooks, since when, and how many parts of files could not be read."""

    count: int
    oldest_at: datetime | None
    damaged: int


def prepare_spool(folder: Path) -> None:
    """Make the folder if there is none. Raises SettingsError for one that cannot be a spool."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        flush_folder(str(folder.parent))
        (folder / LOCK).touch(0o600)
        network_disk.require_local_disk(str(folder / LOCK))
    except OSError as error:
        raise SettingsError(
            f"BRIDGE_SPOOL: {folder} can be no spool: {error.strerror}; name a folder that this user may write to"
        ) from None
    except StoreUnavailable:
        raise SettingsError(
            f"BRIDGE_SPOOL: {folder} lies on a network's file system; name a folder on a disk of this machine"
        ) from None


def count_spooled(folder: Path) -> SpooledWebhooks:
    """What waits in the spool, whoever writes to it. Raises StoreUnavailable where it cannot be read."""
    count, oldest = log_reader.count_beyond(str(folder), _read_sent(folder))
    at = None if oldest is None else datetime.fromtimestamp(oldest / 1e9, UTC)
    return SpooledWebhooks(count, at, sum(1 for _ in folder.glob(f"{DAMAGED}*")))


class WebhookSpool:
    """The spool in a folder, which several processes share; each writes files of its own."""

    def __init__(self, folder: Path, *, bounds: AdmissionLimits) -> None:
        self.folder = folder
        self._log = LogWriter(str(folder), folder=str(folder), min_free=bounds.min_free)
        self._webhooks: GroupCommit[Sequence[Webhook], None] = GroupCommit(
            self._write_group,
            limit=bounds.waiting,
            patience=bounds.max_wait.total_seconds(),
            waits_for="the disk of the spool",
        )

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request; they are on disk when this returns. Raises StoreUnavailable."""
        await self._webhooks.submit(webhooks)

    async def probe(self) -> None:
        """Make a small durable write. Raises StoreUnavailable."""
        await self._webhooks.submit(())

    def _write_group(self, requests: Sequence[Sequence[Webhook]], since: float, then: AnswerCallback[None]) -> None:
        self._log.write_group([(len(one), packed_requests.pack_request(one)) for one in requests], since, then)

    async def close(self) -> None:
        """Finish the work under way, close the file, and delete it if it was sent."""
        await self._webhooks.wait_until_idle()
        self._log.close_log()
        with self.sending() as is_mine:
            if is_mine:
                self.mark_sent(log_reader.NOTHING)

    # -------------------------------------------------------------------------------- blocking, for a thread

    def has_files(self) -> bool:
        """Whether there may be something to send, or to delete."""
        return bool(log_files.list_names(str(self.folder)))

    def read_unsent(self) -> UnappliedLog:
        """The oldest that was not sent, over the files of all processes. Raises StoreUnavailable."""
        found = log_reader.read_beyond(str(self.folder), _read_sent(self.folder), limit=WEBHOOKS_AT_ONCE)
        return replace(found, webhooks=tuple(map(_as_received, found.webhooks)))

    def mark_sent(self, sent: UnappliedLog) -> None:
        """The database has it: it is not read again, and files that were sent to their ends are deleted.

        One to which a process still writes is deleted later. Only while `sending`.
        """
        for one in sent.damaged:
            self._keep_damaged(one.name, one.count, one.content)
        before = _read_sent(self.folder)
        offsets = before | {one.name: one.ends for one in sent.stretches}
        log_reader.delete_files_at(str(self.folder), offsets)
        left = {name: end for name, end in offsets.items() if (self.folder / name).exists()}
        if left != before:
            _write_sent(self.folder, left)

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Whether this process is the one that sends, until the end of the block."""
        held = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _is_locked(held)
        finally:
            os.close(held)

    def _keep_damaged(self, name: str, count: int, content: bytes) -> None:
        path = self.folder / f"{DAMAGED}{name}"
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        flush_folder(str(self.folder))
        log.log_warning("spool.unreadable", file=path.name, webhooks=count, mend="see trackbridge status")


def _is_locked(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _as_received(webhook: Webhook) -> Webhook:
    """Without the identity that its bytes give: it is reckoned from them whenever it is read."""
    return structs.replace(webhook, identity=(), same_bytes=b"") if webhook.same_bytes else webhook


def _read_sent(folder: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode((folder / SENT).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):  # nothing was sent yet, or it is sent again, and is known
        return {}


def _write_sent(folder: Path, offsets: Mapping[str, int]) -> None:
    draft = folder / f"{SENT}.new"
    draft.write_bytes(json_text.write_json(dict(offsets)))
    draft.replace(folder / SENT)
