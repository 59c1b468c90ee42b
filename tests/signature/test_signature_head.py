"""What the head of a request shows before its body is there: whom no body can prove genuine is refused by it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from signing_providers import NOW, SECTIONS, arrived, keys, recipe, recipe_of, request

from bridge import signature
from bridge.core.errors import NotGenuine
from bridge.core.model import Request

URL = "https://bridge.example/webhooks/shop"
ITEM = b'{"NotificationRequestItem":{"pspReference":"p1","additionalData":{}}}'
BODIES = {
    "adyen": b'{"notificationItems":[%b]}' % ITEM,
    "klaviyo": b'{"data":[{"external_id":"a"}]}',
    "sendgrid": b'[{"sg_event_id":"a"}]',
}
TOPIC_IN_HEAD = {"gitlab", "recharge_legacy", "shopify"}
IN_BODY = {"adyen", "unsigned"}
SYMMETRIC = sorted(SECTIONS.keys() - {"discord", "sendgrid", "unsigned"})


def reason(provider: str, head: Request, section: dict[str, Any] | None = None) -> str | None:
    """Why a head alone is refused, None where the body is needed to tell."""
    made = recipe_of(section) if section else recipe(provider)
    try:
        signature.head_verifier(made, keys(provider))(head)
    except NotGenuine as error:
        return error.reason
    return None


def signed_head(provider: str) -> Request:
    body = BODIES.get(provider, b'{"id":"evt_1"}')
    topic = "a/topic" if provider in TOPIC_IN_HEAD else None
    made = signature.sign_request(recipe(provider), body, keys(provider), topic=topic, now=NOW, nonce="abc123", url=URL)
    return replace(arrived(made, url=URL), body=b"")


@pytest.mark.parametrize("provider", SYMMETRIC)
def test_the_head_of_a_genuine_request_is_never_refused(provider: str) -> None:
    assert reason(provider, signed_head(provider)) is None


@pytest.mark.parametrize("provider", sorted(SECTIONS.keys() - IN_BODY))
def test_a_head_without_its_signature_is_refused_whatever_the_kind(provider: str) -> None:
    bare = request(b"", {"content-type": "application/json", "content-length": "5242880"})
    made = recipe_of(SECTIONS[provider])
    ring = signature.SigningKeys((b"0" * 32,))
    with pytest.raises(NotGenuine, match="missing"):
        signature.head_verifier(made, ring)(bare)


@pytest.mark.parametrize("provider", sorted(IN_BODY))
def test_a_signature_that_stands_in_the_body_or_nowhere_lets_the_body_be_read(provider: str) -> None:
    ring = signature.SigningKeys(())
    signature.head_verifier(recipe(provider), ring)(request(b""))


def test_a_signature_that_is_blank_is_missing() -> None:
    assert reason("shopify", request(b"", {"X-Shopify-Hmac-Sha256": ""})) == "missing"


def test_a_timestamp_that_is_missing_from_the_head_is_missing() -> None:
    assert reason("slack", request(b"", {"X-Slack-Signature": "v0=00"})) == "missing"


def test_a_wrong_signature_needs_the_body_to_tell() -> None:
    assert reason("shopify", request(b"", {"X-Shopify-Hmac-Sha256": "AAAA"})) is None


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        ("gitlab", request(b"", {"X-Gitlab-Token": "wrong"})),
        ("gumroad", request(b"", query=(("secret", "wrong"),))),
        ("chargebee", request(b"", {"Authorization": "Basic d3Jvbmc6d3Jvbmc="})),
    ],
)
def test_a_wrong_token_or_password_is_refused_by_the_head_alone(provider: str, given: Request) -> None:
    assert reason(provider, given) == "mismatch"


def test_a_post_that_may_be_an_unsigned_challenge_is_read() -> None:
    rule = {"when": {"json:/type": "hello"}, "respond": {"body": "{json:/x}"}, "signed": False}
    section = {**SECTIONS["shopify"], "challenge": [rule]}
    assert reason("shopify", request(b""), section) is None


def test_a_post_whose_head_shows_that_it_is_no_unsigned_challenge_is_refused() -> None:
    when = {"header:X-Hook-Secret": True, "json:/type": "hello"}
    section = {**SECTIONS["shopify"], "challenge": [{"when": when, "respond": {"body": "ok"}, "signed": False}]}
    assert reason("shopify", request(b""), section) == "missing"
    assert reason("shopify", request(b"", {"X-Hook-Secret": "s"}), section) is None


def test_a_challenge_that_must_be_signed_is_no_way_around_the_signature() -> None:
    assert reason("slack", request(b"")) == "missing"


def test_a_get_is_left_to_the_challenges() -> None:
    assert reason("shopify", request(b"", method="GET")) is None
