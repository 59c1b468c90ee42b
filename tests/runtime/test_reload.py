"""A changed mapping is taken by a running bridge: no request is dropped, and a broken one leaves the old at work."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import Serving, listed, serving, trackbridge, until, upstream

from bridge.core.errors import SettingsError
from bridge.runtime.reload import Reloader

SECRET = "a-made-up-secret"
MAPPING = """\
mapping: 1
provider: acme
webhook:
  signature: {{kind: none, i_accept_unsigned: true}}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event:
      event_type: {event_type}
      properties: {{number: =body.id}}
"""
PLATFORM = """\
destination: 1
kind: acme
title: Acme
purpose: own
events: {{"*": "="}}
send:
  - item: {{event_id: =event.event_id, number: =event.properties.number, said: {said}}}
request:
  url: https://acme.example/events
  body: {{events: =items}}
"""


def write(folder: Path, text: str) -> None:
    """Put a mapping or a destination file in place at once, as an editor does."""
    fresh = folder / "acme.new"
    fresh.write_text(text)
    fresh.replace(folder / "acme.yaml")


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    write(folder, MAPPING.format(event_type="before"))
    return folder


@pytest.fixture
def bridge(tmp_path: Path, mappings: Path) -> Iterator[Serving]:
    with serving(tmp_path, {"BRIDGE_MAPPINGS": str(mappings)}) as one:
        yield one


def post(url: str, number: int) -> int:
    body = json.dumps({"id": f"n{number}", "type": "done"})
    return httpx.post(f"{url}/webhooks/acme", content=body, trust_env=False, timeout=30).status_code


def types(folder: Path) -> list[str]:
    return [row["event_type"] for row in reversed(listed(folder, "events"))]


def log_of(bridge: Serving, what: str) -> int:
    """How often the log says it."""
    return bridge.log.read_text().count(f" {what}")


def reloaded(bridge: Serving, *, times: int, what: str = "reload.taken") -> None:
    bridge.process.send_signal(signal.SIGHUP)
    until(lambda: log_of(bridge, what) >= times, what=what)


def test_a_changed_mapping_is_taken_on_sighup_and_a_broken_one_leaves_the_old_at_work(
    bridge: Serving, mappings: Path, tmp_path: Path
) -> None:
    assert post(bridge.url, 1) == 200
    until(lambda: types(tmp_path) == ["before"], what="the first event")
    write(mappings, MAPPING.format(event_type="after"))
    reloaded(bridge, times=1)
    assert post(bridge.url, 2) == 200
    until(lambda: types(tmp_path) == ["before", "after"], what="the second event")
    write(mappings, MAPPING.format(event_type="=bdy.x").replace("number", "=number"))
    reloaded(bridge, times=2)
    told = bridge.log.read_text()
    assert "reload.problem at=acme.yaml:10:20 error=\"unknown name 'bdy'; did you mean 'body'?\"" in told
    assert "reload.problem at=acme.yaml:11:20 " in told
    assert "reload.refused mapping=acme.yaml problems=2 " in told
    assert post(bridge.url, 3) == 200
    until(lambda: types(tmp_path) == ["before", "after", "after"], what="the third event, by the old mapping")
    write(mappings, MAPPING.format(event_type="mended"))
    reloaded(bridge, times=3)
    assert post(bridge.url, 4) == 200
    until(lambda: types(tmp_path)[-1] == "mended", what="the fourth event")
    assert bridge.stop() == 0


def test_no_request_is_dropped_while_mappings_are_reloaded_again_and_again(
    bridge: Serving, mappings: Path, tmp_path: Path
) -> None:
    answers: list[int] = []
    enough = threading.Event()

    def client(first: int) -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            number = first
            while not enough.is_set():
                body = json.dumps({"id": f"n{number}", "type": "done"})
                answers.append(http.post(f"{bridge.url}/webhooks/acme", content=body).status_code)
                number += 1

    clients = [threading.Thread(target=client, args=(place * 1_000_000,)) for place in range(3)]
    for one in clients:
        one.start()
    try:
        for turn in range(1, 13):
            write(mappings, MAPPING.format(event_type="odd" if turn % 2 else "even"))
            reloaded(bridge, times=turn)
            until(lambda: len(answers) > 20 * turn, what="answers meanwhile")  # noqa: B023  asked before the next turn
    finally:
        enough.set()
        for one in clients:
            one.join()
    assert set(answers) == {200}
    until(lambda: len(types(tmp_path)) == len(answers), what="an event for every request")
    assert set(types(tmp_path)) <= {"before", "odd", "even"}
    assert {"odd", "even"} <= set(types(tmp_path))


def test_with_reload_a_change_on_disk_is_enough_and_a_new_provider_is_served(tmp_path: Path, mappings: Path) -> None:
    settings = {"BRIDGE_MAPPINGS": str(mappings), "BRIDGE_STORE": "sqlite:///trackbridge.db"}
    with serving(tmp_path, settings, "--reload") as bridge:
        write(mappings, MAPPING.format(event_type="after"))
        (mappings / "other.yaml").write_text(MAPPING.format(event_type="x").replace("acme", "other"))
        until(
            lambda: httpx.get(f"{bridge.url}/webhooks/other", trust_env=False).status_code == 405, what="the new source"
        )
        until(lambda: log_of(bridge, "reload.taken"), what="the word that all have taken it")
        assert post(bridge.url, 1) == 200
        until(lambda: types(tmp_path) == ["after"], what="the event by the new mapping")


def test_a_changed_destination_file_is_taken_and_one_with_a_mistake_leaves_the_old_at_work(
    tmp_path: Path, mappings: Path
) -> None:
    files, config = tmp_path / "destinations", tmp_path / "bridge.yaml"
    files.mkdir()
    write(files, PLATFORM.format(said="before"))
    settings = {"BRIDGE_MAPPINGS": str(mappings), "BRIDGE_DESTINATIONS": str(files), "BRIDGE_CONFIG": str(config)}

    def said(url: str, number: int) -> str:
        def sent() -> list[str]:
            return [one["said"] for posted in peer.posted for one in posted.events if one["number"] == f"n{number}"]

        assert post(url, number) == 200
        return str(until(sent, what=f"event {number}")[0])

    with upstream() as peer:
        config.write_text(f"destinations:\n  ads: {{kind: acme, url: {peer.url}}}\n")
        with serving(tmp_path, settings, "--reload") as serve:
            assert said(serve.url, 1) == "before"
            write(files, PLATFORM.format(said="after"))
            until(lambda: log_of(serve, "reload.taken") >= 1, what="reload.taken")
            assert said(serve.url, 2) == "after"
            write(files, PLATFORM.format(said="=evnt.event_id"))
            until(lambda: log_of(serve, "reload.taken") >= 2, what="reload.taken")
            told = serve.log.read_text()
            assert "reload.problem at=acme.yaml:7:80 error=\"unknown name 'evnt'; did you mean 'event'?\"" in told
            assert 'reload.refused destination=ads kept="the destination file from before"' in told
            assert said(serve.url, 3) == "after"


def test_settings_that_need_a_restart_are_named_and_sources_are_taken(tmp_path: Path, mappings: Path) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text("sources:\n  shop: {mapping: acme}\n")
    with serving(tmp_path, {"BRIDGE_MAPPINGS": str(mappings)}, "--config", str(config)) as bridge:
        config.write_text("sources:\n  shop: {mapping: acme}\n  store: {mapping: acme}\napi_keys: [one]\n")
        reloaded(bridge, times=1)
        assert log_of(bridge, "reload.partly") == 1
        assert httpx.get(f"{bridge.url}/webhooks/store", trust_env=False).status_code == 405
        config.write_text(
            "sources:\n  shop: {mapping: acme, to: [up]}\n"
            'destinations:\n  up: {kind: track, url: "http://127.0.0.1:9", api_key: k}\n'
        )
        reloaded(bridge, times=1, what="reload.refused")
        assert "the destination `up` is new; restart to have it" in bridge.log.read_text()
        assert httpx.get(f"{bridge.url}/webhooks/store", trust_env=False).status_code == 405


def test_what_was_asked_while_loading_is_loaded_once_more() -> None:
    loads: list[int] = []
    taken: list[int] = []

    async def story() -> None:
        def load() -> int:
            loads.append(len(loads))
            if len(loads) == 1:
                for _ in range(5):
                    loop.call_soon_threadsafe(reloader.request_reload)
            return len(loads)

        def take(loaded: int) -> None:
            taken.append(loaded)
            if len(taken) == 2:
                twice.set()

        loop, twice = asyncio.get_running_loop(), asyncio.Event()
        reloader: Reloader[int] = Reloader(load, take)
        running = asyncio.create_task(reloader.run())
        reloader.request_reload()
        await twice.wait()
        running.cancel()

    asyncio.run(story())
    assert (loads, taken) == ([0, 1], [1, 2])


@pytest.mark.parametrize("error", [SettingsError("x"), OSError("x"), RuntimeError("x")])
def test_whatever_fails_while_loading_nothing_is_taken(error: Exception) -> None:
    taken: list[Any] = []

    def load() -> None:
        raise error

    assert asyncio.run(Reloader(load, taken.append).reload_once()) is False
    assert taken == []


def test_the_help_of_serve_tells_of_reload(tmp_path: Path) -> None:
    assert "--reload" in trackbridge(tmp_path, {}, "serve", "--help").stdout
