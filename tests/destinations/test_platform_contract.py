"""What every shipped platform holds to, over its fake: nothing is lost, nothing told twice, nothing refused in silence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from platform_driver import CODES, GRANTED, Round, declared, drive, faked, make_event, options_of, platform_of
from upstreams.kinds import FAKES

from bridge.core.delivery import Delivery, Outgoing
from bridge.core.errors import SettingsError
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.engine.requests import Item
from bridge.destinations.language.files import known_kinds

KINDS = sorted(known_kinds(None))
SILENT = {"ga4", "segment", "posthog"}
"""They answer 2xx to whatever they drop."""
TOKENLESS = {"ga4", "plausible"}
"""They know no token, or answer a wrong one like a right one."""
WORDLESS = {"ga4", "klaviyo", "plausible", "webhook"}
"""They answer success without a body that says anything: any 2xx is one."""
TAKES_NOTHING_IN_TESTS = {"ga4", "google_ads", "pinterest", "snapchat", "openai_ads", "reddit"}
"""Platforms that can judge an event and take none."""

over_all = pytest.mark.parametrize("kind", KINDS)


def batch_of(kind: str) -> int:
    return platform_of(kind).parts.limits.events


def purpose_of(kind: str) -> str:
    return platform_of(kind).parts.purpose


def three(kind: str) -> list[dict[str, Any]]:
    return [make_event("evt-1"), make_event("evt-bad"), make_event("evt-3")]


def secrets_of(destination: DeclaredDestination, options: dict[str, Any]) -> list[str]:
    return [str(options[name]) for name in destination.platform.parts.secrets if options.get(name)]


def test_every_shipped_platform_has_its_fake() -> None:
    assert set(KINDS) <= FAKES.keys()
    assert KINDS


@over_all
def test_good_events_are_all_delivered_and_nothing_is_wrong_with_them(kind: str) -> None:
    with faked(kind) as fake:
        done = drive(declared(fake), three(kind))
    assert fake.faults == []
    assert done.fate == dict.fromkeys(["evt-1", "evt-bad", "evt-3"], "delivered")
    assert len(fake.taken) == 3
    assert len(done.outgoing) == (1 if batch_of(kind) > 1 else 3)


@over_all
def test_one_bad_event_in_the_middle_costs_only_itself(kind: str) -> None:
    with faked(kind) as fake:
        fake.dislikes = "evt-bad"
        done = drive(declared(fake), three(kind))
    assert fake.faults == []
    assert (done.fate["evt-1"], done.fate["evt-3"]) == ("delivered", "delivered")
    assert len(fake.taken) == 2
    if kind not in SILENT:
        assert done.fate["evt-bad"] == "rejected"
        assert "of no use today" in done.reasons["evt-bad"] or kind in {"plausible", "amplitude", "matomo"}


@over_all
def test_where_all_are_bad_each_is_rejected(kind: str) -> None:
    with faked(kind) as fake:
        fake.dislikes = "evt-"
        done = drive(declared(fake), three(kind))
    assert fake.taken == []
    assert set(done.fate.values()) == ({"delivered"} if kind in SILENT else {"rejected"})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in TOKENLESS])
def test_a_wrong_token_pauses_and_nothing_is_lost(kind: str) -> None:
    with faked(kind, ["token"]) as fake:
        destination = declared(fake)
        wrong = drive(destination, [make_event("evt-1")])
        right = drive(destination, [make_event("evt-1")])
    assert (wrong.fate, right.fate) == ({"evt-1": "pause"}, {"evt-1": "delivered"})
    assert wrong.reasons["evt-1"]
    assert len(fake.taken) == 1


@over_all
@pytest.mark.parametrize("mood", [429, 500, 502, 503])
def test_a_busy_or_broken_platform_is_tried_again(kind: str, mood: int) -> None:
    with faked(kind, [mood]) as fake:
        destination = declared(fake)
        first, then = (drive(destination, [make_event("evt-1")]) for _ in range(2))
    assert (first.fate, then.fate) == ({"evt-1": "retry"}, {"evt-1": "delivered"})
    assert len(fake.taken) == 1
    asked = first.responses[0].headers.get("retry-after")
    assert first.waits == ([timedelta(seconds=7)] if asked else [])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WORDLESS])
def test_a_page_in_place_of_an_answer_is_no_delivery(kind: str) -> None:
    with faked(kind, ["html"]) as fake:
        done = drive(declared(fake), three(kind)[: batch_of(kind)])
    assert set(done.fate.values()) == {"retry"}


@over_all
def test_an_answer_that_is_cut_is_never_a_delivery(kind: str) -> None:
    events = [make_event(f"evt-{number}") for number in range(min(batch_of(kind), 100))]
    with faked(kind, ["cut"]) as fake:
        done = drive(declared(fake), events)
    first = len(done.outgoing[0].deliveries)
    assert [done.fate[str(event["event_id"])] for event in events[:first]] == ["retry"] * first
    assert first == len(events)


@over_all
def test_a_redirect_pauses_and_is_not_followed(kind: str) -> None:
    with faked(kind, ["redirect"]) as fake:
        done = drive(declared(fake), [make_event("evt-1")])
    assert done.fate == {"evt-1": "pause"}
    assert fake.taken == []
    assert len(fake.received) == 1


@over_all
def test_what_may_have_been_taken_goes_again_as_the_same(kind: str) -> None:
    events = three(kind)[: min(batch_of(kind), 3)]
    with faked(kind, ["cut"]) as fake:
        destination = declared(fake)
        for _ in range(2):
            drive(destination, events)
    assert fake.faults == []
    assert len(fake.taken) == 2 * len(events)
    assert fake.taken[: len(events)] == fake.taken[len(events) :]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if platform_of(kind).parts.limits.oldest])
def test_an_event_that_grows_too_old_while_it_waits_is_skipped_and_holds_up_no_other(kind: str) -> None:
    oldest = platform_of(kind).parts.limits.oldest
    assert oldest is not None
    at, hour = datetime.now(UTC), timedelta(hours=1)
    old = make_event("evt-1", timestamp=(at - oldest + hour).isoformat(timespec="seconds"))
    with faked(kind) as fake:
        destination = declared(fake)
        before, later = drive(destination, [old], now=at), drive(destination, [old, make_event("evt-2")], now=at + hour)
    assert before.fate == {"evt-1": "delivered"}
    assert later.fate == {"evt-1": "skipped", "evt-2": "delivered"}
    assert later.reasons["evt-1"] == "too old"
    assert fake.faults == []


@over_all
def test_consent_decides(kind: str) -> None:
    denied = make_event("evt-1", consent={"ads": False, "analytics": False})
    unknown = make_event("evt-1", consent=None)
    with faked(kind) as fake:
        destination = declared(fake)
        no, silent = drive(destination, [denied]), drive(destination, [unknown])
        if purpose_of(kind) == "own":
            assert (no.fate, silent.fate) == ({"evt-1": "delivered"}, {"evt-1": "delivered"})
            return
        sent = drive(declared(fake, without_consent="send"), [unknown])
    assert (no.fate, no.reasons) == ({"evt-1": "skipped"}, {"evt-1": "no consent"})
    assert (silent.fate, silent.reasons) == ({"evt-1": "skipped"}, {"evt-1": "consent unknown"})
    assert sent.fate == {"evt-1": "delivered"}
    assert fake.faults == []
    assert len(fake.taken) == 1


@over_all
def test_a_person_who_opted_out_of_sale_is_limited_or_left_out(kind: str) -> None:
    with faked(kind) as fake:
        done = drive(declared(fake), [make_event("evt-1", consent=GRANTED | {"sale_opt_out": True})])
    assert fake.faults == []
    assert done.fate["evt-1"] in {"delivered", "skipped"}
    if purpose_of(kind) == "ads":
        sent = str(fake.taken)
        marks = ("LDU", "LMU", "'opt_out': True", "'limited_data_use': True")
        assert done.reasons["evt-1"] == "sale opted out" or any(mark in sent for mark in marks)


@over_all
def test_an_event_that_says_nothing_of_anybody_is_skipped_or_makes_a_faultless_request(kind: str) -> None:
    bare = make_event("evt-1", user_id=None, user_data=None, context=None)
    with faked(kind) as fake:
        done = drive(declared(fake), [bare])
    assert fake.faults == []
    assert done.fate["evt-1"] in {"delivered", "skipped"}
    if purpose_of(kind) == "ads":
        assert (done.fate["evt-1"], done.reasons["evt-1"]) == ("skipped", "no identifiers")


@over_all
def test_a_test_event_goes_to_a_test_destination_alone(kind: str) -> None:
    event = make_event("evt-1", test=True)
    with faked(kind) as fake:
        real = drive(declared(fake), [event])
        done = drive(declared(fake, test=True, **CODES.get(kind, {})), [event, make_event("evt-2")])
    assert (real.fate, done.fate) == ({"evt-1": "skipped"}, {"evt-1": "delivered", "evt-2": "skipped"})
    assert fake.faults == []
    assert len(fake.taken) == (0 if kind in TAKES_NOTHING_IN_TESTS else 1)
    code = next(iter(CODES.get(kind, {}).values()), "")
    assert code in str(fake.received[-1].body)


@pytest.mark.parametrize("kind", sorted(CODES.keys() & set(KINDS)))
def test_a_test_destination_without_its_code_sends_nothing(kind: str) -> None:
    with faked(kind) as fake:
        done = drive(declared(fake, test=True), [make_event("evt-1", test=True)])
    assert done.fate == {"evt-1": "skipped"}
    assert "test" in done.reasons["evt-1"]
    assert fake.received == []


@over_all
def test_no_secret_is_in_an_address_a_name_or_a_reason(kind: str) -> None:
    def told(done: Round) -> str:
        return str([done.fate, done.reasons])

    with faked(kind, ["token", 503, "redirect", {"bad": [0]}]) as fake:
        options, destination = options_of(fake), declared(fake)
        rounds = [drive(destination, [make_event("evt-1")]) for _ in range(4)]
    seen = f"{destination.address} {destination!r} {[told(done) for done in rounds]}"
    for secret in secrets_of(destination, options):
        assert secret not in seen


ORDER_ID = {
    "google_ads": "transactionId", "meta": "event_id", "ga4": "transaction_id", "tiktok": "event_id",
    "pinterest": "event_id", "snapchat": "event_id", "linkedin": "eventId", "reddit": "conversion_id",
    "x": "conversion_id", "microsoft": "eventId", "openai_ads": "id",
}  # fmt: skip
"""What each platform recognises the conversion of an order by."""


@pytest.mark.parametrize("kind", sorted(ORDER_ID))
def test_a_later_payment_of_an_order_has_an_id_of_its_own_and_the_first_one_the_order_id(kind: str) -> None:
    with faked(kind) as fake:
        destination = declared(fake)
        text = json.dumps(make_event("evt-1")).encode()
        sent = [
            made.body.decode()
            for nth in (1, 2)
            for made in destination.make_requests(
                [Delivery(nth, "it", "evt-1", text, 0, of_order=nth)], now=datetime.now(UTC)
            )
            if isinstance(made, Outgoing)
        ]
    assert [f'"{ORDER_ID[kind]}":"order-evt-1"' in body for body in sent] == [True, False]
    assert [f'"{ORDER_ID[kind]}":"order-evt-1.2"' in body for body in sent] == [False, True]


def test_two_shops_that_count_alike_are_two_conversions_at_the_platform_with_a_prefix() -> None:
    text = json.dumps(make_event("evt-1")).encode()
    with faked("meta") as fake:
        made = [
            declared(fake, **more).decide_item(text, now=datetime.now(UTC), of_order=nth)
            for more, nth in (({}, 1), ({"order_prefix": "eu-"}, 1), ({"order_prefix": "eu-"}, 2))
        ]
    ids = [one.content["event_id"] for one in made if isinstance(one, Item)]
    assert ids == ["order-evt-1", "eu-order-evt-1", "eu-order-evt-1.2"]


@pytest.mark.parametrize(
    ("kind", "prefix", "words"),
    [("meta", "a b", "order_prefix must be 1 to 32 letters"), ("posthog", "eu-", "names no conversion by its order")],
)
def test_a_prefix_that_can_be_none_or_would_change_nothing_is_refused(kind: str, prefix: str, words: str) -> None:
    with faked(kind) as fake, pytest.raises(SettingsError, match=words):
        declared(fake, order_prefix=prefix)


def test_each_refund_of_an_order_has_the_id_that_ga4_knows_its_purchase_by() -> None:
    refund = json.dumps(make_event("evt-1", event_type="refund")).encode()
    with faked("ga4") as fake:
        made = [declared(fake).decide_item(refund, now=datetime.now(UTC), of_order=nth) for nth in (1, 2)]
    ids = [one.content["events"][0]["params"]["transaction_id"] for one in made if isinstance(one, Item)]
    assert ids == ["order-evt-1", "order-evt-1"]


@pytest.mark.parametrize(("kind", "most"), [("ga4", 100), ("google_ads", 512)])
def test_payments_of_orders_with_ids_that_are_too_long_for_the_platform_stay_apart(kind: str, most: int) -> None:
    first, other = (make_event("evt-1", properties={"order_id": "n" * 600 + end}) for end in ("1", "2"))
    with faked(kind) as fake:
        destination = declared(fake)
        made = [
            destination.decide_item(json.dumps(event).encode(), now=datetime.now(UTC), of_order=nth)
            for event, nth in ((first, 1), (first, 2), (first, 3), (other, 1), (first, 1))
        ]
    ids = [
        re.findall(rf'"{ORDER_ID[kind]}": "(n[^"]*)"', json.dumps(one.content)) for one in made if isinstance(one, Item)
    ]
    assert len(ids) == len(made)
    assert all(len(each) == most for [each] in ids)
    assert len({each for [each] in ids}) == 4
