"""The page of metrics: bounded and well-formed whatever event types there are, and unmoved by strangers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from hypothesis import given
from hypothesis import strategies as st
from peers import MAY_READ_METRICS, serving, until
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from signed_requests import API_KEY, settings_for

from bridge.core.heartbeat import Heartbeat
from bridge.http.metrics import LONGEST_LABEL, MOST_EVENT_TYPES, OTHER, Metrics, NodeState, StoreState
from bridge.runtime.roles import StatePublisher, loop_success_times
from bridge.runtime.shared_state import SharedState
from bridge.store.protocol import OverdueWork, StateCounts
from bridge.store.spool import SpooledWebhooks
from bridge.store.status_views import OutcomeTotals

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = 'a"b\\c\nd\re\x1b[2J\u202e{}=,#'


def page(events: dict[tuple[str, str], int]) -> str:
    counts = StateCounts({}, events, {}, None, {})
    stored = StoreState(
        counts,
        OutcomeTotals({("meta", "skipped", "no consent"): 3}, {"email": 2}),
        (),
        OverdueWork(0, None, {}, {}),
    )
    return Metrics().render_page(NodeState({}, set(), ready=True, now=NOW), stored).decode()


def test_what_waits_in_the_spool_is_shown_with_its_age_while_the_store_is_away() -> None:
    spooled = SpooledWebhooks(3, NOW - timedelta(minutes=2), damaged=0)
    node = NodeState({"translate": 1.5}, set(), ready=True, now=NOW, spooled=spooled)
    shown = Metrics().render_page(node, None).decode()
    assert "trackbridge_spooled_webhooks 3.0\n" in shown
    assert "trackbridge_oldest_spooled_seconds 120.0\n" in shown
    assert 'trackbridge_loop_up{loop="translate"} 1.0\n' in shown
    assert "trackbridge_ready 1.0\n" in shown
    assert "trackbridge_events{" not in shown


def test_a_node_without_a_spool_shows_none() -> None:
    assert "spooled" not in page({})


def events_on(text: str) -> dict[tuple[str, str], float]:
    [family] = [one for one in families(text) if one.name == "trackbridge_events"]
    return {(sample.labels["event_type"], sample.labels["kind"]): sample.value for sample in family.samples}


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def test_an_event_type_is_cut_to_128_characters_and_what_is_alike_then_is_counted_together() -> None:
    long = "x" * LONGEST_LABEL
    found = events_on(page({(f"{long}1", "fresh"): 2, (f"{long}2", "fresh"): 3, ("é" * 500, "fresh"): 1}))
    assert found == {(long, "fresh"): 5, ("é" * LONGEST_LABEL, "fresh"): 1}


def test_the_200_commonest_event_types_are_named_and_all_others_are_counted_as_other() -> None:
    strange = {(f"strange-{number}", "fresh"): 1 for number in range(10_000)}
    usual = {(f"usual-{number}", kind): 2 for number in range(199) for kind in ("fresh", "duplicate")}
    found = events_on(page(strange | usual | {(OTHER, "fresh"): 7}))
    names = {name for name, _ in found}
    assert len(names) == MOST_EVENT_TYPES
    assert {name for name, _ in usual} < names
    assert found[OTHER, "fresh"] == 10_007
    assert sum(found.values()) == 10_000 + 199 * 4 + 7


def test_what_is_named_does_not_change_from_one_look_to_the_next() -> None:
    counts = {(f"type-{number}", "fresh"): 1 for number in range(1000)}
    turned = dict(reversed(counts.items()))
    assert events_on(page(counts)) == events_on(page(turned))


@given(st.dictionaries(st.tuples(st.text(max_size=300), st.sampled_from(["fresh", "duplicate"])), st.integers(0, 9)))
def test_the_page_is_well_formed_and_loses_no_event_whatever_the_types_are(counts: dict[tuple[str, str], int]) -> None:
    text = page(counts)
    assert "\r" not in text
    assert "\x1b" not in text
    assert sum(events_on(text).values()) == sum(counts.values())


WORDS = ("'refused:missing'", "'unknown_source'", "'status': '401'")
"""What strangers add to the page once, however many they are."""


def test_strangers_add_no_line_to_the_page_and_callers_a_bounded_label(tmp_path: Path) -> None:
    with serving(tmp_path, settings_for(None)) as bridge, httpx.Client(trust_env=False, base_url=bridge.url) as client:

        def strange(number: int) -> None:
            for path in (f"/webhooks/strange-{number}", f"/v1/track/{number}", f"/{number}", "/webhooks/stripe"):
                client.post(path, content=b"{}", headers={"X-Shopify-Topic": f"t{number}"})
            client.post("/v1/track", headers={"Authorization": f"Bearer key-{number}"})
            client.request(f"M{number}", "/webhooks/stripe")

        def labels() -> set[tuple[str, str]]:
            found = families(client.get("/metrics", headers=MAY_READ_METRICS).text)
            return {(one.name, str(sample.labels)) for one in found for sample in one.samples}

        def shown() -> set[tuple[str, str]] | None:
            found = labels()
            return found if all(any(word in text for _, text in found) for word in WORDS) else None

        for number in range(5):
            strange(number)
        before = until(shown, what="a page with what the first strangers added")
        for number in range(5, 40):
            strange(number)
        assert labels() - before == set()
        event = {"event_type": HOSTILE + "x" * 500, "properties": {"order_id": "1"}}
        answer = client.post("/v1/track", content=json.dumps(event), headers={"Authorization": f"Bearer {API_KEY}"})
        assert answer.status_code == 200
        [(name, _)] = events_on(client.get("/metrics", headers=MAY_READ_METRICS).text)
    assert name.startswith('a"b\\c\\nd\\re\\u001b[2J\\u202e{}=,#xxx')
    assert len(name) == LONGEST_LABEL


def test_a_process_with_too_many_counters_still_has_its_heartbeat() -> None:
    board = SharedState(["worker-translate", "worker-deliver"])
    board.mark_up("worker-translate", up=True)
    board.mark_up("worker-deliver", up=True)
    metrics = Metrics()
    for number in range(20_000):
        metrics.count_translated(f"source-{number}-{'x' * 64}", "translated")
    heartbeat = Heartbeat()
    heartbeat.record_success()
    showing = StatePublisher(board, "worker-translate", metrics, lambda: {"translate": [heartbeat]})
    showing.publish()
    assert loop_success_times(board) == {"translate": heartbeat.succeeded_at}


def test_deliveries_are_counted_by_reason_and_events_by_match_key() -> None:
    samples = {sample.name: sample for family in families(page({})) for sample in family.samples}
    told = samples["trackbridge_deliveries_total"]
    assert (told.labels, told.value) == ({"destination": "meta", "state": "skipped", "reason": "no consent"}, 3.0)
    known = samples["trackbridge_match_key_total"]
    assert (known.labels, known.value) == ({"key": "email"}, 2.0)
