"""What a genuine request is called, and what makes it the same webhook again."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing_providers import NOW, SECRET, SECTIONS, arrived, keys, recipe, recipe_of, request

from bridge import signature
from bridge.core import dedupe_keys, json_text
from bridge.core.errors import HeadersTooLarge, NotGenuine
from bridge.core.model import Request, Webhook
from bridge.signature.identify import MAX_ITEMS, MOST_KEPT
from bridge.signature.locators import RequestView

BODY = b'{"id":"evt_1","type":"charge.succeeded"}'


def named(provider: str, asked: Request) -> tuple[Webhook, ...]:
    return signature.identify_webhooks(recipe(provider), asked, source="shop", now=NOW)


def one(provider: str, asked: Request) -> Webhook:
    (webhook,) = named(provider, asked)
    return webhook


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ---------------------------------------------------------------------------------------------------- identity


def test_an_id_in_a_signed_body_is_an_identity_by_itself() -> None:
    webhook = one("stripe", request(BODY))
    assert (webhook.id, webhook.topic) == ("evt_1", "charge.succeeded")
    assert webhook.identity == (dedupe_keys.signed_webhook_key("shop", "evt_1"),)
    retried = one("stripe", request(BODY.replace(b"}", b',"pending_webhooks":1}')))
    assert retried.identity == webhook.identity


def test_an_id_in_a_header_that_is_signed_is_an_identity_by_itself() -> None:
    webhook = one("standard", request(BODY, {"webhook-id": "msg_1"}))
    assert webhook.identity == (dedupe_keys.signed_webhook_key("shop", "msg_1"),)


def test_an_id_in_the_query_of_a_signed_address_is_an_identity_by_itself() -> None:
    webhook = one("square", request(b"{}", query=(("event", "e1"),), url="https://bridge.example/?event=e1"))
    assert webhook.identity == (dedupe_keys.signed_webhook_key("shop", "e1"),)


def test_an_id_in_a_signed_form_is_an_identity_by_itself() -> None:
    assert one("twilio", request("MessageSid=SM1")).identity == (dedupe_keys.signed_webhook_key("shop", "SM1"),)


def test_an_id_that_came_with_a_token_or_a_password_is_an_identity_by_itself() -> None:
    tokened = one("gitlab", request(BODY, {"Idempotency-Key": "k1", "X-Gitlab-Event": "push"}))
    assert tokened.identity == (dedupe_keys.signed_webhook_key("shop", "k1"),)
    assert one("gumroad", request("sale_id=s1")).identity == (dedupe_keys.signed_webhook_key("shop", "s1"),)
    assert one("chargebee", request(BODY)).identity == (dedupe_keys.signed_webhook_key("shop", "evt_1"),)


def test_an_id_in_a_header_that_is_not_signed_counts_only_with_the_bytes() -> None:
    headers = {"X-Shopify-Webhook-Id": "w1", "X-Shopify-Topic": "orders/paid"}
    webhook = one("shopify", request(BODY, headers))
    assert (webhook.id, webhook.topic) == ("w1", "orders/paid")
    assert webhook.identity == (dedupe_keys.unsigned_webhook_key("shop", "orders/paid", BODY),)


def test_an_id_in_a_header_that_is_not_signed_makes_no_other_webhook_of_the_same_topic_and_bytes() -> None:
    first, second = (
        one("shopify", request(BODY, {"X-Shopify-Webhook-Id": name, "X-Shopify-Topic": "orders/paid"}))
        for name in ("w1", "w2")
    )
    assert first.identity == second.identity


def test_an_unsigned_topic_makes_another_webhook_of_the_same_id_and_bytes() -> None:
    first, second = (
        one("shopify", request(BODY, {"X-Shopify-Webhook-Id": "w1", "X-Shopify-Topic": topic}))
        for topic in ("orders/paid", "orders/updated")
    )
    assert not set(first.identity) & set(second.identity)


def test_an_unsigned_topic_makes_another_webhook_of_a_signed_id() -> None:
    made = recipe_of({**SECTIONS["shopify"], "id": "json:/id"})
    first, again, other = (
        signature.identify_webhooks(made, request(body, {"X-Shopify-Topic": topic}), source="shop", now=NOW)[0]
        for body, topic in ((BODY, "orders/paid"), (BODY + b" ", "orders/paid"), (BODY, "orders/updated"))
    )
    assert first.identity == again.identity != other.identity


def test_unsigned_headers_that_say_the_account_and_the_test_flag_make_another_webhook() -> None:
    made = replace(recipe("shopify"), saying=("x-shopify-shop-domain", "x-shopify-test"))
    shop = {"X-Shopify-Topic": "orders/paid", "X-Shopify-Shop-Domain": "a.test"}
    several = [shop, shop | {"X-Shopify-Test": "true"}, shop | {"X-Shopify-Shop-Domain": "b.test"}, {}]
    found = [
        signature.identify_webhooks(made, request(BODY, headers), source="shop", now=NOW)[0].identity
        for headers in (*several, shop | {"X-Request-Id": "7"})
    ]
    assert len(set(found[:4])) == 4
    assert found[4] == found[0]


def test_an_id_in_a_body_that_nobody_signed_counts_only_with_the_bytes() -> None:
    webhook = one("unsigned", request(BODY))
    assert webhook.identity == (dedupe_keys.unsigned_webhook_key("shop", "charge.succeeded", BODY),)


def test_a_webhook_without_an_id_is_its_topic_and_bytes() -> None:
    webhook = one("shopify", request(BODY, {"X-Shopify-Topic": "orders/paid"}))
    assert webhook.id == sha(BODY)
    assert webhook.identity == (dedupe_keys.unsigned_webhook_key("shop", "orders/paid", BODY),)


def test_only_a_pointer_that_an_items_own_signature_covers_is_an_identity_by_itself() -> None:
    item = {"NotificationRequestItem": {"pspReference": "7", "eventCode": "AUTHORISATION"}}
    webhook = one("adyen", request(json.dumps({"notificationItems": [item]})))
    assert webhook.identity == (dedupe_keys.signed_webhook_key("shop", "7", said="AUTHORISATION\n"),)
    section = {**SECTIONS["adyen"], "id": ["json:/NotificationRequestItem/eventCode"]}
    (other,) = signature.identify_webhooks(
        recipe_of(section), request(json.dumps({"notificationItems": [item]})), source="shop", now=NOW
    )
    content = json_text.write_json(item)
    assert other.identity == (dedupe_keys.unsigned_webhook_key("shop", "AUTHORISATION", content),)


def test_a_field_of_the_whole_body_that_is_signed_says_nothing_of_the_items() -> None:
    block = {**SECTIONS["shopify"]["signature"], "signed": "{json:/id}"}
    for items, body in ((None, '{"id":"a"}'), ("/data", '{"id":"a","data":[{"id":"b"}]}')):
        made = recipe_of({"signature": block, "id": "json:/id", **({"items": items} if items else {})})
        (webhook,) = signature.identify_webhooks(made, request(body), source="shop", now=NOW)
        if items is None:
            assert webhook.identity == (dedupe_keys.signed_webhook_key("shop", "a"),)
        else:
            assert webhook.identity == (dedupe_keys.unsigned_webhook_key("shop", None, b'{"id":"b"}'),)


def test_the_first_place_that_holds_a_text_gives_the_name() -> None:
    section = {**SECTIONS["stripe"], "id": ["json:/event_id", "json:/id"], "topic": ["json:/kind", "header:X-Kind"]}
    made = recipe_of(section)
    for body, named_by in [
        ({"event_id": "a", "id": "b"}, "a"),
        ({"event_id": "", "id": "b"}, "b"),
        ({"event_id": "  ", "id": "b"}, "b"),
        ({"event_id": None, "id": "b"}, "b"),
        ({"event_id": {"x": 1}, "id": ["b"]}, None),
        ({"event_id": 0, "id": "b"}, "0"),
        ({"event_id": 820982911946154508, "id": "b"}, "820982911946154508"),
        ({"event_id": True, "id": "b"}, "true"),
        ({"event_id": False}, "false"),
        ({"event_id": "x" * 1025, "id": "b"}, "b"),
        ({"event_id": "\ud800", "id": "b"}, "b"),
        ({"event_id": "a\0", "id": "b"}, "b"),
        ({"event_id": "a\x1b[31m", "id": "b"}, "b"),
        ({"event_id": "a b é", "id": "b"}, "a b é"),
    ]:
        asked = request(json.dumps(body), {"X-Kind": "order"})
        (webhook,) = signature.identify_webhooks(made, asked, source="shop", now=NOW)
        assert webhook.id == (named_by or sha(asked.body))
        assert webhook.topic == "order"


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("/a~1b", "slash"),
        ("/c~0d", "tilde"),
        ("/list/1", "second"),
        ("/list/01", None),
        ("/list/-", None),
        ("/list/9", None),
        ("/list/\u0660", None),
        ("/list/99999999999999999999", None),
        ("/deep/er/", "empty key"),
        ("/a/b", None),
        ("/word/0", None),
    ],
)
def test_a_pointer_is_followed_as_its_standard_says(pointer: str, text: str | None) -> None:
    body = {"a/b": "slash", "c~d": "tilde", "list": ["first", "second"], "deep": {"er": {"": "empty key"}}, "word": "w"}
    made = recipe_of({**SECTIONS["stripe"], "topic": [f"json:{pointer}"]})
    (webhook,) = signature.identify_webhooks(made, request(json.dumps(body)), source="shop", now=NOW)
    assert webhook.topic == text


def test_the_last_of_a_doubled_key_counts_as_it_does_for_the_provider() -> None:
    assert one("stripe", request('{"id":"a","id":"b"}')).id == "b"


def test_a_topic_header_that_stands_twice_is_joined() -> None:
    asked = request(BODY, more=(("x-shopify-topic", "a"), ("x-shopify-topic", "b")))
    assert one("shopify", asked).topic == "a, b"


# -------------------------------------------------------------------------------------------- bodies of any kind


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"nope", b"[" * 100_000, b"null", b'"x"', b"7", b"\xef\xbb\xbf{}"]
)
def test_a_body_that_makes_no_sense_is_known_by_its_bytes(body: bytes) -> None:
    for provider in ("stripe", "klaviyo", "sendgrid", "slack"):
        webhook = one(provider, request(body))
        assert (webhook.id, webhook.topic, webhook.item) == (sha(body), None, None)
        assert webhook.identity == (dedupe_keys.unsigned_webhook_key("shop", None, body),)
        assert webhook.body == body


@given(body=st.binary(max_size=80), value=st.text(max_size=20))
def test_no_request_makes_identifying_raise(body: bytes, value: str) -> None:
    headers = tuple((name, value) for name in ("webhook-id", "x-shopify-topic", "x-shopify-webhook-id"))
    for provider in SECTIONS:
        assert named(provider, Request("POST", headers, body, query=(("event", value),)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "id", "topic", "type"]), inner)
    ),
)


@given(document=JSON)
def test_every_document_is_named_and_its_identities_are_keys(document: Any) -> None:
    for provider in SECTIONS:
        for webhook in named(provider, request(json.dumps(document))):
            assert {len(key) for key in webhook.identity} == {dedupe_keys.KEY_SIZE}
            assert webhook.id.encode()


# ------------------------------------------------------------------------------------------------------- batches


def test_each_item_of_a_batch_is_a_webhook_of_its_own() -> None:
    items = [{"external_id": "a", "topic": "opened"}, {"external_id": "b", "topic": "clicked"}]
    asked = request(json.dumps({"data": items}))
    first, second = named("klaviyo", asked)
    assert (first.id, first.topic, first.item) == ("a", "opened", "/data/0")
    assert (second.id, second.topic, second.item) == ("b", "clicked", "/data/1")
    assert first.body == second.body == asked.body
    assert first.identity == (dedupe_keys.signed_webhook_key("shop", "a"),)


def test_a_whole_body_can_be_the_batch() -> None:
    webhooks = named("sendgrid", request('[{"sg_event_id":"a","event":"open"},{"sg_event_id":"b"}]'))
    assert [(webhook.id, webhook.topic, webhook.item) for webhook in webhooks] == [
        ("a", "open", "/0"),
        ("b", None, "/1"),
    ]


def test_the_pointer_of_an_item_is_escaped() -> None:
    made = recipe_of({**SECTIONS["klaviyo"], "items": "/a~1b/c~0d"})
    (webhook,) = signature.identify_webhooks(made, request('{"a/b":{"c~d":[{}]}}'), source="shop", now=NOW)
    assert webhook.item == "/a~1b/c~0d/0"


def test_items_without_an_id_are_known_by_their_own_bytes() -> None:
    same, other = {"topic": "t", "n": 19.90}, {"topic": "t", "n": 2}
    text = '{"data":[{"topic":"t","n":19.90},{"topic":"t","n":2}]}'
    first, second = named("klaviyo", request(text))
    (again,) = named("klaviyo", request('{"data": [ {"topic":"t", "n":19.90} ]}'))
    content = b'{"topic":"t","n":19.90}'
    assert first.id == sha(content)
    assert first.identity == (dedupe_keys.unsigned_webhook_key("shop", "t", content),) == again.identity
    assert second.identity != first.identity
    assert same != other


def test_an_id_that_all_items_share_is_told_apart_by_the_position() -> None:
    section = {**SECTIONS["standard"], "items": "/"}
    made = recipe_of(section)
    first, second = signature.identify_webhooks(made, request("[1,1]", {"webhook-id": "msg_1"}), source="shop", now=NOW)
    assert (first.id, second.id) == ("msg_1#/0", "msg_1#/1")
    assert first.identity != second.identity


def test_an_unsigned_id_of_a_batch_counts_with_the_bytes_of_each_item() -> None:
    made = recipe_of({**SECTIONS["shopify"], "items": "/"})
    asked = request('[{"a":1},{"a":2}]', {"X-Shopify-Webhook-Id": "w1", "X-Shopify-Topic": "t"})
    first, second = signature.identify_webhooks(made, asked, source="shop", now=NOW)
    assert first.identity == (dedupe_keys.unsigned_webhook_key("shop", "t", b'{"a":1}'),)
    assert not set(first.identity) & set(second.identity)


def test_items_that_cannot_be_written_are_told_apart_all_the_same() -> None:
    first, second = named("klaviyo", request('{"data":["\\ud800","\\ud800"]}'))
    assert first.identity != second.identity


def test_a_batch_without_items_is_one_webhook_that_says_so() -> None:
    webhook = one("klaviyo", request('{"data":[]}'))
    assert (webhook.item, webhook.topic, webhook.id) == ("", None, sha(b'{"data":[]}'))


@pytest.mark.parametrize("body", ["{}", '{"data":{}}', '{"data":null}', '{"external_id":"a","topic":"t"}'])
def test_what_should_be_a_batch_and_is_none_stays_whole_and_without_a_topic(body: str) -> None:
    webhook = one("klaviyo", request(body))
    assert (webhook.item, webhook.topic, webhook.id) == (None, None, sha(body.encode()))


def test_a_batch_of_too_many_items_stays_whole_so_that_it_is_not_lost() -> None:
    assert len(named("klaviyo", request(json.dumps({"data": [0] * MAX_ITEMS})))) == MAX_ITEMS
    webhook = one("klaviyo", request(json.dumps({"data": [0] * (MAX_ITEMS + 1)})))
    assert webhook.item is None


@pytest.mark.parametrize("topic", ["order", " order ", "\t order\n", "\u00a0order\u3000"])
def test_blanks_around_a_topic_are_no_part_of_it(topic: str) -> None:
    made = recipe_of({**SECTIONS["stripe"], "topic": ["json:/kind", "header:X-Kind"]})
    for asked in (request(json.dumps({"kind": topic})), request(BODY, {"X-Kind": topic})):
        (webhook,) = signature.identify_webhooks(made, asked, source="shop", now=NOW)
        assert webhook.topic == "order"


def test_the_same_bytes_under_a_topic_with_blanks_are_the_same_webhook() -> None:
    plain, blank = (
        one("shopify", request(BODY, {"X-Shopify-Topic": topic})) for topic in ("orders/paid", "orders/paid ")
    )
    assert plain.identity == blank.identity


# ------------------------------------------------------------------------------------------- what is kept with it


def test_headers_are_kept_joined_and_without_credentials() -> None:
    sent = {
        "Authorization": "Basic x",
        "Proxy-Authorization": "y",
        "Cookie": "z",
        "X-One": "1",
        "X-Gitlab-Token": SECRET,
    }
    asked = request(BODY, sent, more=(("x-one", "2"), ("cookie", "more")))
    assert one("gitlab", asked).headers == {"x-one": "1, 2"}
    assert one("stripe", asked).headers == {"x-one": "1, 2", "x-gitlab-token": SECRET}


def test_ten_thousand_headers_are_joined_in_one_pass() -> None:
    many = tuple((f"x-{n}", "v") for n in range(50_000))
    headers = RequestView(request(BODY, more=(*many, ("x-0", "w")))).headers
    assert (len(headers), headers["x-0"], headers["x-49999"]) == (50_000, "v, w", "v")


def test_of_many_headers_those_that_are_read_are_kept_and_of_the_rest_what_fits() -> None:
    made = replace(recipe("shopify"), saying=("x-shop",), reads=frozenset({"x-read"}))
    first = {"X-One": "1" * 100, "X-Filler": "x" * 50_000, "X-Two": "2" * 3000, "X-Three": "3" * 5000, "X-Four": "4"}
    needed = {
        "X-Read": "r",
        "X-Shop": "s",
        "X-Shopify-Topic": "orders/paid",
        "X-Shopify-Webhook-Id": "w1",
        "X-Shopify-Hmac-Sha256": "c2ln",
        "Content-Type": "application/json",
        "Content-Encoding": "identity",
    }
    (webhook,) = signature.identify_webhooks(made, request(BODY, first | needed), source="shop", now=NOW)
    kept = {name.lower(): value for name, value in (first | needed).items() if name not in {"X-Filler", "X-Three"}}
    assert list(webhook.headers.items()) == list(kept.items())
    assert webhook.unsigned_facts == "x-shop: s"


def test_headers_up_to_the_bound_are_all_kept() -> None:
    filler = "x" * (MOST_KEPT - len("x-filler"))
    assert one("shopify", request(BODY, {"X-Filler": filler})).headers == {"x-filler": filler}
    assert one("shopify", request(BODY, {"X-Filler": filler + "x"})).headers == {}
    assert one("shopify", request(BODY, {"X-Filler": filler[:-1] + "\xe9"})).headers == {}


def test_a_webhook_is_refused_whose_headers_that_are_read_are_too_large_to_keep() -> None:
    headers = {"X-Shopify-Topic": "orders/paid", "X-Shopify-Webhook-Id": "w" * MOST_KEPT}
    with pytest.raises(HeadersTooLarge, match="8 KiB"):
        one("shopify", request(BODY, headers))


def test_the_query_is_kept_without_the_token() -> None:
    asked = request("sale_id=1", query=(("secret", SECRET), ("a", "1"), ("a", "2"), ("secret", "again")))
    assert one("gumroad", asked).query == {"a": "1"}
    assert one("gumroad", request("sale_id=1", query=(("SECRET", SECRET), ("a", "1")))).query == {"a": "1"}


@pytest.mark.parametrize(
    "name", ["api_key", "API_KEY", " Api-Key", "apikey", "access_token", "Client_Secret", "password"]
)
def test_a_credential_in_the_query_is_never_kept_whatever_the_provider_is(name: str) -> None:
    asked = request(BODY, query=((name, SECRET), ("a", "1")))
    assert one("stripe", asked).query == {"a": "1"}


@pytest.mark.parametrize(
    "address", ["/webhooks/stripe?api_key=S", "https://b/w?a=1&API%5fKEY=S", "/w?a;apikey=S", "/w%3Fapi-key%3DS?"]
)
def test_an_address_with_a_key_in_it_is_kept_in_no_header_and_no_parameter(address: str) -> None:
    asked = request(BODY, {"X-Original-URI": address, "X-One": "1?"}, query=(("to", address), ("b", "2")))
    webhook = one("stripe", asked)
    assert (webhook.headers, webhook.query) == ({"x-one": "1?"}, {"b": "2"})


def test_headers_that_are_keys_by_their_name_are_never_kept() -> None:
    sent = {"X-Api-Key": SECRET, "X-Auth-Token": SECRET, "X-One": "1"}
    assert one("stripe", request(BODY, sent)).headers == {"x-one": "1"}


def test_a_signature_that_covers_the_query_is_judged_with_the_credential_that_is_not_kept() -> None:
    section = {
        "signature": {
            "kind": "hmac", "algorithm": "sha256", "encoding": "hex", "from": "header:X-Sign", "signed": "{url}{body}",
        },
        "id": "json:/id",
    }  # fmt: skip
    made = recipe_of(section)
    url = "https://bridge.example/webhooks/shop?api_key=key-of-a-caller&a=1"
    proof = hmac.digest(SECRET.encode(), url.encode() + BODY, "sha256").hex()
    asked = request(BODY, {"X-Sign": proof}, query=(("api_key", "key-of-a-caller"), ("a", "1")), url=url)
    (webhook,) = signature.make_receiver(made, signature.read_keys(made, (SECRET,)), source="shop")(asked, NOW)
    assert webhook.query == {"a": "1"}


def test_a_webhook_carries_source_and_time_and_no_number_yet() -> None:
    webhook = one("stripe", request(BODY))
    assert (webhook.source, webhook.received_at, webhook.number) == ("shop", NOW, 0)


# ------------------------------------------------------------------------------------------------------- receive


def test_receive_names_a_request_that_proves_genuine() -> None:
    signed = signature.sign_request(recipe("stripe"), BODY, keys("stripe"), topic=None, now=NOW, nonce="abc", url=None)
    asked = arrived(signed)
    received = signature.make_receiver(recipe("stripe"), keys("stripe"), source="shop")(asked, NOW)
    assert received == named("stripe", asked)


def test_receive_refuses_what_does_not() -> None:
    with pytest.raises(NotGenuine, match="missing"):
        signature.make_receiver(recipe("stripe"), keys("stripe"), source="shop")(request(BODY), NOW)
