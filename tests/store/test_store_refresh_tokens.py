"""A refresh token is held by one at a time, the newest is kept, and a backup has it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from store_made import NOW, Opener, Tell, after

from bridge.store.engines import back_up_store, restore_store
from bridge.store.protocol import Store
from bridge.store.sqlite.store import SqliteStore
from bridge.store.token_protocol import HeldRefreshToken

LEASE = timedelta(seconds=20)


async def hold(store: Store, holder: str, *, now: datetime = NOW) -> HeldRefreshToken | None:
    return await store.hold_refresh_token("mine", holder=holder, now=now, lease=LEASE)


def test_one_of_those_who_share_a_store_holds_it_at_a_time(opener: Opener) -> None:
    async def story() -> None:
        first, second = opener(), opener()
        found = await asyncio.gather(*(hold(store, f"{at}") for at, store in enumerate((first, second) * 4)))
        assert sum(one is not None for one in found) == 1
        held = next(str(at) for at, one in enumerate(found) if one is not None)
        await second.let_refresh_token_go("mine", holder="another")
        assert await hold(second, "next") is None
        await second.let_refresh_token_go("mine", holder=held)
        assert await hold(second, "next") == HeldRefreshToken(0)
        assert await second.hold_refresh_token("other", holder="next", now=NOW, lease=LEASE) is not None
        await first.close()
        await second.close()

    asyncio.run(story())


def test_who_ended_without_letting_it_go_holds_it_until_the_lease_is_over(tell: Tell) -> None:
    async def story(store: Store) -> None:
        assert await hold(store, "dead") is not None
        assert await hold(store, "next", now=after(19)) is None
        assert await hold(store, "next", now=after(20)) is not None
        assert await hold(store, "later", now=after(-3600)) is not None, "the clock was set back"

    tell(story)


def test_the_newest_is_kept_and_what_follows_an_older_one_is_not(tell: Tell) -> None:
    async def story(store: Store) -> None:
        held = await hold(store, "slow")
        assert held == HeldRefreshToken(0)
        assert await store.keep_refresh_token("mine", b"by hand", given=b"first")
        assert not await store.keep_refresh_token("mine", b"too late", given=b"other", version=held.version)
        now_held = await hold(store, "next")
        assert now_held == HeldRefreshToken(1, b"by hand", b"first")
        assert await store.keep_refresh_token("mine", b"newer", given=None, version=now_held.version)
        assert await hold(store, "last") == HeldRefreshToken(2, b"newer", b"first")

    tell(story)


def test_a_backup_has_it(tmp_path: Path) -> None:
    async def kept(path: Path, sealed: bytes | None) -> HeldRefreshToken | None:
        store = SqliteStore(str(path))
        if sealed:
            await store.keep_refresh_token("mine", sealed, given=b"first")
        found = await hold(store, "one")
        await store.close()
        return found

    one, other = tmp_path / "one.db", tmp_path / "other.db"
    before = asyncio.run(kept(one, b"sealed"))
    back_up_store(f"sqlite:///{one}", tmp_path / "backup", now=NOW)
    restore_store(f"sqlite:///{other}", tmp_path / "backup")

    async def later() -> HeldRefreshToken | None:
        store = SqliteStore(str(other))
        found = await hold(store, "two", now=after(20))
        await store.close()
        return found

    assert asyncio.run(later()) == before == HeldRefreshToken(1, b"sealed", b"first")
