"""`serve --role web` and `serve --role worker` as real processes on one store."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from configparser import ConfigParser, SectionProxy
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from observed_processes import (
    KEY,
    LAUNCH,
    children,
    get,
    is_alive,
    kill,
    needs_proc,
    post,
    ready,
    track,
    translate_process,
)
from peers import KEY as UPSTREAM_KEY
from peers import Serving, Upstream, clean_environment, command, kill_all, serving, trackbridge, until, upstream

from bridge.runtime.supervisor import STOP_TIMEOUT

pytestmark = needs_proc
DEPLOY = Path(__file__).parents[2] / "bridge" / "deploy"
SOCKETS = (".trackbridge.db.webhooks.sock", ".trackbridge.db.events.sock")
MAPPING = """
mapping: 1
provider: acme
webhook:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event: {event_type: paid, properties: {order_id: =body.id}}
"""


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def settings(tmp_path: Path, peer: Upstream) -> dict[str, str]:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "acme.yaml").write_text(MAPPING)
    return {
        "BRIDGE_API_KEYS": KEY,
        "BRIDGE_MAPPINGS": str(tmp_path / "mappings"),
        "BRIDGE_TRACK_URL": peer.url,
        "BRIDGE_TRACK_KEY": UPSTREAM_KEY,
    }


def start(folder: Path, settings: dict[str, str], *words: str) -> subprocess.Popen[str]:
    with (folder / "serve.log").open("a") as errors:
        return subprocess.Popen(
            command("serve", *words), cwd=folder, env=clean_environment(settings), stdout=subprocess.PIPE,
            stderr=errors, text=True,
        )  # fmt: skip


@contextmanager
def working(folder: Path, settings: dict[str, str], *words: str) -> Iterator[Serving]:
    """`serve --role worker`, or with other words, at work; stopped at the end whatever happened."""
    process = start(folder, settings, *(words or ("--role", "worker")))
    assert process.stdout
    try:
        greeting = process.stdout.readline()
        assert greeting.startswith("trackbridge translates and delivers"), (folder / "serve.log").read_text()
        yield Serving(process, "", greeting, folder / "serve.log")
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                kill_all(process)
        process.stdout.close()


def answering(folder: Path, settings: dict[str, str]) -> AbstractContextManager[Serving]:
    """`serve --role web`, once it answers."""
    return serving(folder, settings, "--role", "web", "--web", "1")


def orders(peer: Upstream) -> set[str]:
    return {event["properties"]["order_id"] for event in peer.taken()}


def delivered(peer: Upstream, *names: str) -> None:
    until(lambda: set(names) <= orders(peer), what=f"the delivery of {names}")


def refused(folder: Path, settings: dict[str, str], *words: str) -> str:
    done = trackbridge(folder, settings, "serve", "--port", "0", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


# ---------------------------------------------------------------------------------------------- what each role runs


def test_each_role_starts_its_own_processes_and_is_called_by_its_name(tmp_path: Path, settings: dict[str, str]) -> None:
    with answering(tmp_path, settings) as web, working(tmp_path, settings) as worker:
        assert [title_of(pid) for pid in children(web)] == ["trackbridge: web-1"]
        translate_process(worker, "trackbridge: worker-deliver")
        assert sorted(map(title_of, children(worker))) == [
            "trackbridge: worker-deliver",
            "trackbridge: worker-translate",
        ]
        assert [title_of(one.process.pid) for one in (web, worker)] == [
            "trackbridge: supervisor-web",
            "trackbridge: supervisor-worker",
        ]
        assert "`trackbridge serve --role worker` translates and delivers" in web.greeting
        assert "`trackbridge serve --role web` answers requests" in worker.greeting


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def test_a_worker_has_no_web_processes_and_says_so(tmp_path: Path, settings: dict[str, str]) -> None:
    assert "`--role worker` starts none" in refused(tmp_path, settings, "--role", "worker", "--web", "2")
    assert trackbridge(tmp_path, settings, "serve", "--role", "both").returncode == 2


# ------------------------------------------------------------------------------------------------ together on a store


def test_a_webhook_kept_while_no_worker_runs_is_delivered_once_one_runs(
    tmp_path: Path, settings: dict[str, str], peer: Upstream
) -> None:
    with answering(tmp_path, settings) as web:
        assert post(web, "early") == 200
        assert track(web, "early-event").status_code == 200
        with working(tmp_path, settings):
            delivered(peer, "early", "early-event")
            assert post(web, "later") == 200
            assert track(web, "later-event").status_code == 200
            delivered(peer, "later", "later-event")
    assert len(peer.taken()) == 4


def test_a_worker_that_starts_first_makes_the_store_and_delivers_what_comes(
    tmp_path: Path, settings: dict[str, str], peer: Upstream
) -> None:
    with working(tmp_path, settings) as worker:
        for name in SOCKETS:
            assert stat.S_IMODE((tmp_path / name).lstat().st_mode) == 0o600
        with answering(tmp_path, settings) as web:
            assert post(web, "a") == 200
            delivered(peer, "a")
            ready(web)
        assert worker.stop() == 0
    assert not any((tmp_path / name).exists() for name in SOCKETS)
    assert (tmp_path / "serve.log").read_text().count("error=") == 0


def test_both_may_start_at_once_on_a_fresh_store(tmp_path: Path, settings: dict[str, str], peer: Upstream) -> None:
    for turn in range(3):
        here = settings | {"BRIDGE_STORE": f"sqlite:///{turn}.db"}
        process = start(tmp_path, here, "--role", "worker")
        try:
            with answering(tmp_path, here) as web:
                assert post(web, f"turn-{turn}") == 200
                delivered(peer, f"turn-{turn}")
        finally:
            process.terminate()
            assert process.wait(60) == 0, (tmp_path / "serve.log").read_text()
            assert process.stdout
            process.stdout.close()


@pytest.mark.parametrize("ends", [Serving.kill, lambda one: kill(one.process.pid)], ids=["all", "supervisor"])
def test_a_worker_that_was_killed_is_replaced_and_nothing_is_lost(
    tmp_path: Path, settings: dict[str, str], peer: Upstream, ends: Callable[[Serving], None]
) -> None:
    with answering(tmp_path, settings) as web:
        with working(tmp_path, settings) as first:
            assert post(web, "before") == 200
            delivered(peer, "before")
            ends(first)
            first.process.wait()
        assert post(web, "between") == 200
        with working(tmp_path, settings):
            delivered(peer, "between")
            assert post(web, "after") == 200
            delivered(peer, "after")


@pytest.mark.parametrize("ends", [Serving.kill, lambda one: kill(one.process.pid)], ids=["all", "supervisor"])
def test_web_processes_that_were_killed_are_replaced_and_the_worker_goes_on(
    tmp_path: Path, settings: dict[str, str], peer: Upstream, ends: Callable[[Serving], None]
) -> None:
    with working(tmp_path, settings) as worker:
        processes = children(worker)
        with answering(tmp_path, settings) as first:
            assert post(first, "before") == 200
            ends(first)
            first.process.wait()
        delivered(peer, "before")
        with answering(tmp_path, settings) as second:
            assert post(second, "after") == 200
            delivered(peer, "after")
        assert set(processes) <= set(children(worker))
        assert all(map(is_alive, processes))


# -------------------------------------------------------------------------------------------------- no role runs twice


def test_no_role_runs_twice_on_one_store(tmp_path: Path, settings: dict[str, str]) -> None:
    with answering(tmp_path, settings) as web, working(tmp_path, settings) as worker:
        for role, holder in (("web", web), ("worker", worker)):
            said = refused(tmp_path, settings, "--role", role)
            assert f"the role {role} already runs on the store trackbridge.db, in process {holder.process.pid}" in said
            assert said.endswith("stop that process first\n")
        assert "the role web already runs" in refused(tmp_path, settings)
        assert worker.stop() == 0
        said = refused(tmp_path, settings)
        assert f"the role web already runs on the store trackbridge.db, in process {web.process.pid}" in said
        assert "or start only `trackbridge serve --role worker`" in said
        with working(tmp_path, settings):
            ready(web)


def test_a_serve_of_all_has_both_roles(tmp_path: Path, settings: dict[str, str]) -> None:
    with serving(tmp_path, settings) as one:
        for words in ((), ("--role", "web"), ("--role", "worker")):
            assert f"in process {one.process.pid}: no role runs twice" in refused(tmp_path, settings, *words)


def test_of_several_that_start_at_once_one_runs(tmp_path: Path, settings: dict[str, str]) -> None:
    several = [start(tmp_path, settings, "--role", "worker") for _ in range(4)]
    try:
        until(lambda: len([one for one in several if one.poll() is None]) == 1, what="the end of all but one")
        [running] = [one for one in several if one.poll() is None]
        lines = (tmp_path / "serve.log").read_text().splitlines()
        refusals = [line for line in lines if "the role worker already runs" in line]
        assert len(refusals) == 3
        assert all(f"in process {running.pid}:" in line for line in refusals)
    finally:
        for one in several:
            one.terminate()
            one.wait(60)
            assert one.stdout
            one.stdout.close()


# ----------------------------------------------------------------------------------------------- what the web role says


def test_the_web_role_stays_ready_without_a_worker_and_says_since_when_none_runs(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    impatient = settings | {"SERVE_TEST_STALLED": "1"}
    with serving(tmp_path, impatient, "--role", "web", "--web", "1", program=LAUNCH) as web:
        until(lambda: get(web, "/readyz").json()["state"] == "degraded", what="word of the missing worker")
        answer = get(web, "/readyz")
        assert answer.status_code == 200
        assert re.fullmatch(r"worker: no round succeeded for \d+ s", answer.json()["details"][0])
        assert 'trackbridge_loop_up{loop="worker"} 0.0' in get(web, "/metrics").text
        with working(tmp_path, settings):
            ready(web)
            assert 'trackbridge_loop_up{loop="worker"} 1.0' in get(web, "/metrics").text


# ------------------------------------------------------------------------------------------------- the units of systemd


def service(role: str) -> SectionProxy:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.read_string((DEPLOY / f"trackbridge-{role}.service").read_text())
    return unit["Service"]


def words_of(role: str) -> list[str]:
    """What a unit adds to `trackbridge serve`."""
    program, verb, *words = shlex.split(service(role)["ExecStart"])
    assert (Path(program).name, verb) == ("trackbridge", "serve")
    return words


def test_the_units_start_both_roles_and_a_webhook_is_delivered(
    tmp_path: Path, settings: dict[str, str], peer: Upstream
) -> None:
    with (
        serving(tmp_path, settings, *words_of("web"), "--port", "0") as web,
        working(tmp_path, settings, *words_of("worker")),
    ):
        assert post(web, "a") == 200
        delivered(peer, "a")


def test_the_units_share_their_settings_and_give_a_stop_its_time() -> None:
    web, worker = service("web"), service("worker")
    for name in ("User", "WorkingDirectory", "EnvironmentFile"):
        assert web[name] == worker[name]
    assert all(float(one["TimeoutStopSec"]) > STOP_TIMEOUT for one in (web, worker))
