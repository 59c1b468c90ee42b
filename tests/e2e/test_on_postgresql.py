"""The main job with the store on a PostgreSQL server: real processes of two nodes, real sockets, a server of its own."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from peers import MAY_READ_METRICS, Upstream, serving, typed, until, upstream
from postgres_server import running_postgres
from processes import process_tree
from psycopg.conninfo import conninfo_to_dict
from signed_requests import API_KEY, SESSION, post, settings_for, stripe

from bridge.core.errors import RoleTaken
from bridge.runtime.supervisor import STOP_TIMEOUT
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
    link, sockets = tmp_path / "link", str(conninfo_to_dict(server)["host"])
    link.symlink_to(sockets)
    settings = settings_for(peer) | {"BRIDGE_STORE": f"{server.replace(sockets, str(link))}&password={PASSWORD}"}
    spool = {"BRIDGE_SPOOL": str(folders[0] / "spool")}
    missing = typed(folders[0], settings, "list", "webhooks")
    assert missing.returncode == 1
    assert "there is no store in postgresql://bridge@/postgres" in missing.stderr
    with (
        serving(folders[0], settings | spool, "--web", "1") as first,
        serving(folders[1], settings, "--web", "1") as second,
    ):
        assert f"spool: {folders[0] / 'spool'}  keeps webhooks while the database is away" in first.greeting
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
        link.unlink()  # the server is away
        lose_connections(server)
        late = [SESSION | {"id": f"evt_made_up_{number}", "type": "customer.created"} for number in (3, 4)]
        assert [post(f"{first.url}/webhooks/stripe", stripe(body)).status_code for body in late] == [200, 200]
        assert post(f"{second.url}/webhooks/stripe", stripe(late[0])).status_code == 503, "it has no spool"
        track = b'{"event_type": "signup", "event_id": "a-1", "user": {"email": "mara@example.com"}}'
        answered = post(f"{first.url}/v1/track", ({"Authorization": f"Bearer {API_KEY}"}, track))
        assert answered.status_code == 503, "the spool is for webhooks alone"
        away = typed(folders[0], settings | spool, "status").stdout
        waiting = re.search(rf"([23]) webhooks in the spool {folders[0] / 'spool'} of this machine wait", away)
        assert waiting, away  # the third is one of which it is in doubt whether the server took it as it was cut off
        assert f"trackbridge_spooled_webhooks {waiting[1]}.0\n" in scraped(first.url)
        assert scraped(second.url).startswith('{"success":false'), "one without a spool has nothing to say"
        link.symlink_to(sockets)
        until(lambda: len(shown(folders[1], settings, "webhooks")) == 4, what="what the first node kept")
        until(lambda: "trackbridge_spooled_webhooks 0.0\n" in scraped(first.url), what="an empty spool")
        assert 'trackbridge_webhooks{source="stripe"' in scraped(first.url)
        assert "in the spool" not in typed(folders[0], settings | spool, "status").stdout
        with chdir(folders[0]), pytest.raises(RoleTaken, match="shares the store postgresql://bridge@/") as refused:
            reserve_store(settings["BRIDGE_STORE"], ["web"])
    for folder in folders:
        assert PASSWORD not in (folder / "serve.log").read_text()
    assert PASSWORD not in first.greeting + missing.stderr + str(refused.value)


@contextmanager
def hanging(url: str) -> Iterator[None]:
    """All processes of the server are stopped: connections stay, also new ones, and nobody answers."""
    with psycopg.connect(url) as db:
        [(data,)] = db.execute("SHOW data_directory").fetchall()
    tree = process_tree(int((Path(data) / "postmaster.pid").read_text().splitlines()[0]))
    try:
        tell(tree, signal.SIGSTOP)
        yield
    finally:
        tell(tree, signal.SIGCONT)


def tell(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(pid, number)


def test_a_node_that_is_told_to_stop_ends_by_itself_while_its_server_hangs(
    tmp_path: Path, server: str, peer: Upstream
) -> None:
    settings = settings_for(peer) | {"BRIDGE_STORE": server}
    with serving(tmp_path, settings, "--web", "1") as node:
        assert post(f"{node.url}/webhooks/stripe", stripe(SESSION)).status_code == 200
        until(peer.taken, what="the event")
        with hanging(server):
            node.process.send_signal(signal.SIGTERM)
            assert node.process.wait(2 * STOP_TIMEOUT) == 0
        log = node.log.read_text()
        assert "process.killed" not in log
        assert "never retrieved" not in log
        assert "error ignored" not in log
    assert len(shown(tmp_path, settings, "webhooks")) == 1


def is_kept(url: str, body: dict[str, object]) -> bool:
    return post(url, stripe(body)).status_code == 200


def scraped(url: str) -> str:
    """The page of metrics."""
    return httpx.get(f"{url}/metrics", headers=MAY_READ_METRICS).text


def shown(folder: Path, settings: dict[str, str], what: str) -> list[dict[str, str]]:
    """What `list` shows there."""
    found: list[dict[str, str]] = json.loads(typed(folder, settings, "list", what, "--format", "json").stdout)
    return found
