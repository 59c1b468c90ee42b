"""By hand: a dry run changes nothing, and what was made is only written over and sent twice on wish."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from store_made import applied, apply_log, claim_rows, complete

from bridge.cli import main
from bridge.core import dedupe_keys
from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.model import Route as To
from bridge.core.model import Routed, SetAside, Translated, Webhook
from bridge.store.engines import open_store
from bridge.store.protocol import EventDetail, Outcome, Pacing, RowFilter, Store

NOW = datetime.now(UTC)
MAPPING = """\
mapping: 1
provider: shop
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{body}"}
  topic: [header:X-Topic]
events:
  - topic: made
    dedupe: =body.id
    event: {event_type: thing, properties: {a: =body.a}}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a mapping, which the settings name."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "shop.yaml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_MAPPINGS", str(tmp_path / "mappings"))
    monkeypatch.setenv("BRIDGE_STORE", f"sqlite:///{tmp_path / 'a.db'}")
    monkeypatch.setenv("BRIDGE_TRACK_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("BRIDGE_TRACK_KEY", "k")
    monkeypatch.setenv("SHOP_WEBHOOK_SECRET", "s")
    asyncio.run(_kept(tmp_path))


async def _kept(tmp_path: Path) -> None:
    from bridge import mapping  # noqa: PLC0415  only here

    source = mapping.parse_mapping(MAPPING.replace("a: =body.a", "a: old"), name="shop.yaml").bind_source(
        "shop", secrets=["s"], vars={}
    )
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    for name in ("fine", "broken"):
        content = json.dumps({"id": name, "a": "new"}).encode()
        await store.keep([Webhook("shop", name, "made", NOW, content, (dedupe_keys.signed_webhook_key("shop", name),))])
    await apply_log(store, limit=9)
    for webhook in await claim_rows(store, now=NOW, limit=9, lease=timedelta(minutes=1)):
        made = source.translate(webhook)
        assert isinstance(made, Translated)
        routed = tuple(Routed(one, (To("track"),)) for one in made.events)
        await complete(store, [Outcome(webhook, routed if webhook.id == "fine" else SetAside("line 3"))], now=NOW)
    await store.close()


def told(tmp_path: Path) -> tuple[list[str], list[bytes]]:
    """The webhooks' states, newest first, and what the events say."""

    async def asked(store: Store) -> tuple[list[str], list[bytes]]:
        texts = [
            one.text
            for row in await store.events(RowFilter())
            for one in await store.show_detail(row.id)
            if isinstance(one, EventDetail)
        ]
        states = [row.state.value for row in await store.webhooks(RowFilter())]
        await store.close()
        return states, texts

    return asyncio.run(asked(open_store(f"sqlite:///{tmp_path / 'a.db'}")))


def deliver_all(tmp_path: Path) -> None:
    """Every delivery that is due was made."""

    async def delivered(store: Store) -> None:
        pacing = Pacing(9, 1, timedelta(), timedelta(minutes=1))
        found = await store.claim_deliveries("track", now=NOW, pacing=pacing)
        assert found
        done = [DeliveryUpdate(one.number, DeliveryState.DELIVERED) for one in found.deliveries]
        await store.record_attempt(
            found,
            Attempt("track", NOW, timedelta(), 200, "delivered", ""),
            done,
            found.destination_state,
            now=NOW,
        )
        await store.close()

    asyncio.run(delivered(open_store(f"sqlite:///{tmp_path / 'a.db'}")))


def test_a_dry_run_says_how_many_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = told(tmp_path)
    assert main(["replay", "--reason", "line 3", "--since", "7d", "--dry-run"]) == 0
    assert "would replay 1 webhook\n" in capsys.readouterr().out
    assert told(tmp_path) == before


def test_a_filter_replays_what_it_names(tmp_path: Path) -> None:
    assert main(["replay", "--reason", "line 3"]) == 0
    assert told(tmp_path)[0] == ["received", "translated"]


def test_who_replayed_and_retried_what_is_kept(tmp_path: Path) -> None:
    assert main(["replay", "--reason", "line 3"]) == 0
    assert main(["replay", "--reason", "nothing has this"]) == 0

    async def asked(store: Store) -> list[tuple[str, int]]:
        found = [*await store.actions_on("reason line 3"), *await store.actions_on("reason nothing has this")]
        await store.close()
        return [(one.what, one.count) for one in found]

    assert asyncio.run(asked(open_store(f"sqlite:///{tmp_path / 'a.db'}"))) == [("replay", 1)]


def test_replay_of_what_was_never_sent_makes_it_what_the_mapping_makes_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "wh_1"]) == 0
    assert "was not sent yet, and is sent as the mapping makes it now" in capsys.readouterr().out
    [text] = told(tmp_path)[1]
    assert json.loads(text)["properties"] == {"a": "new"}
    assert main(["replay", "wh_1"]) == 0
    assert "makes the same" in capsys.readouterr().out


def test_replay_of_what_was_sent_shows_the_difference_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver_all(tmp_path)
    before = told(tmp_path)
    assert main(["replay", "wh_1"]) == 0
    shown = capsys.readouterr().out
    assert '-    "a": "old"' in shown
    assert '+    "a": "new"' in shown
    assert "--send-again" in shown
    assert told(tmp_path) == before


def test_send_again_writes_the_event_over_and_makes_its_delivery_due(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "wh_1", "--send-again"]) == 0
    assert "sent again, 1 due" in capsys.readouterr().out
    [text] = told(tmp_path)[1]
    assert json.loads(text)["properties"] == {"a": "new"}


async def _taken_first(tmp_path: Path) -> str:
    """A webhook whose event's id a caller used before; the id that the event got."""
    from bridge import mapping  # noqa: PLC0415  only here

    source = mapping.parse_mapping(MAPPING, name="shop.yaml").bind_source("shop", secrets=["s"], vars={})
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    content = b'{"id":"third","a":1}'
    await store.keep(
        [Webhook("shop", "third", "made", NOW, content, (dedupe_keys.signed_webhook_key("shop", "third"),))]
    )
    await apply_log(store, limit=9)
    (webhook,) = await claim_rows(store, now=NOW, limit=9, lease=timedelta(minutes=1))
    made = source.translate(webhook)
    assert isinstance(made, Translated)
    (event,) = made.events
    await store.accept_events(
        [Routed(structs.replace(event, origin="key:web", id_scope="scope:track", conversion_keys=()), ())], now=NOW
    )
    ((accepted,),) = await complete(store, [Outcome(webhook, (Routed(event, (To("track"),)),))], now=NOW)
    assert accepted.given_event_id == event.id
    await store.close()
    return accepted.event_id


def test_an_event_that_got_another_id_keeps_it_in_the_difference_and_when_it_is_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called = asyncio.run(_taken_first(tmp_path))
    assert main(["replay", "wh_3", "--send-again"]) == 0
    shown = capsys.readouterr().out
    assert "wh_3: makes the same" in shown
    assert "sent again, 1 due" in shown
    assert json.loads(told(tmp_path)[1][0])["event_id"] == called
    assert main(["show", called]) == 0
    assert "names another event" in capsys.readouterr().out


def test_a_dry_run_of_send_again_changes_nothing(tmp_path: Path) -> None:
    before = told(tmp_path)
    assert main(["replay", "wh_1", "--send-again", "--dry-run"]) == 0
    assert told(tmp_path) == before


def test_a_span_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", "--since", "soon"]) == 1
    assert "--since takes a span such as 12h" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------- one set of filters


def counted(capsys: pytest.CaptureFixture[str], *words: str) -> int:
    """How many rows a list has."""
    assert main(["list", *words, "--format", "json"]) == 0
    return len(json.loads(capsys.readouterr().out))


def test_a_list_takes_every_filter_that_retry_and_replay_take(capsys: pytest.CaptureFixture[str]) -> None:
    for what, found in (("webhooks", 1), ("events", 1), ("deliveries", 1)):
        for words in (["--destination", "track"], ["--source", "shop", "--destination", "track"]):
            assert counted(capsys, what, *words) == found
        for words in (["--source", "nobody"], ["--destination", "nowhere"], ["--reason", "no such words"]):
            assert counted(capsys, what, *words) == 0
    assert counted(capsys, "webhooks", "--reason", "line 3") == 1
    assert counted(capsys, "webhooks", "--since", "1h") == 2
    assert counted(capsys, "webhooks", "--state", "set_aside", "--reason", "line 3", "--since", "30m") == 1


def test_since_leaves_out_what_came_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def kept(store: Store) -> None:
        old = Webhook(
            "shop", "old", "made", NOW - timedelta(hours=2), b"{}", (dedupe_keys.signed_webhook_key("shop", "old"),)
        )
        await store.keep([old])
        await applied(store)
        await store.close()

    asyncio.run(kept(open_store(f"sqlite:///{tmp_path / 'a.db'}")))
    assert counted(capsys, "webhooks") == 3
    assert counted(capsys, "webhooks", "--since", "1h") == 2
    assert counted(capsys, "webhooks", "--since", "3h") == 3


@pytest.mark.parametrize("words", [["list", "events"], ["retry"], ["replay"], ["diff", "shop", "shop"]])
def test_a_span_means_the_same_and_is_refused_the_same_everywhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--since", "12parsecs"]) == 1
    assert "--since takes a span such as 12h, 7d or 4w, got '12parsecs'" in capsys.readouterr().err


def test_a_state_narrows_what_is_retried_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", "--state", "pending", "--dry-run"]) == 0
    assert "would send again 1 delivery\n" in capsys.readouterr().out
    assert main(["retry", "--state", "delivered", "--dry-run"]) == 0
    assert "would send again 0 deliveries\n" in capsys.readouterr().out
    assert main(["replay", "--state", "ignored", "--dry-run"]) == 0
    assert "would replay 0 webhooks\n" in capsys.readouterr().out
    assert main(["replay", "--state", "odd", "--dry-run"]) == 1
    assert "no webhook can be 'odd'; its states are received, translated" in capsys.readouterr().err
    assert main(["retry", "--all-dead", "--state", "pending"]) == 1
    assert "--all-dead and --state pending are two wishes; leave one out" in capsys.readouterr().err


def test_a_dry_run_counts_what_the_run_then_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deliver_all(tmp_path)
    assert main(["retry", "dlv_1", "--dry-run"]) == 0
    assert "would send again 0 deliveries\n" in capsys.readouterr().out
    assert main(["retry", "dlv_1"]) == 0
    assert "0 deliveries due now" in capsys.readouterr().out
    assert main(["retry", "dlv_99", "--dry-run"]) == 1
    assert "there is no delivery 'dlv_99'" in capsys.readouterr().err


def test_webhooks_that_made_events_are_left_while_the_others_of_a_filter_are_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver_all(tmp_path)
    assert main(["replay", "--source", "shop"]) == 0
    shown = capsys.readouterr().out
    assert "1 webhook received again" in shown
    assert "1 webhook left as made" in shown
    assert told(tmp_path)[0] == ["received", "translated"]
