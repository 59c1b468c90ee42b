"""`trackbridge verdict`: what Google says later of the requests that it took, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from peers import typed
from upstreams.google_ads import GoogleAdsUpstream
from upstreams.platform import serve_on_loopback
from upstreams.tokens import TokenEndpoint

from bridge import contract
from bridge.core.delivery import DeliveryState
from bridge.core.model import Route, Routed
from bridge.http.metrics import Metrics
from bridge.pipeline.deliver import DeliveryLoops
from bridge.settings.destinations import make_destinations
from bridge.settings.load import load_configuration
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter, Store

REFUSED = {
    "requestStatus": "PARTIAL_SUCCESS",
    "errorInfo": {
        "errorCounts": [
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_EVENT_TOO_OLD"},
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_NO_CONSENT"},
        ]
    },
}


async def all_delivered(store: Store) -> bool:
    return {row.state for row in await store.deliveries(RowFilter())} == {DeliveryState.DELIVERED}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that must come; the test's own timeout ends what does not."""
    while not await holds():  # noqa: ASYNC110  another thread makes it true
        await asyncio.sleep(0.005)


@dataclass
class Google:
    """Google's two servers, and a bridge's folder."""

    ads: GoogleAdsUpstream
    tokens: TokenEndpoint
    folder: Path

    def deliver(self, *requests: Sequence[str]) -> None:
        """Deliver the events of these ids, each list in a request of its own."""
        configured, _ = load_configuration({"BRIDGE_CONFIG": str(self.folder / "bridge.yaml")}, None, tell=False)

        async def run() -> None:
            store = open_store(f"sqlite:///{self.folder / 'trackbridge.db'}")
            made = make_destinations(configured)["google"]
            loops = DeliveryLoops(store=store, destinations=(made,), clock=now, metrics=Metrics())
            running = asyncio.create_task(loops.run())
            for ids in requests:
                await store.accept_events([Routed(event_of(one), (Route("google"),)) for one in ids], now=now())
                loops.notify()
                await until(lambda: all_delivered(store))
            await loops.stop(timedelta(seconds=5))
            await running
            await store.close()

        asyncio.run(asyncio.wait_for(run(), 30))

    def verdict(self, *words: str) -> tuple[int, str]:
        done = typed(self.folder, {}, "verdict", "google", "--config", "bridge.yaml", *words)
        assert not any(token in done.stdout + done.stderr for token in self.tokens.living)
        return done.returncode, done.stdout or done.stderr


def now() -> datetime:
    return datetime.now(UTC)


def event_of(event_id: str) -> Any:
    raw = {
        "event_type": "purchase",
        "event_id": event_id,
        "timestamp": (now() - timedelta(minutes=1)).isoformat(timespec="seconds"),
        "properties": {"order_id": event_id, "value": 5, "currency": "EUR"},
        "user_data": {"email": "jane@mail.example"},
    }
    return contract.validate_event(raw, origin="key:a", scope="", received_at=now(), default_id="evt_x", dedupe=())


@pytest.fixture
def google(tmp_path: Path) -> Iterator[Google]:
    tokens = TokenEndpoint()
    ads = GoogleAdsUpstream(tokens=tokens)
    with serve_on_loopback(ads.app) as ads.url, serve_on_loopback(tokens.app) as token_url:
        options = {
            "kind": "google_ads", "url": ads.url, "token_url": token_url, "without_consent": "send", "rate": "0",
            "service_account": tokens.service_account, **ads.settings,
        }  # fmt: skip
        config = {"destinations": {"google": options, "erp": {"kind": "webhook", "url": ads.url}}}
        (tmp_path / "bridge.yaml").write_text(json.dumps(config))
        yield Google(ads, tokens, tmp_path)


@pytest.mark.timeout(60)
def test_what_google_refused_later_is_told_by_reason_and_what_is_not_decided_apart(google: Google) -> None:
    google.deliver(["evt_1", "evt_2", "evt_3"], ["evt_4"], ["evt_5", "evt_6"])
    google.ads.statuses = {google.ads.requests[0]: REFUSED, google.ads.requests[1]: {"requestStatus": "PROCESSING"}}
    status, said = google.verdict("--format", "json")
    assert status == 1
    assert json.loads(said) == {
        "requests": 3, "events": 6, "taken": 3, "refused": {"EVENT_TOO_OLD": 1, "NO_CONSENT": 1},
        "pending": {"requests": 1, "events": 1}, "unknown": {"events": 0, "failures": []},
    }  # fmt: skip
    status, said = google.verdict("--last", "2")
    assert said.splitlines()[0] == "google: 2 requests of 3 events"
    assert "not decided yet, of 1 request" in said
    assert google.ads.faults == []


@pytest.mark.timeout(60)
def test_a_request_that_google_does_not_know_is_told_and_no_event_counts_as_taken(google: Google) -> None:
    google.deliver(["evt_1", "evt_2"])
    status, said = google.verdict()
    assert (status, said.splitlines()[0]) == (0, "google: 1 request of 2 events")
    assert re.search(r"^ *taken +2 *$", said, re.MULTILINE)
    google.ads.requests.clear()
    status, said = google.verdict("--format", "json")
    [failure] = json.loads(said)["unknown"]["failures"]
    assert (status, json.loads(said)["taken"]) == (1, 0)
    assert failure["why"].startswith("404 not found: ")


def test_a_destination_that_says_all_in_its_answers_is_named(google: Google) -> None:
    done = typed(google.folder, {}, "verdict", "erp", "--config", "bridge.yaml")
    assert done.stderr == "trackbridge: `erp` says all in its answers: its destination file has no `verdict`\n"
