"""A request that we sign is one that its provider could have sent, or we say why we cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
import standardwebhooks
import stripe
from signing_providers import NOW, SECRET, SECRETS, SECTIONS, SENT, arrived, keys, recipe, recipe_of, verdict

from bridge import signature
from bridge.core.errors import SettingsError
from bridge.signature import SignedRequest, SigningKeys

URL = "https://bridge.example/webhooks/shop"
BODY = b'{"id":"evt_1","type":"charge.succeeded"}'


def sign(
    provider: str, body: bytes = BODY, *, topic: str | None = None, url: str | None = URL, but: Any = None
) -> SignedRequest:
    made = recipe_of({**SECTIONS[provider], **(but or {})})
    ring = signature.read_keys(made, [SECRETS.get(provider, SECRET)] if signature.needs_secret(made) else [])
    return signature.sign_request(made, body, ring, topic=topic, now=NOW, nonce="abc123", url=url)


def refused(provider: str, body: bytes = BODY, **more: Any) -> str:
    with pytest.raises(SettingsError) as error:
        sign(provider, body, **more)
    return str(error.value)


def test_stripes_header_holds_time_and_signature() -> None:
    signed = sign("stripe")
    header = signed.headers["Stripe-Signature"]
    assert header.startswith(f"t={SENT},v1=")
    assert stripe.WebhookSignature.verify_header(BODY.decode(), header, SECRET, tolerance=None)
    assert signed.body == BODY


def test_standard_webhooks_headers_are_those_of_its_library() -> None:
    signed = sign("standard")
    assert signed.headers["webhook-id"] == "msg_abc123"
    oracle = standardwebhooks.Webhook(SECRETS["standard"])
    wanted = oracle.sign(msg_id="msg_abc123", timestamp=NOW, data=BODY.decode())
    assert signed.headers["webhook-signature"] == wanted


def test_shopifys_headers_hold_topic_id_and_signature() -> None:
    signed = sign("shopify", topic="orders/paid")
    assert signed.headers["X-Shopify-Topic"] == "orders/paid"
    assert signed.headers["X-Shopify-Webhook-Id"] == "msg_abc123"
    assert verdict("shopify", arrived(signed)) == "genuine"


def test_a_query_that_holds_an_id_is_part_of_the_address_that_is_signed() -> None:
    signed = sign("square")
    assert signed.query == "event=msg_abc123"
    assert verdict("square", arrived(signed, url=URL)) == "genuine"


def test_a_token_goes_where_it_belongs() -> None:
    assert sign("gitlab", topic="push").headers["X-Gitlab-Token"] == SECRET
    assert sign("gumroad", b"sale_id=1&resource_name=sale").query == f"secret={SECRET}"
    assert verdict("chargebee", arrived(sign("chargebee"))) == "genuine"


def test_items_are_signed_each_within_the_body() -> None:
    item = {"NotificationRequestItem": {"pspReference": "7", "amount": {"value": 1}, "eventCode": "AUTHORISATION"}}
    other = {"NotificationRequestItem": {"pspReference": "8", "additionalData": {"kept": "yes"}}}
    signed = sign("adyen", json.dumps({"live": "false", "notificationItems": [item, other]}).encode())
    asked = arrived(signed)
    assert verdict("adyen", asked) == "genuine"
    document = json.loads(signed.body)
    assert document["live"] == "false"
    assert document["notificationItems"][1]["NotificationRequestItem"]["additionalData"]["kept"] == "yes"


def test_a_signature_within_an_unsplit_body_is_written_there() -> None:
    block = {**SECTIONS["shopify"]["signature"], "from": "json:/meta/signature", "signed": "{json:/id}"}
    signed = sign("shopify", b'{"id":7}', topic="t", but={"signature": block})
    made = recipe_of({"signature": block})
    signature.verify_request(made, arrived(signed), signature.read_keys(made, [SECRET]), now=NOW)


def test_the_body_says_what_it_is() -> None:
    assert sign("stripe").headers["Content-Type"] == "application/json"
    assert sign("twilio", b"MessageSid=1").headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_source_that_verifies_nothing_is_sent_to_as_it_is() -> None:
    assert sign("unsigned") == SignedRequest({"Content-Type": "application/json"}, BODY)


def test_a_topic_that_comes_in_a_header_must_be_said_and_be_sayable() -> None:
    assert refused("shopify") == (
        "its topic comes in header:X-Shopify-Topic; say which topic it is, such as --topic NAME"
    )
    for topic in ("é", "a\r\nX-Evil: 1", "", " "):
        assert refused("shopify", topic=topic) == "a topic that comes in a header must be plain ASCII text"


def test_a_topic_that_the_body_holds_cannot_be_said_otherwise() -> None:
    assert sign("stripe", topic="charge.succeeded") == sign("stripe")
    assert refused("stripe", topic="charge.failed") == (
        "its topic comes from the body (json:/type), which says another; leave the topic out"
    )
    assert refused("klaviyo", b'{"data":[]}', topic="x").startswith("its topic comes from the body (json:/topic)")
    assert refused("zoom", b"no json", topic="x").startswith("its topic comes from the body (json:/event)")


def test_a_topic_of_a_batch_may_be_that_of_any_item() -> None:
    body = b'{"data":[{"topic":"a"},{"topic":"b"}]}'
    assert verdict("klaviyo", arrived(sign("klaviyo", body, topic="b"))) == "genuine"


def test_a_topic_that_the_body_holds_need_not_be_said_for_the_header() -> None:
    places = {"topic": ["json:/type", "header:X-Shopify-Topic"]}
    assert "X-Shopify-Topic" not in sign("shopify", but=places).headers
    assert refused("shopify", topic="other", but=places).startswith("its topic comes from the body")
    assert sign("shopify", b"{}", topic="other", but=places).headers["X-Shopify-Topic"] == "other"


@pytest.mark.parametrize(("provider", "kind"), [("discord", "ed25519"), ("sendgrid", "ecdsa_p256")])
def test_what_takes_a_private_key_only_the_provider_can_sign(provider: str, kind: str) -> None:
    with pytest.raises(SettingsError) as error:
        signature.sign_request(recipe(provider), BODY, SigningKeys(), topic=None, now=NOW, nonce="a", url=None)
    assert str(error.value) == f"only the provider can sign: kind {kind} takes its private key"


def test_without_a_secret_or_an_address_nothing_is_signed() -> None:
    with pytest.raises(SettingsError, match="no secret is set"):
        signature.sign_request(recipe("stripe"), BODY, SigningKeys(), topic=None, now=NOW, nonce="a", url=None)
    assert refused("square", url=None) == "the signature covers the address; set the source's public URL"


def test_a_body_without_room_for_a_signature_is_refused() -> None:
    assert refused("adyen", b"{}") == "its signatures come inside the items of the body, and this body has no items"
    assert refused("adyen", b'{"notificationItems":[1]}').endswith("where this body has no room for one")
    assert refused("adyen", b'{"notificationItems":[{"NotificationRequestItem":{"pspReference":{}}}]}') == (
        "this body cannot be signed: a text that its scheme signs is malformed"
    )
    assert refused("adyen", b'{"x":"\\ud800","notificationItems":[{"NotificationRequestItem":{}}]}').startswith(
        "this body cannot be signed: it cannot be written as JSON"
    )


def test_a_signature_in_a_forms_field_is_the_providers_alone() -> None:
    block = {**SECTIONS["shopify"]["signature"], "from": "form:sig", "signed": "{form:payload}"}
    assert refused("shopify", b"payload=1", topic="t", but={"signature": block}) == (
        "its signature comes in the form's field form:sig; only the provider can send that"
    )


def test_a_time_within_the_body_must_be_of_now() -> None:
    stamp = {"from": "json:/sent", "format": "unix"}
    block = {**SECTIONS["shopify"]["signature"], "signed": "{timestamp}{body}", "timestamp": stamp}
    made = recipe_of({"signature": block})
    ring = signature.read_keys(made, [SECRET])
    fresh = signature.sign_request(made, b'{"sent":%d}' % SENT, ring, topic=None, now=NOW, nonce="a", url=None)
    signature.verify_request(made, arrived(fresh), ring, now=NOW)
    for body in (b'{"sent":1}', b"{}"):
        with pytest.raises(SettingsError, match=r"this body cannot be made to prove genuine: (stale|missing)"):
            signature.sign_request(made, body, ring, topic=None, now=NOW, nonce="a", url=None)


def test_a_time_is_written_in_the_providers_form() -> None:
    assert sign("klaviyo", b'{"data":[]}').headers["Klaviyo-Timestamp"] == "Tue, 14 Apr 2026 03:50:12 GMT"
    assert verdict("klaviyo", arrived(sign("klaviyo", b'{"data":[]}'))) == "genuine"
    assert keys("klaviyo").values == (SECRET.encode(),)
