"""While the database is away, webhooks are in the spool; when it is back they are there, in order, and once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from store_made import NOW, applied, webhook

from bridge.core.errors import SettingsError, StoreUnavailable
from bridge.core.model import Webhook
from bridge.pipeline.spooling import SpoolingKeeper
from bridge.status.spool import SOON, find_spool_troubles
from bridge.store.postgres.store import PostgresStore
from bridge.store.protocol import DEFAULT_LIMITS, AdmissionLimits, Store
from bridge.store.spool import DAMAGED, WebhookSpool, count_spooled, prepare_spool

SOON_AGAIN = 0.02
PATIENCE = 30


@dataclass
class Server:
    """A database whose socket can be taken away."""

    database: str
    link: Path
    sockets: str = ""
    open: list[PostgresStore] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sockets = str(conninfo_to_dict(self.database)["host"])
        self.come_back()

    def come_back(self) -> None:
        self.link.symlink_to(self.sockets)

    def go_away(self) -> None:
        self.link.unlink()
        with psycopg.connect(self.database, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'trackbridge' AND datname = current_database()"
            )

    def open_store(self, **how: Any) -> PostgresStore:
        self.open.append(PostgresStore(self.database.replace(self.sockets, str(self.link)), durable=False, **how))
        return self.open[-1]


@pytest.fixture
def server(empty_database: str, tmp_path: Path) -> Server:
    return Server(empty_database, tmp_path / "s")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    prepare_spool(tmp_path / "spool")
    yield tmp_path / "spool"
    assert not log_files(tmp_path / "spool"), "no file of it is left"


def run(story: Callable[[], Awaitable[None]], server: Server | None = None) -> None:
    async def whole() -> None:
        try:
            await story()
        finally:
            for one in server.open if server else ():
                await one.close()

    asyncio.run(whole())


@asynccontextmanager
async def keeping(store: PostgresStore, folder: Path, *, patience: timedelta = timedelta(seconds=PATIENCE)) -> Any:
    spool, sent = WebhookSpool(folder, bounds=DEFAULT_LIMITS), asyncio.Event()
    clock = lambda: datetime.now(UTC)  # noqa: E731  what a keeper is given
    keeper = SpoolingKeeper(store, spool, clock=clock, notify=sent.set, patience=patience, every=SOON_AGAIN)
    async with keeper.running():
        yield keeper, sent


async def spooled(folder: Path, *webhooks: Webhook) -> None:
    """Keep each in a frame of its own, as a process did that has ended."""
    spool = WebhookSpool(folder, bounds=DEFAULT_LIMITS)
    for one in webhooks:
        await spool.keep([one])
    await spool.close()


async def sent_all(folder: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while count_spooled(folder).count:  # noqa: ASYNC110  files are no part of this loop's events
            await asyncio.sleep(SOON_AGAIN)


async def is_back(keeper: SpoolingKeeper) -> None:
    """Return once it knows that the server answers again."""
    async with asyncio.timeout(PATIENCE):
        while keeper.away is not None:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(SOON_AGAIN)


async def rows_of(store: PostgresStore, server: Server) -> list[str]:
    """The ids of all webhooks that have a row, oldest first."""
    await applied(cast("Store", store))
    with psycopg.connect(server.database) as db:
        return [name for (name,) in db.execute("SELECT id FROM webhooks ORDER BY number")]


def log_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("0*"))


def test_what_came_while_the_server_was_away_is_in_the_database_in_order_when_it_is_back(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        store = server.open_store()
        async with keeping(store, folder) as (keeper, sent):
            await keeper.keep([webhook("a")])
            assert (keeper.away, count_spooled(folder).count) == (None, 0)
            server.go_away()
            await keeper.keep([webhook("b"), webhook("c")])
            await keeper.keep([webhook("d")])
            assert "is not reachable" in keeper.away
            assert count_spooled(folder).count == 3
            with pytest.raises(StoreUnavailable):
                server.open_store()
            again = server.open_store(is_prepared=True)  # a process that is started again meanwhile
            server.come_back()
            async with asyncio.timeout(PATIENCE):
                await sent.wait()
            await sent_all(folder)
            await is_back(keeper)
            await keeper.keep([webhook("e")])
        assert await rows_of(again, server) == ["a", "b", "c", "d", "e"]
        said = [record.getMessage() for record in caplog.records]
        for word in ("spool.begun", "spool.ended kept=3", "spool.sent webhooks=3"):
            assert len([one for one in said if one.startswith(word)]) == 1

    with caplog.at_level("INFO"):
        run(story, server)


def test_a_server_that_hangs_is_not_waited_for_and_what_it_takes_after_all_is_there_once(
    server: Server, folder: Path
) -> None:
    async def story() -> None:
        store = server.open_store()
        async with keeping(store, folder, patience=timedelta(seconds=0.2)) as (keeper, _):
            with psycopg.connect(server.database) as holding:
                holding.execute("LOCK TABLE parcels IN ACCESS EXCLUSIVE MODE")
                await keeper.keep([webhook("a")])
                await keeper.keep([webhook("b")])
                assert keeper.away == "the database did not answer within 0.2 s"
                assert count_spooled(folder).count == 2
            await sent_all(folder)
        assert sorted(await rows_of(store, server)) == ["a", "b"]

    run(story, server)


@pytest.mark.parametrize("lost", ["nothing", "all that was done after the commit"])
def test_whatever_a_crash_undoes_each_webhook_is_in_the_database_once(server: Server, folder: Path, lost: str) -> None:
    async def story() -> None:
        store = server.open_store()
        by_content = Webhook("shopify", "c", "orders/paid", NOW, b'{"made": "up"}', ())
        await spooled(folder, webhook("a"), webhook("b"), by_content)
        [file] = log_files(folder)
        with file.open("ab") as cut:
            cut.write(file.read_bytes()[:40])  # a frame that a crash cut off was not answered
        before = folder.with_name("before")
        shutil.copytree(folder, before)
        async with keeping(store, folder):
            await sent_all(folder)
        if lost != "nothing":
            shutil.copy2(before / file.name, folder)
        async with keeping(store, folder):
            await sent_all(folder)
        await store.keep([Webhook("shopify", "again", "orders/paid", NOW, b'{"made": "up"}', ())])
        assert await rows_of(store, server) == ["a", "b", "c"], "the same bytes again are known by them, too"

    run(story, server)


def test_one_process_sends_at_a_time(folder: Path) -> None:
    first, second = (WebhookSpool(folder, bounds=DEFAULT_LIMITS) for _ in range(2))
    with first.sending() as is_first, second.sending() as is_second:
        assert (is_first, is_second) == (True, False)
    with second.sending() as is_second:
        assert is_second

    async def story() -> None:
        await first.close()
        await second.close()

    run(story)


def test_what_cannot_be_read_is_laid_aside_and_the_rest_is_sent(server: Server, folder: Path) -> None:
    async def story() -> None:
        store = server.open_store()
        await spooled(folder, *(webhook(name) for name in "abc"))
        [file] = log_files(folder)
        content = file.read_bytes()
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes(4) + content[middle + 4 :])
        async with keeping(store, folder):
            await sent_all(folder)
        assert await rows_of(store, server) == ["a", "c"]
        assert (folder / f"{DAMAGED}{file.name}").read_bytes()
        [need] = find_spool_troubles(folder, now=NOW).needs
        assert need.text == f"1 part of files of the spool {folder} could not be read"

    run(story, server)


def test_status_names_what_waits_and_a_person_must_know_after_a_minute(server: Server, folder: Path) -> None:
    async def story() -> None:
        await spooled(folder, webhook("a"), webhook("b"))
        now = datetime.now(UTC)
        [note] = find_spool_troubles(folder, now=now).notes
        assert note.text == f"2 webhooks in the spool {folder} of this machine wait for the database"
        assert note.since is not None
        assert abs(now - note.since) < SOON
        late = find_spool_troubles(folder, now=now + SOON)
        assert (late.needs, late.notes) == ((note,), ())
        async with keeping(server.open_store(), folder):
            await sent_all(folder)

    run(story, server)


def test_a_spool_without_room_refuses(server: Server, folder: Path) -> None:
    async def story() -> None:
        store = server.open_store()
        spool = WebhookSpool(folder, bounds=AdmissionLimits(min_free=1 << 60))
        keeper = SpoolingKeeper(store, spool, clock=lambda: NOW, notify=lambda: None)
        server.go_away()
        with pytest.raises(StoreUnavailable, match=r"MiB free, less than the .* of BRIDGE_MIN_FREE"):
            await keeper.keep([webhook("a")])
        await spool.close()

    run(story, server)


def test_a_file_is_no_spool(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="can be no spool: File exists; name a folder"):
        prepare_spool(tmp_path / "file")
