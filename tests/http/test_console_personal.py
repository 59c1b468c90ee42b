"""Personal data in the console: masked until somebody who may change asks for it, and each look is written down."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import pytest
from console_app import AUDITOR, OWNER, SAME_ORIGIN, Console, with_console
from shipped_bodies import shipped_webhooks
from store_made import webhook
from test_console_content import MARK, fill, marked_webhook

from bridge.core.json_text import Json
from bridge.http.console.exports import write_csv
from bridge.store.protocol import RowFilter


async def fill_marked(console: Console) -> list[str]:
    """Webhooks full of marked data; the pages of the first and of an event."""
    await fill(console.store, [marked_webhook(one) for one in shipped_webhooks("shopify")][:12])
    made = next(row for row in await console.store.webhooks(RowFilter()) if row.state == "translated")
    event = next(row for row in await console.store.events(RowFilter()) if row.webhook == made.id)
    return [f"/ui/webhooks/{made.id}", f"/ui/events/{event.id}"]


def test_it_is_shown_to_who_asks_and_may_and_each_look_is_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(console: Console) -> None:
        pages = await fill_marked(console)
        await console.log_in(OWNER)
        for seen, page in enumerate(pages, start=1):
            assert MARK not in (await console.client.get(page)).text
            answer = await console.client.post(f"{page}/personal", headers=SAME_ORIGIN)
            assert (answer.status_code, MARK in answer.text) == (200, True)
            assert answer.headers["cache-control"] == "no-store"
            taken = (await console.store.newest_actions(most=9))[0]
            assert (taken.who, taken.what, page.endswith(taken.subject)) == ("ines", "show personal data", True)
            assert len(await console.store.newest_actions(most=9)) == seen
            assert MARK not in (await console.client.get(page)).text, "it is masked again"
        assert MARK not in (await console.client.get("/ui/actions")).text

    with caplog.at_level(logging.INFO, "trackbridge"):
        with_console(tmp_path, story)
    assert caplog.text.count("show personal data") == 2
    assert MARK not in caplog.text


def test_nobody_else_sees_it_and_no_link_does_it(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        pages = await fill_marked(console)
        await console.log_in(AUDITOR)
        for page in pages:
            assert "Show personal data" not in (await console.client.get(page)).text
            answer = await console.client.post(f"{page}/personal", headers=SAME_ORIGIN)
            assert (answer.status_code, MARK in answer.text) == (403, False)
        await console.log_in(OWNER)
        for page in pages:
            assert "Show personal data" in (await console.client.get(page)).text
            answer = await console.client.get(f"{page}/personal")
            assert (answer.status_code, MARK in answer.text) == (405, False)
            answer = await console.client.post(f"{page}/personal", headers={"Sec-Fetch-Site": "cross-site"})
            assert (answer.status_code, MARK in answer.text) == (403, False)
        for missing in ("/ui/webhooks/wh_9999", "/ui/events/evt_none", f"/ui/webhooks/{pages[1][11:]}"):
            answer = await console.client.post(f"{missing}/personal", headers=SAME_ORIGIN)
            assert answer.status_code == 404
        assert await console.store.newest_actions(most=9) == ()

    with_console(tmp_path, story)


def test_an_export_is_masked_unless_it_is_asked_for_in_clear_and_then_written_down(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_marked(console)
        await console.log_in(AUDITOR)
        for what in ("webhooks", "events"):
            for form in ("csv", "json"):
                answer = await console.client.get(f"/ui/export/{what}.{form}")
                assert (answer.status_code, MARK in answer.text) == (200, False)
                refused = await console.client.post(f"/ui/export/{what}.{form}", headers=SAME_ORIGIN)
                assert refused.status_code == 403
        every = await console.store.webhooks(RowFilter())
        text = (await console.client.get("/ui/export/webhooks.csv")).text
        assert [row["id"] for row in csv.DictReader(text.splitlines())] == [row.id for row in every]
        some = (await console.client.get("/ui/export/webhooks.json?state=set_aside")).json()
        assert {row["state"] for row in some} == {"set_aside"}
        assert (await console.client.get("/ui/export/webhooks.csv?state=dead")).status_code == 400
        assert (await console.client.get("/ui/export/none.csv")).status_code == 404
        assert await console.store.newest_actions(most=9) == ()
        await console.log_in(OWNER)
        clear = await console.client.post("/ui/export/webhooks.csv?state=set_aside", headers=SAME_ORIGIN)
        assert (clear.status_code, MARK in clear.text) == (200, True)
        (taken,) = await console.store.newest_actions(most=9)
        assert (taken.who, taken.what, taken.count) == ("ines", "export personal data", len(some))

    with_console(tmp_path, story)


@pytest.mark.parametrize(
    ("value", "cell"), [("=1+1", "'=1+1"), ("-42.50 EUR", "-42.50 EUR"), ("-A1", "'-A1"), ('a,"b"', '"a,""b"""')]
)
def test_no_cell_of_a_csv_is_a_formula(value: str, cell: str) -> None:
    row: dict[str, Json] = dict.fromkeys(
        ("id", "at", "source", "word", "state", "more", "order", "value", "webhook", "delivery", "test"), ""
    )
    assert write_csv([row | {"more": value}]).splitlines()[1] == f",,,,,{cell},,,,,"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"id": 9007199254740993111}', "9007199254740993111"),
        (b"a=1&b=<b>", "a=1&amp;b=&lt;b&gt;"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_body_of_any_bytes_is_shown_as_it_came(tmp_path: Path, body: bytes, shown: str) -> None:
    async def story(console: Console) -> None:
        await fill(console.store, [webhook("1", body=body)])
        await console.log_in(OWNER)
        answer = await console.client.post("/ui/webhooks/wh_1/personal", headers=SAME_ORIGIN)
        assert shown in answer.text

    with_console(tmp_path, story)
