"""Requests whose verdict is known, judged by recipes alone; and whatever can be signed proves genuine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from signing_providers import NOW, SECRET, SECRETS, SHARED, arrived, recipe_of, recipe_problems, request, sheet_sections

from bridge import signature
from bridge.core.errors import NotGenuine, SettingsError
from bridge.core.model import Request
from bridge.signature import Recipe, SigningKeys
from bridge.signature.locators import RequestView
from bridge.signature.verify import quick_test

FILE = SHARED / "data" / "signature_vectors.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []
SECTIONS = sheet_sections()
ASYMMETRIC = ["sendgrid", "standard_v1a"]
ADYEN = b'{"notificationItems":[{"NotificationRequestItem":{"pspReference":"%s","amount":{"value":%d}}}]}'
BODIES = {
    "adyen": st.builds(
        lambda word, n: ADYEN % (word.encode(), n), st.from_regex(r"[A-Z0-9]{8}", fullmatch=True), st.integers(1)
    ),
    "twilio": st.dictionaries(st.text(min_size=1), st.text()).map(lambda fields: urlencode(fields).encode()),
}
CHANGES = {"adyen": st.integers(0, 7).map(lambda n: ADYEN.index(b"%s") + n)}
"""Where a byte is changed: of Adyen's body only the fields that its scheme covers."""
URL = "https://bridge.example/webhooks/shop"

pytestmark = pytest.mark.skipif(not (VECTORS and SECTIONS), reason="the vectors and facts are not beside this checkout")


def made(vector: dict[str, Any]) -> tuple[Recipe, Request, SigningKeys, datetime]:
    recipe = recipe_of(SECTIONS[vector["provider"]])
    asked = request(
        vector["body"], vector["headers"], url=vector.get("public_url"), method=vector.get("method", "POST")
    )
    now = datetime.fromtimestamp(vector.get("now", NOW.timestamp()), UTC)
    return recipe, asked, signature.read_keys(recipe, vector["secrets"]), now


def named(vector: dict[str, Any]) -> str:
    return f"{vector['provider']}-{vector.get('note', vector.get('source', vector['origin']))}"


def test_all_known_requests_are_here() -> None:
    assert len(VECTORS) == 46


@pytest.mark.parametrize("vector", VECTORS, ids=named)
def test_a_known_request_is_judged_right(vector: dict[str, Any]) -> None:
    recipe, asked, keys, now = made(vector)
    if vector["valid"]:
        webhooks = signature.make_receiver(recipe, keys, source="shop")(asked, now)
        assert all(webhook.body == asked.body for webhook in webhooks)
        assert webhooks
    else:
        with pytest.raises(NotGenuine):
            signature.make_receiver(recipe, keys, source="shop")(asked, now)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["valid"] and v["provider"] != "adyen"], ids=named)
def test_one_changed_byte_of_a_known_body_breaks_it(vector: dict[str, Any]) -> None:
    recipe, asked, keys, now = made(vector)
    for at in range(0, len(asked.body), max(1, len(asked.body) // 40)):
        changed = asked.body[:at] + bytes([asked.body[at] ^ 1]) + asked.body[at + 1 :]
        with pytest.raises(NotGenuine):
            signature.verify_request(recipe, Request("POST", asked.headers, changed, url=asked.url), keys, now=now)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["valid"] and v["provider"] not in {"standard_v1a", "sendgrid"}], ids=named
)
def test_a_known_request_fails_under_another_secret(vector: dict[str, Any]) -> None:
    recipe, asked, keys, now = made(vector)
    first = keys.values[0]
    assert isinstance(first, bytes)
    with pytest.raises(NotGenuine, match="mismatch"):
        signature.verify_request(recipe, asked, SigningKeys((first + b"x",)), now=now)


def test_every_provider_of_the_sheet_makes_a_recipe() -> None:
    assert {name: [str(problem) for problem in recipe_problems(SECTIONS[name])] for name in SECTIONS} == {
        name: [] for name in SECTIONS
    }


@pytest.mark.parametrize("provider", ASYMMETRIC)
def test_what_only_the_provider_can_sign_is_refused(provider: str) -> None:
    with pytest.raises(SettingsError, match="only the provider can sign"):
        signature.sign_request(
            recipe_of(SECTIONS[provider]), b"[]", SigningKeys(), topic=None, now=NOW, nonce="abc", url=None
        )


@pytest.mark.parametrize("provider", [name for name in SECTIONS if name not in ASYMMETRIC])
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_signed_proves_genuine_and_one_changed_byte_breaks_it(provider: str, data: st.DataObject) -> None:
    recipe = recipe_of(SECTIONS[provider])
    keys = signature.read_keys(recipe, [SECRETS.get("standard" if provider == "svix" else provider, SECRET)])
    body = data.draw(BODIES.get(provider, st.binary(max_size=200)))
    topic = "orders/paid" if any(place.root == "header" for place in recipe.topic) else None
    signed = signature.sign_request(recipe, body, keys, topic=topic, now=NOW, nonce="abcdef", url=URL)
    asked = arrived(signed, url=URL)
    signature.verify_request(recipe, asked, keys, now=NOW)
    if recipe.proof.kind in {"token", "basic"} or not asked.body:
        return
    at = data.draw(CHANGES.get(provider, st.integers(0, len(asked.body) - 1)))
    changed = asked.body[:at] + bytes([asked.body[at] ^ 1]) + asked.body[at + 1 :]
    with pytest.raises(NotGenuine):
        signature.verify_request(recipe, Request("POST", asked.headers, changed, url=URL), keys, now=NOW)


@pytest.mark.parametrize("vector", VECTORS, ids=named)
@given(data=st.data())
@settings(max_examples=15)
def test_what_the_one_test_of_the_plainest_kind_passes_is_genuine(vector: dict[str, Any], data: st.DataObject) -> None:
    recipe, asked, keys, now = made(vector)
    passes = quick_test(recipe, keys)
    if passes is None:
        return
    assert passes(RequestView(asked)) <= vector["valid"]
    changed = replace(asked, body=data.draw(st.sampled_from([asked.body, asked.body[:-1], b""])))
    headers = data.draw(st.lists(st.sampled_from(asked.headers), max_size=len(asked.headers) + 1))
    changed = replace(changed, headers=tuple(headers))
    if passes(RequestView(changed)):
        signature.verify_request(recipe, changed, keys, now=now)
