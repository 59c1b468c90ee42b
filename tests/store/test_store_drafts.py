"""A draft of a mapping stays until its person drops it, one for each person and mapping."""

from __future__ import annotations

from dataclasses import replace

from store_made import NOW, Tell, after

from bridge.store.protocol import Store
from bridge.store.status_views import MappingDraft

DRAFT = MappingDraft("stripe", "ada", NOW, b"a" * 32, b"mapping: 1\n")


def test_a_draft_takes_the_place_of_the_one_before_and_keeps_what_it_was_begun_from(tell: Tell) -> None:
    async def story(store: Store) -> None:
        others = replace(DRAFT, who="bob"), replace(DRAFT, mapping="shopify")
        for one in (DRAFT, *others):
            await store.keep_draft(one)
        later = replace(DRAFT, at=after(5), begun_from=b"b" * 32, text=b"mapping: 1 # better\n")
        await store.keep_draft(later)
        first, *rest = await store.read_drafts()
        assert first == replace(later, begun_from=DRAFT.begun_from)
        assert set(rest) == set(others)

    tell(story)


def test_only_the_draft_of_that_person_is_dropped(tell: Tell) -> None:
    async def story(store: Store) -> None:
        await store.keep_draft(DRAFT)
        assert not await store.drop_draft("stripe", who="bob")
        assert await store.drop_draft("stripe", who="ada")
        assert not await store.drop_draft("stripe", who="ada")
        assert await store.read_drafts() == ()

    tell(story)
