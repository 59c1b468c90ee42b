"""`trackbridge explain` tells where a kept webhook's fields come from; `try` takes the earlier events that it printed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from peers import listed, serving, trackbridge, typed, until

from bridge.cli import main

SECRET = "whsec_made-up-for-this-test"
MAPPING = """\
mapping: 1
provider: acme
vars:
  kind: {default: purchase}
webhook:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id"]
  topic: ["json:/type"]
events:
  - topic: paid
    dedupe: =body.payment
    event:
      event_type: =source.vars.kind
      properties: {order_id: =body.order, value: =decimal(body.amount), currency: =body.currency}
      user_data: {email: =body.email}
  - topic: back
    dedupe: =body.id
    recall: {event_type: purchase, dedupe: =body.payment, take: [user_data, properties.currency]}
    event:
      event_type: refund
      properties: {order_id: =earlier.properties.order_id, value: =decimal(body.amount)}
"""
PAID = {
    "id": "1",
    "type": "paid",
    "payment": "p1",
    "order": "A7",
    "amount": "9.90",
    "currency": "eur",
    "email": "a@b.co",
}
BACK = {"id": "2", "type": "back", "payment": "p1", "amount": "9.90"}
SETTINGS = {"BRIDGE_MAPPINGS": "mappings", "BRIDGE_CONFIG": "bridge.yaml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "acme.yaml").write_text(MAPPING)
    (tmp_path / "paid.json").write_text(json.dumps(PAID))
    (tmp_path / "back.json").write_text(json.dumps(BACK))
    (tmp_path / "bridge.yaml").write_text("sources:\n  shop: {mapping: acme, scope: all-shops}\n")
    return tmp_path


@pytest.fixture
def kept(folder: Path) -> Path:
    """A store with a purchase (wh_1) and its refund (wh_2)."""
    with serving(folder, SETTINGS) as bridge:
        for number, name in enumerate(("paid", "back"), 1):
            assert typed(folder, SETTINGS, "send", "shop", f"{name}.json", "--to", bridge.url).returncode == 0
            until(lambda: len(listed(folder, "events")) == number, what=name)  # noqa: B023  asked before the next turn
        assert bridge.stop() == 0
    return folder


def explained(folder: Path, public_id: str) -> dict[str, Any]:
    found = typed(folder, SETTINGS, "explain", public_id, "--format", "json")
    assert found.stderr == ""
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def test_a_kept_webhook_is_explained_with_the_earlier_event_of_its_scope(kept: Path) -> None:
    said = typed(kept, SETTINGS, "explain", "wh_2")
    assert said.returncode == 0
    assert said.stdout.startswith("wh_2 of shop, received ")
    assert "UTC, kept as translated\n" in said.stdout
    assert "topic back: 1 event" in said.stdout
    assert 'properties.order_id = "A7"' in said.stdout
    assert "found the earlier purchase p1" in said.stdout
    assert "changed" not in said.stdout
    found = explained(kept, "wh_2")
    assert (found["id"], found["source"], found["state"], found["changed"]) == ("wh_2", "shop", "translated", False)
    [event] = found["events"]
    assert (event["event_type"], event["properties"]["order_id"]) == ("refund", "A7")


@pytest.mark.parametrize(
    ("old", "new"), [("=decimal(body.amount), c", "=number('1'), c"), ("topic: paid", "topic: other")]
)
def test_a_mapping_that_changed_since_is_said(kept: Path, old: str, new: str) -> None:
    path = kept / "mappings" / "acme.yaml"
    path.write_text(MAPPING.replace(old, new).replace("number('1')", "decimal('1')"))
    said = typed(kept, SETTINGS, "explain", "wh_1").stdout
    assert "this is by the mapping that made it; another one is in use now, by which it becomes something else" in said
    assert "`trackbridge replay wh_1 --dry-run`" in said
    assert "properties.value = 9.90" in said
    found = explained(kept, "wh_1")
    assert (found["changed"], found["mapping"]["made_it"], found["mapping"]["in_use"]) == (True, True, False)


def test_a_mapping_that_changed_and_makes_the_same_is_said(kept: Path) -> None:
    (kept / "mappings" / "acme.yaml").write_text(f"# a note\n{MAPPING}")
    assert "another one is in use now, by which it becomes the same" in typed(kept, SETTINGS, "explain", "wh_1").stdout


def test_a_replayed_webhook_is_explained_by_the_mapping_of_the_replay(kept: Path) -> None:
    before = explained(kept, "wh_1")["mapping"]
    assert (before["name"], before["made_it"], before["in_use"]) == ("acme.yaml", True, True)
    (kept / "mappings" / "acme.yaml").write_text(MAPPING.replace("currency: =body.currency", "currency: USD"))
    replayed = typed(kept, SETTINGS, "replay", "wh_1", "--send-again")
    assert replayed.returncode == 0, replayed.stderr
    found = explained(kept, "wh_1")
    assert (found["mapping"]["in_use"], found["events"][0]["properties"]["currency"]) == (True, "USD")
    assert found["mapping"]["sha256"] != before["sha256"]


def test_the_vars_of_the_source_count(kept: Path) -> None:
    (kept / "bridge.yaml").write_text("sources:\n  shop: {mapping: acme, scope: all-shops, vars: {kind: lead}}\n")
    found = explained(kept, "wh_1")
    assert (found["changed"], found["events"][0]["event_type"]) == (True, "lead")
    said = typed(kept, SETTINGS, "explain", "wh_1").stdout
    assert said.splitlines()[1].startswith(
        "the vars or the earlier events have changed since: by the mapping in use it"
    )


@pytest.mark.parametrize(
    ("public_id", "config", "error"),
    [
        ("wh_9", "bridge.yaml", "nothing has the id 'wh_9'"),
        ("dlv_9", "bridge.yaml", "nothing has the id 'dlv_9'"),
        (
            "wh_1",
            "other.yaml",
            "no source is called `shop` here; is BRIDGE_CONFIG or BRIDGE_MAPPINGS set as for serve?",
        ),
    ],
)
def test_what_cannot_be_explained_is_said_in_a_line(kept: Path, public_id: str, config: str, error: str) -> None:
    (kept / "other.yaml").write_text("sources: {}\n")
    settings = SETTINGS | {"BRIDGE_CONFIG": config}
    said = typed(kept, settings, "explain", public_id)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert error in said.stderr


def test_an_event_is_no_webhook(kept: Path) -> None:
    [event] = [row["id"] for row in listed(kept, "events") if row["event_type"] == "refund"]
    said = typed(kept, SETTINGS, "explain", event)
    assert "is no webhook: give an id wh_…" in said.stderr


def test_where_the_mapping_in_use_has_errors_the_kept_one_explains(kept: Path) -> None:
    (kept / "mappings" / "acme.yaml").write_text(MAPPING.replace("=body.email", "=bdy.email"))
    said = typed(kept, SETTINGS, "explain", "wh_1")
    assert said.returncode == 0
    assert "another one is in use now, by which it becomes something else" in said.stdout
    forget_mappings(kept)
    said = typed(kept, SETTINGS, "explain", "wh_1")
    assert said.returncode == 1
    assert "acme.yaml:15:27: unknown name 'bdy'" in said.stderr


def test_a_webhook_of_an_earlier_version_is_explained_by_the_mapping_in_use(kept: Path) -> None:
    forget_mappings(kept)
    assert explained(kept, "wh_1")["mapping"]["made_it"] is False
    path = kept / "mappings" / "acme.yaml"
    path.write_text(MAPPING.replace("=body.email", "lit@b.co"))
    said = typed(kept, SETTINGS, "explain", "wh_1").stdout
    assert (
        "the mapping, its vars or the earlier events have changed since: by the mapping in use it becomes what" in said
    )


def forget_mappings(folder: Path) -> None:
    """As a version left it that kept no mappings."""
    with closing(sqlite3.connect(next(folder.glob("*.db")))) as db, db:
        db.execute("UPDATE webhooks SET mapping = NULL")


def test_events_that_try_prints_as_json_are_the_earlier_events_of_another_body(folder: Path) -> None:
    settings = {"BRIDGE_MAPPINGS": "mappings"}
    printed = typed(folder, settings, "try", "acme", "paid.json", "--format", "json")
    (folder / "e.json").write_text(printed.stdout)
    made = typed(folder, settings, "try", "acme", "back.json", "--earlier", "e.json", "--format", "json")
    [refund] = json.loads(made.stdout)
    assert (refund["properties"]["order_id"], refund["properties"]["currency"]) == ("A7", "EUR")
    assert refund["user_data"] == {"email": "a@b.co"}


def test_an_earlier_event_with_keys_that_are_none_is_refused_in_a_line(folder: Path) -> None:
    (folder / "e.json").write_text('[{"event_type": "purchase", "conversion_keys": ["no hex"]}]')
    said = typed(folder, {"BRIDGE_MAPPINGS": "mappings"}, "try", "acme", "back.json", "--earlier", "e.json")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert said.stderr.startswith("trackbridge: --earlier e.json: ")


@pytest.mark.parametrize("words", [("try", "shopify", "paid.json"), ("example", "add", "shopify", "paid.json")])
def test_a_topic_that_no_body_holds_is_asked_for(
    folder: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(words) == 1
    assert capsys.readouterr().err == (
        "trackbridge: Shopify says its topic in the header X-Shopify-Topic, not in the body: give it with --topic, "
        "such as --topic orders/paid\n"
    )


DEFERRING = """
  - topic: intent
    dedupe: =body.payment
    rank: 10
    defer_to: {event_type: purchase, dedupe: =body.payment, wait: 50m}
    event:
      event_type: purchase
      properties: {order_id: =body.payment, value: =decimal(body.amount), currency: eur}
"""


def decided(folder: Path) -> int:
    """How many webhooks were translated, or wait."""
    return len([one for one in listed(folder, "webhooks") if one["state"] != "received" or one["reason"]])


def test_a_rule_that_defers_says_to_whom_until_when_and_what_came_of_it(folder: Path) -> None:
    ranked = MAPPING.replace(
        "    dedupe: =body.payment\n    event:", "    dedupe: =body.payment\n    rank: 20\n    event:"
    )
    (folder / "mappings" / "acme.yaml").write_text(ranked.replace("=source.vars.kind", "purchase") + DEFERRING)
    bodies = PAID, PAID | {"id": "3", "type": "intent"}, PAID | {"id": "4", "type": "intent", "payment": "p2"}
    with serving(folder, SETTINGS) as bridge:
        for number, body in enumerate(bodies, 1):
            (folder / "one.json").write_text(json.dumps(body))
            assert typed(folder, SETTINGS, "send", "shop", "one.json", "--to", bridge.url).returncode == 0
            until(lambda: decided(folder) == number, what="its decision")  # noqa: B023  asked before the next turn
        assert bridge.stop() == 0
    told, waiting = (typed(folder, SETTINGS, "explain", public_id).stdout for public_id in ("wh_2", "wh_3"))
    assert "defer_to: left to paid, for 50m, until 20" in told
    assert "wh_1 tells it, so this webhook does not" in told
    assert "looked for p2" in waiting
    assert "no other webhook has told it: this one does, once that time is over" in waiting
    [rule] = explained(folder, "wh_2")["rules"]
    assert (rule["defer_to"]["told_by"], rule["defer_to"]["topics"]) == ("wh_1", ["paid"])


def test_the_help_names_it(tmp_path: Path) -> None:
    assert "explain" in trackbridge(tmp_path, {}, "--help").stdout
