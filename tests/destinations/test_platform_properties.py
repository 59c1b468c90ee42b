"""For any event that the track contract allows: its platform takes what is made of it, or it is skipped with a reason.

And nothing that names a person leaves in clear for advertising.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from platform_driver import CODES, declared, platform_of, with_token
from starlette.responses import Response as Answer
from upstreams.kinds import FAKES
from upstreams.platform import FakePlatform, Received

from bridge import contract
from bridge.core.delivery import Delivered, Delivery, DeliveryState, Mixed, Outgoing, Response, Unsent
from bridge.core.errors import NotAnEvent
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language.files import known_kinds

KINDS = sorted(known_kinds(None))
MARK = "zqxj"
"""Every value that names a person holds it, in some case."""
PHONE_DIGITS = "2015550123"
IN_CLEAR = {"tiktok": {"city", "state"}, "google_ads": {"postal_code"}, "reddit": {"state"}}
"""What a platform's page wants in clear. Country, address, browser, click ids and cookies go to all of them so."""
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
ODD = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.lists(TEXT, max_size=2)
)
CLICK = st.text("aZ9.-_", min_size=1, max_size=12)
WORD = st.sampled_from(["", " ", "-", "'s", "\u00e9", "\u6771\u4eac", "@x.example", "+tag", " Jr."])


def marked(shape: str) -> st.SearchStrategy[str]:
    return st.builds(shape.format, st.sampled_from([MARK, MARK.upper(), MARK.title()]), WORD)


PERSON = {
    "email": marked("{}{}@mail.example") | marked(" {}{}@gmail.com") | marked("{}{}") | st.just("a" * 64),
    "phone": st.sampled_from([f"+1{PHONE_DIGITS}", "(201) 555-0123", PHONE_DIGITS, "n/a", ""]),
    "first_name": marked("{}{}"), "last_name": marked("{}{}"), "city": marked("{}{}"), "state": marked("{}{}"),
    "postal_code": marked("{}{}"), "street": marked("{}{} 1"), "date_of_birth": marked("1990-{}{}"),
    "country": st.sampled_from(["US", "us", "DE", "UK", "Germany", "", "XX"]),
}  # fmt: skip
CONTEXT = {
    **dict.fromkeys(("gclid", "gbraid", "wbraid", "fbclid", "ttclid", "twclid", "msclkid", "li_fat_id"), CLICK),
    "ip": st.sampled_from(["203.0.113.9", "2001:db8::1", ""]), "user_agent": st.sampled_from(["Mozilla/5.0 (X11)", "Mozilla/5.0 \u00e9\r\nx: y", ""]),
    "page_url": st.sampled_from(["https://shop.example/a?email=zqxj@mail.example&utm_source=x#zqxj", "https://zqxj:zqxj@shop.example/", "shop", ""]),
    "referrer": st.sampled_from(["https://shop.example/?name=Zqxj", "", "x"]),
    "fbc": st.just("fb.1.1699990000000.AbC"), "fbp": st.just("fb.1.1699990000000.123"), "ga_client_id": st.sampled_from(["1.2", "GA1.1.12.34"]),
}  # fmt: skip
SEEN = {
    "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11)", "gclid": "g1", "twclid": "t1", "li_fat_id": "l1",
    "page_url": f"https://{MARK}:{MARK}@shop.example/a?email={MARK}@mail.example&utm_source=x#{MARK}",
}  # fmt: skip
"""By one of these any platform knows a browser."""
NUMBER = st.integers(-5, 10**6) | st.floats(-1e6, 1e6)
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "sku": TEXT | st.integers(0, 10**9), "id": TEXT | st.integers(0, 10**9), "item_id": ODD, "name": TEXT, "price": NUMBER, "quantity": NUMBER,
        "brand": TEXT, "category": TEXT, "color": ODD,
    },
)  # fmt: skip
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "order_id": TEXT, "value": st.integers(-1000, 10**9) | st.floats(-1e6, 1e12).map(lambda number: round(number, 2)),
        "currency": st.sampled_from(["USD", "EUR", "JPY", "KWD"]), "items": st.lists(ITEM, max_size=3), "tax": ODD, "shipping": ODD,
        "coupon": ODD, "search_term": ODD, "note": ODD,
    },
)  # fmt: skip
CONSENT = st.fixed_dictionaries(
    {"ads": st.sampled_from([True, "granted"]), "analytics": st.just(value=True)},
    optional={"personalization": st.booleans() | TEXT, "sale_opt_out": st.booleans()},
)
TYPES = [
    "purchase",
    "refund",
    "lead",
    "signup",
    "subscription",
    "begin_checkout",
    "add_to_cart",
    "view_item",
    "search",
    "page_view",
    "order_cancelled",
    "demo",
]


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    age = timedelta(seconds=draw(st.integers(60, 2 * 86_400)))
    event = {
        "event_type": draw(st.sampled_from(TYPES)),
        "event_id": draw(st.from_regex(r"[A-Za-z0-9_.:-]{1,128}", fullmatch=True)),
        "timestamp": (datetime.now(UTC) - age).isoformat(),
        "user_id": draw(st.none() | marked("{}{}")),
        "session_id": draw(st.none() | TEXT),
        "consent": draw(CONSENT),
        "properties": draw(st.none() | PROPERTIES),
        "user_data": draw(st.none() | st.fixed_dictionaries({}, optional=PERSON)),
        "context": draw(st.none() | st.fixed_dictionaries({}, optional=CONTEXT)),
    }
    return {name: value for name, value in event.items() if value is not None}


def carried(outgoing: Outgoing) -> Received:
    """The request as its platform gets it, without a socket."""
    outgoing = with_token(outgoing)
    parts = urlsplit(outgoing.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Received(outgoing.method, parts.path, query, dict(outgoing.headers), outgoing.body)


def answered(fake: FakePlatform, outgoing: Outgoing) -> Response:
    answer = fake.answer(carried(outgoing), "ok")
    assert isinstance(answer, Answer)
    return Response(
        answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, bytes(answer.body).decode()
    )


def fake_and_destination(kind: str) -> tuple[FakePlatform, DeclaredDestination]:
    fake = FAKES[kind]()
    fake.url = "http://127.0.0.1:1"
    every_type = (
        dict.fromkeys(TYPES, "=") if kind in {"segment", "posthog", "mixpanel", "amplitude", "webhook"} else None
    )
    return fake, declared(fake, **({"events": every_type} if every_type else {}), **CODES.get(kind, {}))


def told_in_clear(outgoing: Outgoing) -> str:
    """All that leaves, decoded, without accents of case."""
    body = json.dumps(json.loads(outgoing.body), ensure_ascii=False)
    return unquote_plus(f"{outgoing.url} {sorted(outgoing.headers.items())} {body}").lower()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_event_is_taken_or_skipped_with_a_reason(kind: str, data: st.DataObject) -> None:
    made = data.draw(st.lists(events(), min_size=1, max_size=3))
    fake, destination = fake_and_destination(kind)
    deliveries = [due for number, each in enumerate(made, 1) if (due := kept(number, each)) is not None]
    now = datetime.now(UTC)
    for one in destination.make_requests(deliveries, now=now):
        if isinstance(one, Unsent):
            assert all(update.state == DeliveryState.SKIPPED and update.reason for update in one.updates), one.updates
            continue
        outcome = destination.read_response(answered(fake, one), sent=len(one.deliveries), now=now)
        assert fake.faults == []
        assert all(
            isinstance(each, Delivered) for each in (outcome.outcomes if isinstance(outcome, Mixed) else [outcome])
        ), outcome


def kept(number: int, event: Mapping[str, Any]) -> Delivery | None:
    """The delivery of an event as the store would hold it; None for what the contract refuses."""
    now = datetime.now(UTC)
    try:
        one = contract.validate_event(dict(event), origin="key:one", scope="one", received_at=now, default_id="evt_0")
    except NotAnEvent:
        return None
    return Delivery(number, "it", one.id, one.text, 0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if platform_of(kind).parts.purpose == "ads"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(event=events(), known=st.fixed_dictionaries(PERSON), user_id=marked("{}{}"))
def test_nothing_that_names_a_person_leaves_in_clear_for_ads(
    kind: str, event: dict[str, Any], known: dict[str, str], user_id: str
) -> None:
    _, destination = fake_and_destination(kind)
    allowed = IN_CLEAR.get(kind, set())
    delivery = kept(
        1,
        event
        | {
            "event_type": "purchase",
            "user_id": user_id,
            "user_data": {name: value for name, value in known.items() if name not in allowed},
            "properties": {"order_id": "1", "value": 5, "currency": "EUR"} | event.get("properties", {}),
            "context": event.get("context", {}) | SEEN,
            "consent": {"ads": True},
        },
    )
    assume(delivery is not None)
    assert delivery is not None
    [made] = destination.make_requests([delivery], now=datetime.now(UTC))
    assert isinstance(made, Outgoing)
    told = told_in_clear(made)
    assert MARK not in told
    assert PHONE_DIGITS not in told


def test_the_marks_would_be_seen_where_persons_may_go() -> None:
    _, destination = fake_and_destination("klaviyo")
    event = {
        "event_type": "purchase",
        "event_id": "e1",
        "user_data": {"email": f"{MARK}@mail.example"},
        "consent": {"ads": True},
    }
    [one] = destination.make_requests([Delivery(1, "it", "e1", json.dumps(event).encode(), 0)], now=datetime.now(UTC))
    assert isinstance(one, Outgoing)
    assert MARK in told_in_clear(one)
