"""Finding an order, a person or an id in the console: what was typed is nowhere, and what is found is masked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import httpx
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from msgspec.structs import replace
from shipped_bodies import shipped_webhooks
from signed_requests import ORDER
from store_made import NOW
from test_console_content import fill

from bridge.http.console.find_page import describe_search
from bridge.store.protocol import RowFilter
from bridge.store.status_views import MOST_UNREAD, FoundRows

PERSON = "ada.byron@example.com"


async def find(console: Console, what: str) -> httpx.Response:
    return await console.client.post("/ui/find", data={"what": what}, headers=SAME_ORIGIN)


async def fill_with_order(console: Console) -> str:
    """A webhook that is set aside, and an order of a person; the id of the order's event."""
    by_topic = {one.topic: one for one in shipped_webhooks("shopify")}
    paid, other = by_topic["orders/paid"], by_topic["app/uninstalled"]
    body = ORDER | {"id": 70070070070, "name": "#1001", "email": PERSON, "contact_email": PERSON}
    await fill(console.store, [other, replace(paid, id="made-up-id", body=json.dumps(body).encode())])
    (event,) = await console.store.events(RowFilter())
    return event.id


def test_an_order_a_person_and_ids_are_found_and_nothing_personal_is_shown(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        event = await fill_with_order(console)
        await console.log_in(AUDITOR)
        for what in ("70070070070", "#1001", "1001", PERSON, f" {PERSON.upper()} ", "made-up-id", event):
            answer = await find(console, what)
            assert f"/ui/events/{event}" in answer.text, what
            assert "/ui/webhooks/wh_2" in answer.text, what
            assert "All that is kept was looked at" in answer.text
            assert PERSON not in f"{answer.headers}{answer.text}".lower(), "neither what was typed nor what was found"
        assert await console.store.newest_actions(most=9) == ()

    with_console(tmp_path, story)


def test_one_thing_alone_is_opened_and_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_with_order(console)
        await console.log_in(AUDITOR)
        assert "Type an order" in (await console.client.get("/ui/find")).text
        assert (await find(console, "wh_1")).headers["location"] == "/ui/webhooks/wh_1"
        assert "Nothing was found." in (await find(console, "nobody@example.com")).text
        for what, status in (("", 400), ("x", 400), ("\0\ud7ff<b>", 200), ("%", 400), ("x" * 9000, 400)):
            assert (await find(console, what)).status_code == status

    with_console(tmp_path, story)


def test_a_search_says_how_far_it_looked_and_what_is_not_indexed_yet() -> None:
    found = FoundRows((), (), 50_000, 50_000, 5000, NOW, 0)
    assert describe_search(found).endswith("; event ids, orders and e-mails of events at any age.")
    assert "but for 1,007 older events" in describe_search(dataclasses.replace(found, unread=1007))
    assert "but for 100,000 or more older events" in describe_search(dataclasses.replace(found, unread=MOST_UNREAD))
