"""The main job with the store on a PostgreSQL server: real processes of two nodes, real sockets, a server of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from functools import partial
from pathlib import Path

import psycopg
import pytest
from peers import Upstream, serving, typed, until, upstream
from postgres_server import running_postgres
from signed_requests import SESSION, post, settings_for, stripe

from bridge.core.errors import RoleTaken
from bridge.store.engines import reserve_store

PASSWORD = "hunter2"
"""The server asks for none."""


@pytest.fixture
def server() -> Iterator[str]:
    with running_postgres(is_durable=True) as url:
        yield url


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


def lose_connections(url: str) -> int:
    """End all connections of the bridge; how many there were."""
    with psycopg.connect(url, autocommit=True) as db:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trackbridge'"
        return len(db.execute(query).fetchall())


def test_two_nodes_share_a_server_and_what_one_keeps_is_known_to_both(
    tmp_path: Path, server: str, peer: Upstream
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    settings = settings_for(peer) | {"BRIDGE_STORE": f"{server}&password={PASSWORD}"}
    missing = typed(folders[0], settings, "list", "webhooks")
    assert missing.returncode == 1
    assert "there is no store in postgresql://bridge@/postgres" in missing.stderr
    with serving(folders[0], settings, "--web", "1") as first, serving(folders[1], settings, "--web", "1") as second:
        assert "store: postgresql://bridge@/postgres?host=" in first.greeting
        assert "(PostgreSQL 18" in first.greeting
        assert "a 200 is on one machine" in first.greeting
        assert post(f"{first.url}/webhooks/stripe", stripe(SESSION)).status_code == 200
        [event] = until(peer.taken, what="the event")
        assert (event["event_type"], event["properties"]["order_id"]) == ("purchase", "A-1001")
        assert lose_connections(server) > 4
        again = SESSION | {"id": "evt_made_up_2", "type": "checkout.session.async_payment_succeeded"}
        for url, body in ((second.url, SESSION), (second.url, again), (first.url, again)):  # providers come again
            until(partial(is_kept, f"{url}/webhooks/stripe", body), what="a 200")
        done = ["delivered", "duplicate"]  # what could not be recorded is recorded once the server answers
        until(lambda: sorted(one["delivery"] for one in shown(folders[0], settings, "events")) == done, what="both")
        assert len(shown(folders[1], settings, "webhooks")) == 2
        assert len(peer.taken()) == 1
        assert typed(folders[0], settings, "status").stderr == ""
        with chdir(folders[0]), pytest.raises(RoleTaken, match="shares the store postgresql://bridge@/") as refused:
            reserve_store(settings["BRIDGE_STORE"], ["web"])
    for folder in folders:
        assert PASSWORD not in (folder / "serve.log").read_text()
    assert PASSWORD not in first.greeting + missing.stderr + str(refused.value)


def is_kept(url: str, body: dict[str, object]) -> bool:
    return post(url, stripe(body)).status_code == 200


def shown(folder: Path, settings: dict[str, str], what: str) -> list[dict[str, str]]:
    """What `list` shows there."""
    found: list[dict[str, str]] = json.loads(typed(folder, settings, "list", what, "--format", "json").stdout)
    return found
