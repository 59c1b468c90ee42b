"""`trackbridge diff`: what another mapping would change, over kept webhooks and over given bodies."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from peers import trackbridge, typed
from store_made import applied

from bridge import contract
from bridge.core import dedupe_keys
from bridge.core.model import Routed, Webhook
from bridge.store.engines import open_store
from bridge.store.protocol import RowFilter

NOW = datetime.now(UTC)
MAPPING = """\
mapping: 1
provider: acme
webhook:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id"]
  topic: ["json:/type"]
vars:
  minimum: {default: "0"}
events:
  - topic: paid
    when: =decimal(source.vars.minimum) <= body.total
    dedupe: =body.order
    event:
      event_type: purchase
      properties: {order_id: =body.order, value: =body.total, currency: =body.currency}
      user_data: {email: =body.email}
"""
PAID = {"type": "paid", "currency": "EUR", "email": "ada@example.com"}
BODIES: Sequence[dict[str, Any]] = (
    PAID | {"id": "1", "order": "A", "total": 10},
    PAID | {"id": "2", "order": "B", "total": 20.50},
    PAID | {"id": "3", "order": "B", "total": 20.50},
    {"id": "4", "type": "unknown"},
)


def webhook_of(body: dict[str, Any], *, source: str = "acme", age: int = 1) -> Webhook:
    """A body as it is kept, received so many days ago."""
    return Webhook(
        source=source,
        id=body["id"],
        topic=body["type"],
        received_at=NOW - timedelta(days=age),
        body=json.dumps(body).encode(),
        identity=(dedupe_keys.signed_webhook_key(source, body["id"]),),
    )


def keep(folder: Path, *, source: str = "acme", ages: Sequence[int] = (9, 1, 1, 1)) -> None:
    """The bodies in a store, received so many days ago."""

    async def story() -> None:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        await store.keep([webhook_of(body, source=source, age=age) for body, age in zip(BODIES, ages, strict=True)])
        await applied(store)
        await store.close()

    asyncio.run(story())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old.yaml").write_text(MAPPING)
    keep(tmp_path)
    return tmp_path


def changed(folder: Path, *swaps: tuple[str, str]) -> None:
    """The new mapping: the old one with each text swapped."""
    text = MAPPING
    for before, after in swaps:
        assert before in text
        text = text.replace(before, after)
    (folder / "new.yaml").write_text(text)


def diff(folder: Path, *words: str, status: int = 0) -> Any:
    done = typed(folder, {}, "diff", "old.yaml", "new.yaml", *words, "--format", "json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_the_same_mapping_changes_nothing_and_the_totals_count_a_conversion_once(folder: Path) -> None:
    changed(folder)
    found = diff(folder, "--fail-on", "lost-events,changed-value")
    totals = {"events": {"purchase": 2}, "value": {"purchase": {"EUR": 30.5}}, "duplicates": 1}
    assert found == {
        "webhooks": 4,
        "changed": 0,
        "outcomes": [],
        "fields": [],
        "totals": {"before": totals, "after": totals},
        "faults": {"lost-events": 0, "changed-value": 0},
    }


def test_a_changed_value_is_told_with_samples_and_totals_and_can_fail(folder: Path) -> None:
    changed(folder, ("value: =body.total", 'value: "=multiply(body.total, `2`)"'))
    found = diff(folder)
    assert found["changed"] == 3
    assert found["outcomes"] == []
    assert found["fields"] == [
        {
            "event_type": "purchase",
            "field": "properties.value",
            "count": 3,
            "samples": [
                {"webhook": "wh_1", "before": "10", "after": "20"},
                {"webhook": "wh_2", "before": "20.5", "after": "41.0"},
                {"webhook": "wh_3", "before": "20.5", "after": "41.0"},
            ],
        }
    ]
    assert found["totals"]["before"]["value"] == {"purchase": {"EUR": 30.5}}
    assert found["totals"]["after"]["value"] == {"purchase": {"EUR": 61}}
    assert found["faults"] == {"lost-events": 0, "changed-value": 3}
    diff(folder, "--fail-on", "changed-value", status=1)
    diff(folder, "--fail-on", "lost-events")


def test_lost_events_are_told_by_outcome_with_the_reason_and_can_fail(folder: Path) -> None:
    changed(folder, ("when: =decimal", "when: =body.total < `20` && decimal"), ("topic: paid", "topic: [paid, x]"))
    found = diff(folder, "--fail-on", "changed-value")
    [outcome] = found["outcomes"]
    assert (outcome["before"], outcome["after"], outcome["count"]) == ("purchase", "ignored", 2)
    assert outcome["samples"][0] == {"webhook": "wh_2", "before": "", "after": "no rule's `when` held (new.yaml:11)"}
    assert found["faults"] == {"lost-events": 2, "changed-value": 0}
    assert found["totals"]["after"]["events"] == {"purchase": 1}
    diff(folder, "--fail-on", "lost-events", status=1)


def test_what_would_be_set_aside_is_told_with_its_place(folder: Path) -> None:
    changed(folder, ("value: =body.total", "value: =decimal(body.email)"))
    [outcome] = diff(folder)["outcomes"]
    assert outcome["after"] == "set aside"
    assert outcome["samples"][0]["after"].startswith("new.yaml:15:")


def test_a_personal_value_is_only_described(folder: Path) -> None:
    changed(folder, ("email: =body.email", "email: =body.mail, city: =body.currency"))
    done = typed(folder, {}, "diff", "old.yaml", "new.yaml")
    assert "ada@example.com" not in done.stdout + done.stderr
    fields = {one["field"]: one["samples"][0] for one in diff(folder)["fields"]}
    assert fields == {
        "user_data.email": {"webhook": "wh_1", "before": "text of 15 characters", "after": "absent"},
        "user_data.city": {"webhook": "wh_1", "before": "absent", "after": "text of 3 characters"},
    }


def test_since_takes_only_what_was_received_within_it(folder: Path) -> None:
    changed(folder)
    assert diff(folder, "--since", "7d")["webhooks"] == 3
    assert diff(folder, "--since", "2w")["webhooks"] == 4
    assert diff(folder, "--since", "1h")["webhooks"] == 0


def test_given_bodies_are_compared_without_a_store(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(MAPPING)
    changed(tmp_path, ("value: =body.total", "value: =negate(body.total)"))
    for name, body in zip(("one", "two"), BODIES, strict=False):
        (tmp_path / f"{name}.json").write_text(json.dumps(body))
    found = diff(tmp_path, "one.json", "two.json", "--fail-on", "changed-value", status=1)
    assert [one["webhook"] for one in found["fields"][0]["samples"]] == ["one.json", "two.json"]
    assert not (tmp_path / "trackbridge.db").exists()


def test_every_source_of_the_provider_is_compared_with_its_own_vars(folder: Path) -> None:
    keep(folder, source="shop")
    keep(folder, source="other")
    (folder / "bridge.yaml").write_text(
        "sources:\n  shop: {mapping: acme, vars: {minimum: '15'}}\n  other: {mapping: stripe}\n"
    )
    changed(folder)
    found = diff(folder, "--config", "bridge.yaml")
    assert found["webhooks"] == 8
    assert found["totals"]["before"]["events"] == {"purchase": 3}  # 10 is below the shop's own minimum


def test_the_new_mappings_vars_may_be_new_and_a_set_var_that_it_lost_is_told(folder: Path) -> None:
    (folder / "bridge.yaml").write_text("sources:\n  acme: {vars: {least: '15'}}\n")
    changed(folder, ("minimum", "least"))
    assert diff(folder, "--config", "bridge.yaml")["faults"]["lost-events"] == 1
    done = typed(folder, {}, "diff", "new.yaml", "old.yaml", "--config", "bridge.yaml")
    assert done.returncode == 1
    assert "acme has no var `least`" in done.stderr


def test_it_changes_nothing_in_the_store(folder: Path) -> None:
    changed(folder, ("event_type: purchase", "event_type: lead"))
    diff(folder)

    async def states() -> list[str]:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        try:
            assert await store.events(RowFilter()) == []
            return [str(row.state) for row in await store.webhooks(RowFilter())]
        finally:
            await store.close()

    assert asyncio.run(states()) == ["received"] * 4


def test_the_tables_tell_people_the_same(folder: Path) -> None:
    changed(folder, ("currency: =body.currency", "currency: GBP"))
    shown = trackbridge(folder, {}, "diff", "old.yaml", "new.yaml").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "4 webhooks, 3 of them changed"
    assert 'purchase properties.currency 3 wh_1 "EUR" "GBP"' in lines
    assert "purchase value, EUR 30.5 0" in lines
    assert "purchase value, GBP 0 30.5" in lines
    assert "duplicates 1 1" in lines


REFUNDS = """\
  - topic: refunded
    dedupe: =body.id
    recall: {event_type: purchase, dedupe: =body.order, take: [user_data, properties.currency]}
    event:
      event_type: refund
      properties: {order_id: =body.order, value: =body.total, currency: =body.currency}
"""
REFUNDED = {"type": "refunded", "id": "9", "order": "A", "total": 4}


def with_refunds(folder: Path, *, kept: Sequence[dict[str, Any]] = (), told: Sequence[dict[str, Any]] = ()) -> None:
    """A mapping that recalls; `kept` webhooks in a store of their own, and events that callers told it before."""
    (folder / "old.yaml").write_text(MAPPING + REFUNDS)
    (folder / "trackbridge.db").unlink(missing_ok=True)
    shutil.rmtree(folder / "trackbridge.db-inbox", ignore_errors=True)

    async def story() -> None:
        store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
        events = [
            contract.validate_event(raw, origin="key:shop", scope="acme", received_at=NOW, default_id=f"evt_{number}")
            for number, raw in enumerate(told)
        ]
        await store.accept_events([Routed(event, ()) for event in events], now=NOW)
        await store.keep([webhook_of(body) for body in kept])
        await applied(store)
        await store.close()

    asyncio.run(story())


def test_a_refund_recalls_what_its_own_side_made_of_the_purchase(folder: Path) -> None:
    with_refunds(folder, kept=[BODIES[0], REFUNDED])
    (folder / "new.yaml").write_text(
        (MAPPING + REFUNDS).replace("currency: =body.currency}\n      user", "currency: GBP}\n      user")
    )
    found = diff(folder)
    assert [(one["event_type"], one["field"], one["samples"]) for one in found["fields"]] == [
        ("purchase", "properties.currency", [{"webhook": "wh_1", "before": '"EUR"', "after": '"GBP"'}]),
        ("refund", "properties.currency", [{"webhook": "wh_2", "before": '"EUR"', "after": '"GBP"'}]),
    ]
    assert found["totals"]["before"]["value"] == {"purchase": {"EUR": 10}, "refund": {"EUR": 4}}
    assert found["totals"]["after"]["value"] == {"purchase": {"GBP": 10}, "refund": {"GBP": 4}}


def test_a_refund_recalls_what_the_store_holds_of_before(folder: Path) -> None:
    purchase = {"event_type": "purchase", "properties": {"order_id": "A", "value": 10, "currency": "CHF"}}
    with_refunds(folder, kept=[REFUNDED], told=[purchase])
    (folder / "new.yaml").write_text(
        MAPPING + REFUNDS.replace("take: [user_data, properties.currency]", "take: [user_id]")
    )
    found = diff(folder, "--fail-on", "lost-events", status=1)
    [outcome] = found["outcomes"]
    assert (outcome["before"], outcome["after"]) == ("refund", "set aside")
    assert found["totals"]["before"]["value"] == {"refund": {"CHF": 4}}


def test_of_given_bodies_a_refund_recalls_the_purchase_before_it(folder: Path) -> None:
    (folder / "new.yaml").write_text(MAPPING + REFUNDS)
    (folder / "old.yaml").write_text(MAPPING + REFUNDS)
    (folder / "paid.json").write_text(json.dumps(BODIES[0]))
    (folder / "refunded.json").write_text(json.dumps(REFUNDED))
    assert diff(folder, "paid.json", "refunded.json")["totals"]["before"]["value"] == {
        "purchase": {"EUR": 10},
        "refund": {"EUR": 4},
    }
    assert diff(folder, "refunded.json", "paid.json")["totals"]["before"]["events"] == {"purchase": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["old.yaml", "none.yaml"], "none.yaml: cannot be read"),
        (["old.yaml", "stripe"], "old.yaml is for acme, stripe for stripe"),
        (["old.yaml", "old.yaml", "--since", "7"], "--since takes a span such as 12h, 7d or 4w, got '7'"),
        (["old.yaml", "old.yaml", "--fail-on", "all"], "--fail-on takes lost-events, changed-value, got 'all'"),
        (["old.yaml", "acne"], "there is no mapping for `acne`"),
        (["old.yaml", "old.yaml", "--config", "none"], "none: cannot be read"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(folder: Path, words: list[str], said: str) -> None:
    done = typed(folder, {}, "diff", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("trackbridge: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_mapping_with_mistakes_is_shown_with_all_of_them(folder: Path) -> None:
    changed(folder, ("=body.total,", "=bdy.total,"), ("email: =body", "email: =boddy"))
    done = typed(folder, {}, "diff", "old.yaml", "new.yaml")
    assert done.returncode == 1
    assert done.stderr.count("new.yaml:") == 2
