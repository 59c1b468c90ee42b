"""A destination that a file declares: which events it takes, the request that carries them, and its options."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from declaring import ACME, NOW, SECRET, acme, body, deliveries, document, event, outgoing, reasons
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier

from bridge.core.delivery import DeliveryState, Outgoing, Unsent
from bridge.core.errors import MappingError, SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.engine.event_view import clean_address
from bridge.destinations.kinds import make_destination
from bridge.destinations.language import parse_platform


def test_an_event_becomes_an_item_in_the_envelope() -> None:
    made = outgoing(acme(), document())
    assert made.url == "https://acme.example/p1/events"
    assert made.headers["authorization"] == f"Bearer {SECRET}"
    [item] = body(made)["data"]
    assert (item["name"], item["at"], item["id"], item["value"]) == ("Bought", 1780311600, "evt_1", 19.5)
    assert len(item["em"]) == 64
    assert "ip" not in item


def test_as_many_events_as_it_takes_share_a_request() -> None:
    made = acme().make_requests(deliveries(*[document()] * 7), now=NOW)
    assert [len(one.deliveries) for one in made] == [3, 3, 1]


def test_a_request_holds_no_more_bytes_than_the_platform_takes() -> None:
    one = acme(ACME.replace("events: 3", "events: 100, bytes: 1KiB"))
    made = one.make_requests(deliveries(*[document()] * 20), now=NOW)
    assert sum(len(each.deliveries) for each in made) == 20
    assert all(isinstance(each, Outgoing) and len(each.body) <= 1024 for each in made)


def test_items_of_one_request_agree_on_what_the_file_says() -> None:
    one = acme(ACME.replace("ahead: 5m", "ahead: 5m, together: =event.context.ga"))
    given_ = [document(context={"ga": ga}) for ga in ("1", "1", "2")]
    assert [len(each.deliveries) for each in one.make_requests(deliveries(*given_), now=NOW)] == [2, 1]


# ------------------------------------------------------------------------------------------------ which events


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"event_type": "refund"}, "refund is not among its events"),
        ({"consent": {"ads": False}}, "no consent"),
        ({"consent": {"ads": "denied"}}, "no consent"),
        ({"consent": {"ads": True, "sale_opt_out": True}}, "sale opted out"),
        ({"user_data": {}}, "no identifiers"),
        ({"user_data": {"email": "nobody"}, "context": {"ip": "192.0.2.1"}}, "no identifiers"),
    ],
)
def test_an_event_that_is_not_for_it_is_skipped_with_the_reason(more: dict[str, Json], reason: str) -> None:
    one = acme()
    assert one.skip_reason(event(**more)) == reason
    assert reasons(one, document(**more)) == [reason]


@pytest.mark.parametrize("consent", [None, {}, {"analytics": True}, {"ads": "maybe"}, {"ads": None}, {"ads": 1}])
def test_consent_that_nobody_gave_or_refused_is_unknown_and_never_yes(consent: Json) -> None:
    assert acme(without_consent="skip").skip_reason(event(consent=consent)) == "consent unknown"
    assert acme(without_consent="send").skip_reason(event(consent=consent)) is None


@pytest.mark.parametrize("word", [True, "granted", "GRANTED"])
def test_consent_that_was_given_is_sent(word: Json) -> None:
    assert acme(without_consent="skip").skip_reason(event(consent={"ads": word})) is None


@pytest.mark.parametrize(
    ("purpose", "consent", "reason"),
    [
        ("analytics", {"analytics": False, "ads": True}, "no consent"),
        ("analytics", {"analytics": True, "ads": False}, None),
        ("marketing", {"analytics": True, "ads": False}, "no consent"),
    ],
)
def test_the_purpose_says_which_consent_counts(purpose: str, consent: Json, reason: str | None) -> None:
    one = acme(ACME.replace("purpose: ads", f"purpose: {purpose}"), without_consent="skip")
    assert one.skip_reason(event(consent=consent)) == reason


def test_a_system_of_ones_own_asks_for_no_consent() -> None:
    own = parse_platform(ACME.replace("purpose: ads", "purpose: own"), name="acme.yaml")
    one = DeclaredDestination.from_options(own, "mine", {"pixel": "p1", "token": SECRET})
    assert one.skip_reason(event(consent={"ads": False})) is None


def test_tests_go_to_test_destinations_and_nowhere_else() -> None:
    assert acme().skip_reason(event(test=True)) == "test event"
    assert acme(test="true").skip_reason(event(test=False)) == "not a test event"
    assert acme(test="true").skip_reason(event(test=True)) is None


def test_an_event_too_old_is_skipped_a_minute_before_the_platform_would_refuse_it() -> None:
    one = acme()
    at = NOW - timedelta(hours=1)
    assert outgoing(one, document(), now=at + timedelta(days=7) - timedelta(seconds=61))
    assert reasons(one, document(), now=at + timedelta(days=7) - timedelta(seconds=59)) == ["too old"]


def test_an_event_dated_ahead_waits_until_the_platform_takes_it() -> None:
    [made] = acme().make_requests(deliveries(document(timestamp="2026-06-01T12:30:00Z")), now=NOW)
    assert isinstance(made, Unsent)
    [update] = made.updates
    assert update.state is DeliveryState.PENDING
    assert update.next_attempt_at == NOW + timedelta(minutes=25)


def test_what_is_skipped_comes_before_what_is_sent() -> None:
    made = acme().make_requests(deliveries(document(), document(event_type="refund"), document()), now=NOW)
    assert isinstance(made[0], Unsent)
    assert [one.number for one in made[0].deliveries] == [2]
    assert [one.number for one in made[1].deliveries] == [1, 3]


def test_an_operator_names_adds_and_drops_events() -> None:
    one = acme(events={"purchase": "Sale", "lead": None, "signup": "="})
    assert body(outgoing(one, document()))["data"][0]["name"] == "Sale"
    assert body(outgoing(one, document(event_type="signup")))["data"][0]["name"] == "signup"
    assert one.skip_reason(event(event_type="lead")) == "lead is not among its events"


def test_a_star_takes_every_type_under_its_own_name() -> None:
    one = acme(ACME.replace("events: {purchase: Bought, lead: Lead}", 'events: {"*": "=", refund: null}'))
    assert body(outgoing(one, document(event_type="demo")))["data"][0]["name"] == "demo"
    assert one.skip_reason(event(event_type="refund")) == "refund is not among its events"


def test_a_field_that_cannot_be_worked_out_is_left_out_and_the_rest_goes() -> None:
    one = acme(ACME.replace("page: =", "price: =decimal(event.properties.price)\n      page: ="))
    made = outgoing(one, document(properties={"price": "x", "value": 5, "currency": "EUR"}))
    assert "price" not in body(made)["data"][0]
    assert body(made)["data"][0]["value"] == 5


def test_an_item_that_cannot_be_made_is_rejected_with_its_place() -> None:
    one = acme(ACME.replace("  - identify: [em, [ip, ua]]", "  - when: =decimal(event.properties.value) > `5`"))
    assert reasons(one, document(properties={"value": "x"})) == ["acme.yaml:15:12: the text is no number like 19.90"]


# --------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        (
            "https://shop.example/thanks?order=7&key=abc&gclid=G1&utm_source=x#part",
            "https://shop.example/thanks?gclid=G1&utm_source=x",
        ),
        ("https://jane:secret@shop.example/", "https://shop.example/"),
        ("https://shop.example/?email=jane@mail.example", "https://shop.example/"),
        ("https://shop.example/?ScCid=A%20b", "https://shop.example/?ScCid=A%20b"),
        ("https://[half", None),
    ],
)
def test_pages_go_out_with_click_ids_and_utm_words_only(given_: str, sent: str | None) -> None:
    assert clean_address(given_) == sent
    assert body(outgoing(acme(), document(context={"page_url": given_})))["data"][0].get("page") == sent


@given(st.text(max_size=200))
def test_no_text_for_an_address_breaks_an_event(text: str) -> None:
    cleaned = clean_address(text)
    assert cleaned is None or "#" not in cleaned


# ------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pixel": None}, "needs `pixel`: The pixel's number."),
        ({"token": None}, "needs the secret `token`: Made in Acme's settings."),
        ({"token": "short"}, "the secret `token` has fewer than 8 characters"),
        ({"without_consent": None}, "needs `without_consent`: what becomes of an event that does not say"),
        ({"without_consent": "maybe"}, "`skip` keeps it back, which the EEA, the UK and Switzerland ask for"),
        ({"pixle": "1"}, "acme has no option `pixle`; did you mean `pixel`?"),
        ({"batch": "4"}, "batch must be from 1 to 3"),
        ({"concurrency": "0"}, "concurrency must be from 1 to 64"),
        ({"events": "purchase"}, "`events` must be a table"),
        ({"events": {"purchase": None, "lead": None}}, "needs `events`"),
        ({"url": "https://proxy.example/path"}, "url replaces scheme, host and port"),
        ({"url": "http://proxy.example"}, "http:// sends events and secrets readable over the network"),
        ({"pixel": "a b"}, "no address can be made of pixel; check how it is written"),
        ({"token": "made\nup-token"}, "holds other than visible ASCII"),
    ],
)
def test_an_option_that_cannot_be_is_an_error_with_the_remedy(options: dict[str, Json], told: str) -> None:
    given_ = {"pixel": "p1", "token": SECRET, "without_consent": "send"} | options
    with pytest.raises(SettingsError) as caught:
        DeclaredDestination.from_options(
            parse_platform(ACME, name="acme.yaml"), "mine", {k: v for k, v in given_.items() if v is not None}
        )
    assert told in str(caught.value)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:5"])
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert acme(url=url).address == f"{url}/p1/events"


def test_plain_http_elsewhere_must_be_asked_for() -> None:
    assert acme(url="http://10.0.0.5", insecure_http="true").address == "http://10.0.0.5/p1/events"


def test_no_secret_is_in_its_address_or_its_text() -> None:
    text = ACME.replace(
        "/{}/events', destination.vars.pixel)",
        "/{}/bot{}?key={}', destination.vars.pixel, secrets.token, secrets.token)",
    )
    one = acme(text)
    assert one.address == "https://acme.example/p1/bot[token]"
    assert SECRET not in repr(one)
    assert SECRET not in repr(outgoing(one, document()).secrets[0][0])


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"`kind` names no kind; did you mean `meta`"):
        make_destination("met", "mine", {})


def test_a_file_in_the_operators_folder_is_a_kind(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "acme.yaml").write_text(ACME)
    made = make_destination("acme", "mine", {"pixel": "p1", "token": SECRET, "without_consent": "send"}, folder=folder)
    assert made.address == "https://acme.example/p1/events"
    (folder / "other.yaml").write_text(ACME)
    with pytest.raises(MappingError, match=r"a file is found by its kind: call it acme\.yaml"):
        make_destination("other", "mine", {}, folder=folder)


# ------------------------------------------------------------------------------------------------ authentication


def test_basic_authentication_is_base64_and_counts_as_a_secret() -> None:
    one = acme(ACME.replace("{kind: bearer, token: =secrets.token}", "{kind: basic, user: =secrets.token}"))
    made = outgoing(one, document())
    told = base64.b64encode(f"{SECRET}:".encode()).decode()
    assert made.headers["authorization"] == f"Basic {told}"
    assert told in dict(made.secrets).values()


def test_a_token_goes_in_the_header_that_the_file_names() -> None:
    one = acme(
        ACME.replace(
            "{kind: bearer, token: =secrets.token}", "{kind: header, header: Access-Token, token: =secrets.token}"
        )
    )
    assert outgoing(one, document()).headers["access-token"] == SECRET


def test_a_webhook_is_signed_as_standard_webhooks_verifies_it() -> None:
    secret = "whsec_" + base64.b64encode(b"a made-up secret of ours").decode()
    older = "whsec_" + base64.b64encode(b"the secret that it had before").decode()
    one = make_destination("webhook", "erp", {"url": "https://erp.example/hook", "secret": f"{secret},{older}"})
    [made] = one.make_requests(deliveries(document()), now=datetime.now(UTC))
    assert isinstance(made, Outgoing)
    for each in (secret, older):
        assert Verifier(each).verify(made.body, dict(made.headers))["data"]["event_id"] == "evt_1"
    assert made.headers["webhook-id"] == "evt_1"


@given(st.text(max_size=30))
def test_whatever_an_event_holds_a_header_is_visible_ascii(agent: str) -> None:
    one = acme(ACME.replace("  body: {data: =items}", '  headers: {X-Agent: "=items[0].ua"}\n  body: {data: =items}'))
    made = outgoing(one, document(context={"user_agent": agent}))
    assert all(" " <= letter <= "~" for letter in made.headers.get("x-agent", ""))
    json.loads(made.body)
