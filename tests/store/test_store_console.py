"""What the web console's sessions are signed with, and codes that log in once. No backup has either."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from store_made import NOW, Opener, Tell, after

from bridge.store.engines import back_up_store
from bridge.store.protocol import Store
from bridge.store.sqlite.store import SqliteStore

CODE, KEY = b"c" * 32, b"k" * 32
MINUTE = timedelta(minutes=1)


def test_all_who_share_a_store_sign_with_the_same_key(opener: Opener) -> None:
    async def story() -> None:
        first, second = opener(), opener()
        secrets = await asyncio.gather(*(store.console_secret() for store in (first, second) * 5))
        assert len(set(secrets)) == 1
        assert len(secrets[0]) == 32
        await first.close()
        await second.close()
        again = opener()
        assert await again.console_secret() == secrets[0]
        await again.close()

    asyncio.run(story())


def test_a_code_is_taken_once_by_one_of_those_who_try(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_login_code(CODE, key=KEY, until=NOW + MINUTE, now=NOW)
        found = await asyncio.gather(*(store.take_login_code(CODE, now=after(59)) for _ in range(5)))
        assert sorted(found, key=bool) == [None] * 4 + [KEY]
        assert await store.take_login_code(b"x" * 32, now=NOW) is None

    tell(story)


def test_a_code_ends_with_its_time(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.add_login_code(CODE, key=KEY, until=NOW + MINUTE, now=NOW)
        assert await store.take_login_code(CODE, now=after(60)) is None

    tell(story)


def test_a_backup_opens_no_console(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def story() -> bytes:
        store = SqliteStore(str(path))
        await store.add_login_code(CODE, key=KEY, until=NOW + MINUTE, now=NOW)
        secret = await store.console_secret()
        await store.close()
        return secret

    secret = asyncio.run(story())
    back_up_store(f"sqlite:///{path}", tmp_path / "backup", now=NOW)
    [copy] = (tmp_path / "backup").glob("*.db")
    for held in (secret, CODE):
        assert held in path.read_bytes()
        assert held not in copy.read_bytes()
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute(
            "SELECT (SELECT count(*) FROM console_secrets) + (SELECT count(*) FROM login_codes)"
        ).fetchone() == (0,)
