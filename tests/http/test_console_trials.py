"""Trying a source or a destination from the console: what is a test is sent and shown, what would count never is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from peers import KEY, upstream
from store_made import LEASE
from test_console_actions import confirm, fields_of

from bridge.app import utc_now
from bridge.core.model import SetAside
from bridge.mapping.tools.sample_webhook import renew_ids
from bridge.store.protocol import Outcome

SECRET = "an-invented-signing-secret-of-some-length"
SETTINGS = {"SHOPIFY_WEBHOOK_SECRET": SECRET, "STRIPE_WEBHOOK_SECRET": f"whsec_{SECRET}"}
NO_TEST = """
mapping: 1
provider: acme
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Acme-Signature", signed: "{body}"}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: done
    event: {event_type: lead}
"""
EXAMPLE = "given: {body: {id: n1, type: done}}\nexpect: [{event_type: lead}]\n"


@pytest.mark.parametrize("source", ["shopify", "stripe"])
def test_a_signed_test_webhook_is_received_as_one_of_the_provider_is_and_twice_is_two(
    tmp_path: Path, source: str
) -> None:
    path = f"/ui/actions/test-webhook?id={source}"

    async def story(console: Console) -> None:
        await console.log_in()
        assert path in (await console.client.get("/ui/sources")).text
        shown = await console.client.get(path)
        assert "a test: destinations that take real events skip it" in shown.text
        assert SECRET not in shown.text
        assert (await console.store.state_counts()).unapplied == 0, "a dry run sends nothing"
        for number in (1, 2):
            answer = await confirm(console, path)
            assert f"{source} answered 200" in answer.text
            live = re.search(r'data-live="([^"]+)"', answer.text)
            batch = await console.store.claim_batch(now=utc_now(), limit=9, lease=LEASE)
            assert len(batch.webhooks) == 1, "its ids are new"
            await console.store.complete_batch(
                batch, [Outcome(one, SetAside("not of interest")) for one in batch.webhooks], now=utc_now()
            )
            assert live
            row = await console.client.get(live[1].replace("&amp;", "&"))
            assert f">wh_{number}</a>" in row.text
        taken = await console.store.newest_actions(most=9)
        assert [(one.who, one.what, one.subject) for one in taken] == [("ines", "send test webhook", source)] * 2

    with_console(tmp_path, story, settings=SETTINGS)


def test_a_webhook_that_would_count_is_shown_and_not_sent(tmp_path: Path) -> None:
    (tmp_path / "examples" / "acme").mkdir(parents=True)
    (tmp_path / "acme.yaml").write_text(NO_TEST)
    (tmp_path / "examples" / "acme" / "done.usual.yaml").write_text(EXAMPLE)
    path = "/ui/actions/test-webhook?id=acme"

    async def story(console: Console) -> None:
        await console.log_in()
        shown = await console.client.get(path)
        assert "what this one becomes would count as real" in shown.text
        assert 'name="token"' not in shown.text
        forged = await console.client.post(
            path.partition("?")[0], data={"id": "acme", "token": ""}, headers=SAME_ORIGIN
        )
        assert forged.status_code == 409
        for other, status in (("shopify", 409), ("none", 404)):
            answer = await console.client.get(f"/ui/actions/test-webhook?id={other}")
            assert answer.status_code == status, "it has no secret, or does not exist"
        assert (await console.store.state_counts()).unapplied == 0

    settings = {"BRIDGE_MAPPINGS": str(tmp_path), "ACME_WEBHOOK_SECRET": SECRET}
    with_console(tmp_path, story, settings=settings)


@pytest.mark.parametrize("takes_tests", [True, False])
def test_a_test_event_is_sent_to_a_destination_of_tests_alone(tmp_path: Path, *, takes_tests: bool) -> None:
    path = "/ui/actions/test-event?id=track&type=lead"
    with upstream() as peer:

        async def story(console: Console) -> None:
            await console.log_in()
            shown = await console.client.get(path)
            assert f"POST {peer.url}/v1/track/batch" in shown.text
            assert "&#34;event_type&#34;: &#34;lead&#34;" in shown.text
            assert KEY not in shown.text
            answer = await console.client.post(
                path.partition("?")[0], data={"id": "track"} | fields_of(shown), headers=SAME_ORIGIN
            )
            if not takes_tests:
                assert "track takes real events" in shown.text
                assert answer.status_code == 409
                assert peer.posted == []
                return
            assert "track answered 200" in answer.text
            assert [(one["event_type"], one["test"]) for one in peer.taken()] == [("lead", True)]
            peer.key = "another key"
            refused = await confirm(console, path)
            assert "track answered 401" in refused.text
            assert "That means: pause" in refused.text
            assert len(await console.store.newest_actions(most=9)) == 2

        settings = {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": KEY}
        with_console(tmp_path, story, settings=settings | ({"BRIDGE_TRACK_TEST": "1"} if takes_tests else {}))


def test_who_may_only_look_sends_nothing_and_no_type_breaks_it(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        shown = await console.client.get("/ui/actions/test-webhook?id=shopify")
        assert 'name="token"' not in shown.text
        for value in ("", "x" * 300, "<b>", "\u202e", "%00", "purchase "):
            for named in ({"id": "track", "type": value}, {"id": value}):
                answer = await console.client.get("/ui/actions/test-event", params=named)
                assert answer.status_code < 500

    with_console(
        tmp_path, story, settings=SETTINGS | {"BRIDGE_TRACK_URL": "http://127.0.0.1:9", "BRIDGE_TRACK_KEY": KEY}
    )


def test_ids_of_a_sample_are_new_wherever_they_stand_and_nothing_else_changes() -> None:
    body = json.loads(
        '{"id": "evt_1abcdef", "n": 5, "status": "requires_payment", "refs": ["evt_1abcdef"], "order_id": 123456789012}'
    )
    made = renew_ids(body, "abc")
    assert made == body | {"id": "evt_1abcdefabc", "refs": ["evt_1abcdefabc"], "order_id": made["order_id"]}
    assert made["order_id"] != body["order_id"]
