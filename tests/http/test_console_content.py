"""What the console's pages hold over the real application: no personal datum, no fault, and nothing changed by a look."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from console_app import AUDITOR, Console, with_console
from hypothesis import given
from hypothesis import strategies as st
from shipped_bodies import shipped_webhooks
from store_made import LEASE, NOW, webhook

from bridge.core.delivery import Attempt, DeliveryState, DeliveryUpdate
from bridge.core.json_text import parse_json
from bridge.core.model import Route, Routed, SetAside, Translated, Webhook
from bridge.http.console.body_lines import MOST_LINES, document_lines
from bridge.http.console.home import make_verdict
from bridge.http.console.mapping_lines import failed_line, mapping_lines
from bridge.http.console.masking import (
    mask_document,
    mask_text,
    shown_answer_reason,
    shown_key,
    shown_order,
    shown_reason,
    shown_word,
)
from bridge.http.console.words import value_words
from bridge.mapping.tools.personal_data import kind_of
from bridge.settings import Settings
from bridge.settings.sources import load_mappings, make_sources
from bridge.status.report import Coverage, DestinationStatus, Finding, SourceStatus, StatusReport
from bridge.store.protocol import Outcome, Pacing, RowFilter, Store
from bridge.store.views import FailureGroups

MARK = "Zqx"
"""What every personal datum of the made-up bodies contains, however it is written."""


# ------------------------------------------------------------------------------------------------------------ masking


def marked(value: Any, path: tuple[str, ...] = (), around: Any = None) -> Any:
    """A body with a mark in each value that is personal by its key or looks, and in more free texts of other keys."""
    match value:
        case dict():
            more = (
                {"note": f"{MARK} rings twice", "unheard_of": f"{MARK}elda", f"{MARK}@example.com": 1} if path else {}
            )
            return {key: marked(below, (*path, key), value) for key, below in value.items()} | more
        case list():
            return [marked(below, path, around) for below in value]
        case str() if kind_of(path, value, around or {}) is not None:
            return f"{MARK}{value}" if "@" not in value else f"{MARK}.{value}"
        case _:
            return value


@pytest.mark.parametrize("name", ["shopify", "stripe"])
def test_no_page_and_no_json_holds_a_personal_datum(tmp_path: Path, name: str) -> None:
    async def story(console: Console) -> None:
        await fill(console.store, [marked_webhook(one) for one in shipped_webhooks(name)])
        await console.log_in(AUDITOR)
        seen = 0
        async for path, text in every_page(console):
            assert MARK.lower() not in text.lower(), f"{path}: {around(text)}"
            seen += 1
        assert seen > 40

    with_console(tmp_path, story)


def around(text: str) -> str:
    at = text.lower().index(MARK.lower())
    return text[max(0, at - 80) : at + 40]


def marked_webhook(one: Webhook) -> Webhook:
    from msgspec.structs import replace  # noqa: PLC0415  for this alone

    body = json.dumps(marked(json.loads(one.body))).encode()
    return replace(one, body=body, headers=dict(one.headers) | {"x-note": f"{MARK}"})


async def fill(store: Store, webhooks: list[Webhook]) -> None:
    """Translate them by the shipped mappings; one delivery of each event is refused by an answer full of marks."""
    sources = make_sources(Settings(), load_mappings(None))
    await store.keep(webhooks)
    batch = await store.claim_batch(now=NOW, limit=1000, lease=LEASE)
    outcomes = []
    for one in batch.webhooks:
        source = sources[one.source]
        match source.translate(one):
            case Translated(events=events):
                routed = tuple(Routed(event, (Route("track"),)) for event in events)
                outcomes.append(Outcome(one, routed, mapping=source.mapping_text))
            case other:
                outcomes.append(Outcome(one, other, mapping=source.mapping_text))
    outcomes[0] = Outcome(outcomes[0].webhook, SetAside(f"shopify.yaml:1:2: '{MARK} {MARK}' is no number"))
    await store.complete_batch(batch, outcomes, now=NOW)
    answer = json.dumps({"error": f"{MARK} is unknown", "event": {"email": f"{MARK}@example.com"}})
    pacing = Pacing(1000, 1, timedelta(), LEASE)
    while claimed := await store.claim_deliveries("track", now=NOW, pacing=pacing):
        attempt = Attempt("track", NOW, timedelta(seconds=1), 400, "dead", answer)
        dead = [DeliveryUpdate(d.number, DeliveryState.DEAD, reason=f"400 {answer}") for d in claimed.deliveries]
        await store.record_attempt(claimed, attempt, dead, claimed.destination_state, now=NOW)


async def every_page(console: Console) -> AsyncIterator[tuple[str, str]]:
    webhooks = [f"/ui/webhooks/{row.id}" for row in await console.store.webhooks(RowFilter())]
    events = [f"/ui/events/{row.id}" for row in await console.store.events(RowFilter())]
    lists = ["/ui/webhooks", "/ui/events", "/ui/sources", "/ui/settings", "/ui/home"]
    tries = [f"/ui/mappings/{name}/try?state={state}" for name in ("shopify", "stripe") for state in ("", "set_aside")]
    for path in ["/ui/", "/ui/start?source=shopify", "/ui/webhooks/new?after=~0", *lists, *webhooks, *events, *tries]:
        for each in [path, *([] if path == "/ui/" or "?" in path else [f"{path}.json"])]:
            answer = await console.client.get(each)
            assert answer.status_code == (404 if each == "/ui/home" else 200), each
            yield each, answer.text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_document_is_masked_and_keeps_its_structure(document: Any) -> None:
    masked = mask_document(document)
    assert type(masked) is type(document) or isinstance(document, (int, Decimal))
    lines = document_lines(document)
    assert len(lines) <= MOST_LINES + 1


def test_what_is_no_persons_is_shown() -> None:
    body = {
        "id": 5678201931042, "name": "#1042", "total_price": "129.00", "currency": "EUR", "financial_status": "paid",
        "created_at": "2026-11-27T10:13:58+01:00", "test": False, "line_items": [{"sku": "LAMP-1", "quantity": 2}],
        "payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "country_code": "DE",
    }  # fmt: skip
    assert mask_document(body) == body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("email",), "m@example.com"), (("customer", "id"), 7654321), (("note",), "paid"), (("phone",), "+49 30 901820"),
        (("value",), "Ada"), (("status",), "Ada Byron"), (("loyalty",), 12345678), (("created_at",), "1984-05-06"),
        (("user_data", "country"), "DE"), (("context", "page_url"), "https://shop.test/"), (("session_id",), "1"),
        (("customer",), "cus_NffrFeUfNV2Hib"), (("lat",), Decimal("52.5")), (("currency",), "12"), (("title",), "Ada's"),
        (("birth_date",), "1984-05-06T00:00:00Z"), (("id",), "ada@example.com"),
    ],
)  # fmt: skip
def test_whatever_may_be_a_persons_is_masked(path: tuple[str, ...], value: Any) -> None:
    document: Any = value
    for key in reversed(path):
        document = {key: document}
    assert str(value) not in json.dumps(mask_document(document), default=str)


def test_the_value_of_a_named_element_is_judged_by_its_name() -> None:
    body = {"note_attributes": [{"name": "session_id", "value": "19"}, {"name": "quantity", "value": "2"}]}
    first, second = mask_document(body)["note_attributes"]
    assert (first["value"], second["value"]) == ("••", "2")


def test_texts_of_other_kinds_are_masked_by_their_form() -> None:
    assert mask_text("Ada <b>@x.test") == "••• •••@•.••••"
    assert shown_key("ada@example.com") == "•••@•••••••.•••"
    assert shown_word("orders/paid") == "orders/paid"
    assert shown_word("Ada Byron") == "••• •••••"
    assert (shown_order("A-1001"), shown_order("#Ada"), shown_order(None)) == ("A-1001", "••••", "")
    assert (
        shown_reason("a.yaml:31:16: 'Ada' of ada@x.test is no number 123456") == "a.yaml:31:16: … of … is no number …"
    )
    assert (
        shown_reason("a.yaml:3:1: `properties.value` of `Ada` is required")
        == "a.yaml:3:1: `properties.value` of … is required"
    )


def test_of_an_answer_the_words_of_error_messages_are_shown_and_nothing_that_it_quotes() -> None:
    assert shown_answer_reason("422 Ada is unknown") == "422 ••• is unknown"
    said = "400 Invalid value of user_data.email: 'ada@x.test' of Ada Byron, Long Lane 7, is not hashed"
    shown = "400 Invalid value of user_data.email: '•••@•.••••' of ••• •••••, •••• •••• •, is not hashed"
    assert shown_answer_reason(said) == shown
    assert shown_answer_reason("400 " + "Ada " * 99) == "400 " + "••• " * 40 + "…"


# -------------------------------------------------------------------------------------------------------- the pages


def test_a_page_explains_by_the_mapping_that_made_the_event(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill(console.store, [next(one for one in shipped_webhooks("shopify") if one.topic == "orders/paid")] * 2)
        await console.log_in(AUDITOR)
        with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
            db.execute("UPDATE webhooks SET mapping = (SELECT number FROM mapping_texts)")
        assert "Another one is in use now" not in (await console.client.get("/ui/webhooks/wh_1")).text
        with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
            db.execute("UPDATE mapping_texts SET name = 'older.yaml'")
        page = (await console.client.get("/ui/webhooks/wh_1")).text
        assert "This is by the mapping that made it. Another one is in use now." in page
        assert "<h2>older.yaml</h2>" in page
        with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
            db.execute("UPDATE webhooks SET mapping = NULL")
        assert "It is not known by which mapping" in (await console.client.get("/ui/webhooks/wh_1")).text
        with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
            db.execute("UPDATE webhooks SET body = 99")
        page = (await console.client.get("/ui/webhooks/wh_1")).text
        assert "The body is gone: it was kept as long as BRIDGE_KEEP_BODIES says." in page

    with_console(tmp_path, story)


def test_the_line_that_a_webhook_was_set_aside_for_is_shown_and_marked() -> None:
    reason = "shopify.yaml:267:17: the text is no number"
    assert failed_line(reason, "shopify.yaml") == 267
    assert failed_line(reason, "other.yaml") is None
    assert failed_line(None, "shopify.yaml") is None
    text = "a: 1\nb: >-\n  =x\n\n  || y\nc: 2\n"
    shown = [(line.number, line.text, line.folded) for line in mapping_lines(text, {2}, {2: (7,)})]
    assert shown == [(2, "", 1), (2, "b: >-", 0), (3, "=x", 0), (5, "", 1), (5, "|| y", 0), (6, "", 1)]


@pytest.mark.parametrize(
    ("value", "currency", "words"),
    [("404.9", "EUR", "404.90 EUR"), ("5900", "JPY", "5900 JPY"), ("1.234", "KWD", "1.234 KWD"), (None, None, "")],
)
def test_an_amount_is_written_as_people_write_it(value: str | None, currency: str | None, words: str) -> None:
    assert value_words(value, currency) == words


def destination(*, paused: bool, delivered: int = 1) -> DestinationStatus:
    why = "401: wrong key" if paused else None
    return DestinationStatus("track", delivered, 0, None, 0, why, resumes_itself=False)


NEED = Finding("set_aside", "shop: 4 set aside")


@pytest.mark.parametrize(
    ("report", "tone", "text"),
    [
        (StatusReport(), "quiet", "Nothing has come in yet."),
        (StatusReport(destinations=(destination(paused=False, delivered=0),)), "quiet", "Nothing has come in yet."),
        (StatusReport(sources=(SourceStatus("shop", NOW, {}, 0),)), "good", "Nothing needs you."),
        (StatusReport(destinations=(destination(paused=False),)), "good", "Everything is getting through."),
        (StatusReport(destinations=(destination(paused=False),), needs=(NEED,)), "wait", "1 thing needs you."),
        (
            StatusReport(destinations=(destination(paused=True),), needs=(NEED, NEED)),
            "bad",
            "Nothing is getting through. 2 things need you.",
        ),
    ],
)
def test_the_verdict_says_what_is(report: StatusReport, tone: str, text: str) -> None:
    verdict = make_verdict(report)
    assert (verdict.tone, verdict.text) == (tone, text)


def test_no_failure_stands_below_a_first_line_that_knows_nothing_of_it(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        one = next(iter(shipped_webhooks("shopify")))
        await console.store.keep([webhook("one", body=one.body)])
        group_failures = console.store.group_failures

        async def failing_meanwhile(*, most: int) -> FailureGroups:
            batch = await console.store.claim_batch(now=NOW, limit=1, lease=LEASE)
            outcomes = [Outcome(each, SetAside("a mistake")) for each in batch.webhooks]
            await console.store.complete_batch(batch, outcomes, now=NOW)
            return await group_failures(most=most)

        console.store.group_failures = failing_meanwhile  # type: ignore[method-assign]
        await console.log_in(AUDITOR)
        page = (await console.client.get("/ui/")).text
        assert "1 set aside of shopify" in page
        assert re.search(r"<h2>\d+ things? needs? you", page), re.findall("<h2>[^<]*", page)

    with_console(tmp_path, story)


def test_the_verdict_says_how_many_are_on_their_way() -> None:
    report = StatusReport(
        destinations=(destination(paused=False),),
        coverage=Coverage(13, 1, {"pending": 3, "received": 1, "just kept": 1, "dead": 1}),
    )
    assert make_verdict(report).more == (
        "Of the newest 20 conversions, 13 were delivered and 1 ignored on purpose: 70.0%. 5 are on their way."
    )
    one = StatusReport(destinations=(destination(paused=False),), coverage=Coverage(3, 0, {"pending": 1}))
    assert make_verdict(one).more == "Of the newest 4 conversions, 3 were delivered: 75.0%. 1 is on its way."


def test_pages_follow_each_other_by_cursor_and_keep_the_filter(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        one = next(iter(shipped_webhooks("shopify")))
        many = [webhook(str(n), body=one.body) for n in range(120)]
        await console.store.keep(many)
        batch = await console.store.claim_batch(now=NOW, limit=1000, lease=LEASE)
        await console.store.complete_batch(batch, [Outcome(each, SetAside("x")) for each in batch.webhooks], now=NOW)
        await console.log_in(AUDITOR)
        seen, path = [], "/ui/webhooks?state=set_aside"
        while path:
            page = (await console.client.get(path)).text
            seen += re.findall(r">(wh_\d+)</a>", page)
            older = re.search(r'href="(\?[^"]*before[^"]*)"', page)
            assert older is None or "state=set_aside" in older[1]
            path = f"/ui/webhooks{older[1].replace('&amp;', '&')}" if older else ""
        assert seen == [f"wh_{n}" for n in range(120, 0, -1)]

    with_console(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ui/webhooks?state=dead", 400), ("/ui/webhooks?since=forever", 400), ("/ui/webhooks?before=%00", 400),
        ("/ui/webhooks?before=wh_x", 404), ("/ui/webhooks/evt_1", 404), ("/ui/events/wh_1", 404), ("/ui/none", 404),
        ("/ui/webhooks/new", 204), ("/ui/static/0/none.css", 404), ("/ui/static/0/..%2Fhome.py", 404),
        ("/ui/webhooks.json?state=dead", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_on_a_page(tmp_path: Path, path: str, status: int) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        answer = await console.client.get(path)
        assert answer.status_code == status, answer.text
        if path.endswith(".json?state=dead"):
            assert "`state` must be one of" in answer.json()["error"]

    with_console(tmp_path, story)


def test_no_look_changes_anything_and_nothing_breaks_a_page(tmp_path: Path) -> None:
    odd = ["", "~0", "~1", "wh_1", "evt_x", "%00", "%ff", "'", '"', "<b>", "a" * 3000, "..", "%F0%9F%92%A9", "-1", "1h"]
    paths = ["/ui/", "/ui/webhooks", "/ui/events", "/ui/webhooks.json", "/ui/events.json", "/ui/webhooks/new"]
    names = ["source", "state", "topic", "since", "before", "after", "next"]

    async def story(console: Console) -> None:
        await fill(console.store, list(shipped_webhooks("stripe"))[:9])
        await console.store.keep([webhook("x", source="x", body=b"\xff\x00")])
        await console.log_in(AUDITOR)
        await console.client.get("/ui/")
        with closing(sqlite3.connect(tmp_path / "a.db")) as db:
            before = db.execute("PRAGMA data_version").fetchone()
            for value in odd:
                asked = [f"{path}?{name}={value}" for path in paths for name in names]
                for each in [*asked, f"/ui/webhooks/{value}", f"/ui/events/{value}", f"/ui/webhooks/{value}.json"]:
                    answer = await console.client.get(each)
                    assert answer.status_code < 500, each
            assert db.execute("PRAGMA data_version").fetchone() == before
        assert (await console.store.state_counts()).unapplied == 1

    with_console(tmp_path, story)


def test_a_body_of_any_bytes_is_shown(tmp_path: Path) -> None:
    bodies = [
        b"",
        b"\xff\x00",
        b"a=1&email=ada%40example.com",
        b"[]",
        b"1e400",
        b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}",
    ]

    async def story(console: Console) -> None:
        made = [webhook(str(n), source="x", body=body) for n, body in enumerate(bodies)]
        await console.store.keep(made)
        batch = await console.store.claim_batch(now=NOW, limit=99, lease=LEASE)
        await console.store.complete_batch(
            batch, [Outcome(one, SetAside("no source")) for one in batch.webhooks], now=NOW
        )
        await console.log_in(AUDITOR)
        for number in range(1, len(bodies) + 1):
            for end in ("", ".json"):
                answer = await console.client.get(f"/ui/webhooks/wh_{number}{end}")
                assert (answer.status_code, "ada" in answer.text) == (200, False)

    with_console(tmp_path, story)


def test_numbers_keep_every_digit() -> None:
    lines = document_lines(parse_json(b'{"id": 9007199254740993111, "total": 404.90}'))
    assert [line.text for line in lines] == ["{", "9007199254740993111", "404.90", "}"]
