"""`trackbridge coverage` says what became of events at each destination, and `status` has the same in a section."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from peers import typed
from store_made import FREELY

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Event, Route, Routed
from bridge.store.engines import open_store

ENDS = (
    *[(DeliveryState.DELIVERED, None)] * 6,
    *[(DeliveryState.DEAD, "currency missing")] * 3,
    (DeliveryState.SKIPPED, "no identifiers"),
)


def fill_store(folder: Path, *, now: datetime) -> None:
    """Ten purchases and a refund to `meta`: six delivered, three rejected, one skipped, and the refund waits."""

    async def filled() -> None:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        text = b'{"user_data":{"email":"jane@mail.test"}}'
        names = [(f"e{number}", "purchase") for number in range(len(ENDS))] + [("r", "refund")]
        made = [Event(name, "key:web", kind, test=False, text=text, occurred_at=now) for name, kind in names]
        await store.accept_events([Routed(one, (Route("meta"),)) for one in made], now=now)
        claim = await store.claim_deliveries("meta", now=now, pacing=FREELY)
        assert claim is not None
        ends = zip(claim.deliveries, ENDS, strict=False)
        updates = [DeliveryUpdate(one.number, state, reason) for one, (state, reason) in ends]
        attempt = Attempt("meta", now, timedelta(), 200, "delivered", "")
        await store.record_attempt(claim, attempt, updates, claim.destination_state, now=now)
        await store.close()

    asyncio.run(filled())


def test_it_says_what_became_of_the_events_and_what_is_known_of_buyers(tmp_path: Path) -> None:
    fill_store(tmp_path, now=datetime.now(UTC))
    found = typed(tmp_path, {}, "coverage", "--event", "purchase")
    assert (found.returncode, found.stderr) == (0, "")
    first, _, row, missed, known, *_ = found.stdout.splitlines()
    assert first.startswith("10 events of type purchase, made since ")
    assert row.split() == [
        "meta",
        "6",
        "0",
        *["3:", "currency", "missing", "3"],
        *["1:", "no", "identifiers", "1"],
        "60.0%",
    ]
    assert missed == "meta: not reached: 4: currency missing 3, no identifiers 1"
    assert known.startswith("known of 10 purchases: email 100%  phone 0%")
    assert "jane" not in found.stdout


def test_the_same_is_there_as_json_and_in_status(tmp_path: Path) -> None:
    fill_store(tmp_path, now=datetime.now(UTC))
    [meta] = json.loads(typed(tmp_path, {}, "coverage", "--format", "json").stdout)["destinations"]
    assert (meta["delivered"], meta["waiting"], meta["rejected"]) == (6, 1, {"currency missing": 3})
    assert meta["reached"] == 0.6
    status = typed(tmp_path, {}, "status")
    assert status.returncode == 1
    assert "meta: not reached: 4: currency missing 3, no identifiers 1" in status.stdout


def test_events_of_earlier_days_are_left_out_and_counting_began_is_said(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    fill_store(tmp_path, now=now - timedelta(days=2))
    assert typed(tmp_path, {}, "coverage", "--days", "1").stdout.startswith("0 events, made since ")
    said = typed(tmp_path, {}, "coverage").stdout
    assert f"counted since {now - timedelta(days=2):%Y-%m-%d}" in said


def test_no_days_are_refused_with_what_is_meant(tmp_path: Path) -> None:
    fill_store(tmp_path, now=datetime.now(UTC))
    found = typed(tmp_path, {}, "coverage", "--days", "0")
    assert found.returncode != 0
    assert "--days" in found.stderr


def test_status_shows_the_host_that_is_really_used(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").write_text(
        "destinations:\n"
        "  own: {kind: plausible, domain: shop.test, without_consent: skip}\n"
        "  moved: {kind: plausible, domain: shop.test, without_consent: skip, url: 'https://stats.test:8443'}\n"
    )
    fill_store(tmp_path, now=datetime.now(UTC))
    found = json.loads(typed(tmp_path, {}, "status", "--format", "json").stdout)["destinations"]
    assert {one["name"]: one["host"] for one in found} == {
        "own": "plausible.io",
        "moved": "stats.test:8443",
        "meta": "",
    }
    assert "stats.test:8443" in typed(tmp_path, {}, "status").stdout
