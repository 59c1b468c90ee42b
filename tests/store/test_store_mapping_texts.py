"""The text of a mapping is kept once, and each webhook knows by which it became what it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_made import LEASE, NOW, Tell, applied, claim_rows, complete, keep, routed, webhook

from bridge.core.mapping_text import MappingText
from bridge.core.model import Ignored, SetAside
from bridge.store.in_steps import replay_all
from bridge.store.protocol import Outcome, RowFilter, Store, WebhookDetail

OLD = MappingText("shop.yaml", b"mapping: 1\n" + b"# made up\n" * 60)
NEW = MappingText("shop.yaml", b"mapping: 2\n")


async def text_of(store: Store, public_id: str) -> MappingText | None:
    (found,) = await store.show_detail(public_id)
    assert isinstance(found, WebhookDetail)
    return found.mapping


def test_a_webhook_keeps_the_text_of_the_mapping_that_made_it(tell: Tell, tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook("a"), webhook("b"), webhook("c")])
        batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        first, second, third = batch.webhooks
        await store.complete_batch(
            batch,
            [
                Outcome(first, (routed("evt_1"),), mapping=OLD),
                Outcome(second, Ignored("no rule"), mapping=OLD),
                Outcome(third, SetAside("no source is called shop any more")),
            ],
            now=NOW,
        )
        rows = await store.webhooks(RowFilter())
        assert [await text_of(store, row.id) for row in reversed(rows)] == [OLD, OLD, None]

    tell(story)


@pytest.mark.engines("sqlite")
def test_a_text_of_a_mapping_is_kept_once(tell: Tell, tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.keep([webhook("a"), webhook("b")])
        batch = await store.claim_batch(now=NOW, limit=9, lease=LEASE)
        outcomes = [Outcome(one, Ignored("no rule"), mapping=OLD) for one in batch.webhooks]
        await store.complete_batch(batch, outcomes, now=NOW)

    tell(story)
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        assert db.execute("SELECT count(*) FROM mapping_texts").fetchone() == (1,)


def test_a_replay_by_another_mapping_writes_its_text(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await applied(store)
        await keep(store, webhook("a"))
        (one,) = await claim_rows(store)
        await complete(store, [Outcome(one, (routed("evt_1"),), mapping=OLD)])
        name = f"wh_{one.number}"
        await replay_all(store, RowFilter(ids=(name,)), now=NOW)
        assert await text_of(store, name) == OLD
        (one,) = await claim_rows(store)
        await complete(store, [Outcome(one, (routed("evt_1"),), mapping=NEW)])
        assert await text_of(store, name) == NEW
        await store.rewrite_events(one.number, [routed("evt_1")], now=NOW, mapping=OLD)
        assert await text_of(store, name) == OLD

    tell(story)


@pytest.mark.parametrize("other", [MappingText("shop2.yaml", OLD.text), MappingText("shop.yaml", OLD.text + b"#")])
def test_a_digest_names_the_name_and_the_text(other: MappingText) -> None:
    assert other.digest != OLD.digest
    assert MappingText(OLD.name, OLD.text).digest == OLD.digest
