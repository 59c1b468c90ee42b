"""A request proves genuine or it does not, and the reason tells the operator where to look."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from signing_providers import NOW, SECRET, SECTIONS, SENT, keys, recipe, recipe_of, request, slack, stripe_v1, verdict

from bridge import signature
from bridge.core.errors import NotGenuine
from bridge.core.model import Request
from bridge.signature import SigningKeys
from bridge.signature.locators import MAX_FIELDS

BODY = b'{"id":"evt_1","type":"charge.succeeded"}'


def stripe(header: str, *more: str, body: bytes = BODY) -> Request:
    return request(body, {"Stripe-Signature": header}, more=tuple(("stripe-signature", value) for value in more))


def shopify(body: bytes, *signatures: str) -> Request:
    return request(body, more=tuple(("x-shopify-hmac-sha256", value) for value in signatures))


def shopify_made(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, "sha256").digest()).decode()


# ------------------------------------------------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (f"t={SENT},v1={stripe_v1(BODY)}", "genuine"),
        (f"v1={stripe_v1(BODY)},t={SENT}", "genuine"),
        (f"v1={stripe_v1(BODY)}", "missing"),
        (f"t={SENT}", "missing"),
        (f"t={SENT},v0={stripe_v1(BODY)}", "missing"),
        ("", "missing"),
        (f"t={SENT},v1=", "malformed"),
        (f"t={SENT},v1", "malformed"),
        (f"t={SENT},v1=not hex", "malformed"),
        (f"t={SENT},v1={stripe_v1(BODY)[:-1]}", "malformed"),
        (f"t={SENT},v1= {stripe_v1(BODY)}", "malformed"),
        (f"t={SENT}, v1={stripe_v1(BODY)}", "missing"),
        (f"t=,v1={stripe_v1(BODY)}", "missing"),
        (f"t= {SENT},v1={stripe_v1(BODY)}", "malformed"),
        (f"t=+{SENT},v1={stripe_v1(BODY)}", "malformed"),
        (f"t=-{SENT},v1={stripe_v1(BODY)}", "malformed"),
        (f"t={SENT}.0,v1={stripe_v1(BODY)}", "malformed"),
        (f"t={'9' * 17},v1={stripe_v1(BODY, stamp='9' * 17)}", "malformed"),
        (f"t={'9' * 16},v1={stripe_v1(BODY, stamp='9' * 16)}", "stale"),
        (f"t={SENT},v1={stripe_v1(BODY, stamp='1')}", "mismatch"),
        (f"t={SENT},v1={stripe_v1(BODY)[:-2]}", "mismatch"),
        (f"t={SENT},v1={stripe_v1(BODY)}00", "mismatch"),
    ],
)
def test_the_reason_tells_what_is_wrong_with_a_signature(header: str, reason: str) -> None:
    assert verdict("stripe", stripe(header)) == reason


def test_a_request_without_the_header_is_missing_its_signature() -> None:
    assert verdict("stripe", request(BODY)) == "missing"


def test_a_wrong_signature_of_an_old_request_is_a_mismatch_and_not_stale() -> None:
    assert verdict("stripe", stripe(f"t=1,v1={stripe_v1(BODY)}")) == "mismatch"


@pytest.mark.parametrize(
    ("late", "reason"), [(300, "genuine"), (300.001, "stale"), (-300, "genuine"), (-300.001, "stale"), (-1e9, "stale")]
)
def test_the_time_of_sending_may_differ_by_the_tolerance_both_ways(late: float, reason: str) -> None:
    assert verdict("stripe", stripe(f"t={SENT},v1={stripe_v1(BODY)}"), late=late) == reason


def test_the_timestamp_is_signed_as_it_was_received() -> None:
    padded = f"0{SENT}"
    assert verdict("stripe", stripe(f"t={padded},v1={stripe_v1(BODY, stamp=padded)}")) == "genuine"
    assert verdict("stripe", stripe(f"t={padded},v1={stripe_v1(BODY)}")) == "mismatch"


# ---------------------------------------------------------------------------------- several secrets and candidates


def test_any_signature_may_match_any_secret() -> None:
    header = f"t={SENT},v1={stripe_v1(BODY, secret='gone')},v1={stripe_v1(BODY)}"
    assert verdict("stripe", stripe(header), keys("stripe", "new", "newer", SECRET)) == "genuine"
    assert verdict("stripe", stripe(header), keys("stripe", "new", "newer")) == "mismatch"


def test_without_a_key_nothing_proves_genuine() -> None:
    for provider in SECTIONS.keys() - {"unsigned", "adyen"}:
        assert verdict(provider, request("{}"), SigningKeys()) in {"missing", "mismatch"}
    assert verdict("stripe", stripe(f"t={SENT},v1={stripe_v1(BODY)}"), SigningKeys()) == "mismatch"
    assert (
        verdict("stripe", stripe(f"t={SENT},v1={hmac.new(b'', BODY, 'sha256').hexdigest()}"), SigningKeys())
        == "mismatch"
    )


def test_the_tenth_candidate_is_looked_at_and_the_eleventh_is_not() -> None:
    wrong = f"v1={'0' * 64}"
    tenth = ",".join([f"t={SENT}", *[wrong] * 9, f"v1={stripe_v1(BODY)}"])
    eleventh = ",".join([f"t={SENT}", *[wrong] * 10, f"v1={stripe_v1(BODY)}"])
    assert verdict("stripe", stripe(tenth)) == "genuine"
    assert verdict("stripe", stripe(eleventh)) == "mismatch"


def test_more_than_sixty_four_entries_are_refused_even_where_they_are_short() -> None:
    fits = f"t={SENT},v1={stripe_v1(BODY)}" + ",x" * 62
    assert verdict("stripe", stripe(fits)) == "genuine"
    assert verdict("stripe", stripe(fits + ",x")) == "malformed"


@pytest.mark.parametrize("entry", ["v1=00", f"v1={'0' * 64}", "x", "", "t=1"])
def test_ten_thousand_entries_are_refused_unread(entry: str) -> None:
    header = ",".join([f"t={SENT}", f"v1={stripe_v1(BODY)}", *[entry] * 10_000])
    assert verdict("stripe", stripe(header)) == "malformed"


def test_an_endless_header_is_refused_unread() -> None:
    assert verdict("stripe", stripe(f"t={SENT},v1={stripe_v1(BODY)},x={'y' * 1_000_000}")) == "malformed"
    assert verdict("shopify", shopify(BODY, "A" * 1_000_000)) == "malformed"


@pytest.mark.parametrize("text", ["é", "ÿ" * 44, "sha256=é", "\x00", "=" * 44, "AAAA=AAA", "日本"])
def test_a_signature_of_strange_characters_is_malformed(text: str) -> None:
    assert verdict("shopify", shopify(BODY, text)) == "malformed"
    assert verdict("stripe", stripe(f"t={SENT},v1={text}")) in {"malformed", "missing"}
    assert verdict("slack", request(BODY, {"X-Slack-Request-Timestamp": str(SENT), "X-Slack-Signature": text})) == (
        "malformed"
    )


# ------------------------------------------------------------------------------------------------- doubled headers


def test_a_signature_header_that_stands_twice_is_refused_where_the_scheme_knows_no_list() -> None:
    right, wrong = shopify_made(BODY), shopify_made(BODY, "other")
    assert verdict("shopify", shopify(BODY, right)) == "genuine"
    assert verdict("shopify", shopify(BODY, right, wrong)) == "malformed"
    assert verdict("shopify", shopify(BODY, right, right)) == "malformed"


def test_a_signature_header_that_stands_twice_gives_candidates_where_the_scheme_knows_a_list() -> None:
    right = hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()
    for values in [("sha256=" + "0" * 64, right), (f"sha256={right}", "00"), (f"00, sha256={right}",), (f"{right},",)]:
        assert verdict("mollie", request(BODY, more=tuple(("x-mollie-signature", v) for v in values))) == "genuine"


def test_of_two_stripe_headers_the_first_time_and_all_signatures_count() -> None:
    right = f"t={SENT},v1={stripe_v1(BODY)}"
    assert verdict("stripe", stripe(f"t={SENT},v1=00", f"t=1,v1={stripe_v1(BODY)}")) == "genuine"
    assert verdict("stripe", stripe(f"t=1,v1={stripe_v1(BODY)}", right)) == "mismatch"


def test_a_signed_header_or_timestamp_that_stands_twice_is_refused() -> None:
    asked = slack(BODY)
    doubled = replace(asked, headers=(*asked.headers, ("x-slack-request-timestamp", str(SENT))))
    assert verdict("slack", asked) == "genuine"
    assert verdict("slack", doubled) == "malformed"
    named = {"webhook-timestamp": str(SENT), "webhook-id": "msg_1", "webhook-signature": "v1,AAAA"}
    assert verdict("standard", request(BODY, named)) == "mismatch"
    assert verdict("standard", request(BODY, named, more=(("webhook-id", "msg_1"),))) == "malformed"


def test_a_request_without_a_header_that_is_signed_is_missing_it() -> None:
    named = {"webhook-timestamp": str(SENT), "webhook-signature": "v1,AAAA"}
    assert verdict("standard", request(BODY, named)) == "missing"


# --------------------------------------------------------------------------------------------------- what is signed


def test_a_prefix_that_must_be_there_must_be_there() -> None:
    asked = slack(BODY)
    bare = {"X-Slack-Request-Timestamp": str(SENT), "X-Slack-Signature": dict(asked.headers)["x-slack-signature"][3:]}
    assert verdict("slack", request(BODY, bare)) == "malformed"


@given(body=st.binary(max_size=300))
def test_a_body_is_verified_as_bytes_whatever_they_are(body: bytes) -> None:
    assert verdict("shopify", shopify(body, shopify_made(body))) == "genuine"
    assert verdict("slack", slack(body)) == "genuine"


@given(text=st.text(st.characters(codec="latin-1"), min_size=1, max_size=20))
def test_a_signed_header_is_verified_as_the_bytes_that_came(text: str) -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = text.encode("latin-1") + f".{SENT}.".encode() + BODY
    made = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
    named = {"webhook-id": text, "webhook-timestamp": str(SENT), "webhook-signature": f"v1,{made}"}
    assert verdict("standard", request(BODY, named)) == "genuine"


def test_an_address_that_is_signed_must_be_known_and_the_same() -> None:
    url = "https://bridge.example/webhooks/square?a=1"
    made = base64.b64encode(hmac.new(SECRET.encode(), url.encode() + BODY, "sha256").digest()).decode()
    headers = {"x-square-hmacsha256-signature": made}
    assert verdict("square", request(BODY, headers, url=url)) == "genuine"
    assert verdict("square", request(BODY, headers, url=url + "0")) == "mismatch"
    assert verdict("square", request(BODY, headers)) == "missing"


def test_form_fields_are_signed_in_order_of_their_names_and_doubles_once() -> None:
    url = "https://bridge.example/sms"
    text = url + "A1" + "A2" + "Bx y" + "Cé" + "E"
    made = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), "sha1").digest()).decode()
    body = "B=x+y&A=2&A=1&C=%C3%A9&A=2&E="
    assert verdict("twilio", request(body, {"X-Twilio-Signature": made}, url=url)) == "genuine"


def test_a_form_of_too_many_fields_is_read_as_none() -> None:
    url = "https://bridge.example/sms"
    for count, reason in [(MAX_FIELDS, "genuine"), (MAX_FIELDS + 1, "mismatch")]:
        names = sorted(f"k{n}" for n in range(count))
        made = base64.b64encode(hmac.new(SECRET.encode(), (url + "".join(names)).encode(), "sha1").digest()).decode()
        assert verdict("twilio", request("&".join(names), {"X-Twilio-Signature": made}, url=url)) == reason


@given(body=st.binary(max_size=100))
def test_form_fields_of_any_bytes_never_make_it_stumble(body: bytes) -> None:
    url = "https://bridge.example/sms"
    asked = request(body, {"X-Twilio-Signature": "AAAA"}, url=url)
    assert verdict("twilio", asked) == "mismatch"


def test_a_digest_is_made_of_secret_and_body() -> None:
    made = hashlib.sha256(SECRET.encode() + BODY).hexdigest()
    assert verdict("recharge_legacy", request(BODY, {"X-Recharge-Hmac-Sha256": made})) == "genuine"
    bare = hashlib.sha256(BODY).hexdigest()
    assert verdict("recharge_legacy", request(BODY, {"X-Recharge-Hmac-Sha256": bare})) == "mismatch"


# ------------------------------------------------------------------------------------------- tokens and passwords


@pytest.mark.parametrize(
    ("token", "reason"),
    [(SECRET, "genuine"), (SECRET + "x", "mismatch"), (SECRET[:-1], "mismatch"), ("", "missing"), ("é", "mismatch")],
)
def test_a_token_must_be_the_secret(token: str, reason: str) -> None:
    assert verdict("gitlab", request(BODY, {"X-Gitlab-Token": token})) == reason
    assert verdict("gumroad", request(BODY, query=(("secret", token),))) == reason


def test_a_token_may_match_any_secret_and_must_stand_once() -> None:
    made = keys("gitlab", "new", SECRET)
    assert verdict("gitlab", request(BODY, {"X-Gitlab-Token": SECRET}), made) == "genuine"
    twice = request(BODY, {"X-Gitlab-Token": SECRET}, more=(("x-gitlab-token", "new"),))
    assert verdict("gitlab", twice, made) == "malformed"
    assert verdict("gumroad", request(BODY, query=(("secret", SECRET), ("secret", SECRET)))) == "malformed"


def test_a_token_with_letters_beyond_ascii_is_compared_as_bytes() -> None:
    secret = "schlüssel-für-webhooks"
    sent = secret.encode().decode("latin-1")
    assert verdict("gitlab", request(BODY, {"X-Gitlab-Token": sent}), keys("gitlab", secret)) == "genuine"
    assert verdict("gumroad", request(BODY, query=(("secret", secret),)), keys("gumroad", secret)) == "genuine"


def test_a_tokens_prefix_is_taken_off() -> None:
    section = {"signature": {"kind": "token", "from": "header:Authorization", "prefix": "Bearer "}}
    made = recipe_of(section)
    for value, holds in [(f"Bearer {SECRET}", True), (SECRET, False), (f"bearer {SECRET}", False), ("Bearer ", False)]:
        asked = request(BODY, {"Authorization": value})
        if holds:
            signature.verify_request(made, asked, signature.read_keys(made, [SECRET]), now=NOW)
        else:
            with pytest.raises(NotGenuine):
                signature.verify_request(made, asked, signature.read_keys(made, [SECRET]), now=NOW)


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f"Basic {basic('shop:pass:word')}", "genuine"),
        (f"basic {basic('shop:pass:word')}", "genuine"),
        (f"BASIC  {basic('shop:pass:word')}", "genuine"),
        (f"Basic {basic('shop:pass')}", "mismatch"),
        (f"Basic {basic('shop:pass:word:')}", "mismatch"),
        (f"Basic {basic('shop')}", "mismatch"),
        (f"Basic {basic('')}", "mismatch"),
        (f"Bearer {basic('shop:pass:word')}", "malformed"),
        ("Basic ???", "malformed"),
        ("Basic é", "malformed"),
        ("Basic", "mismatch"),
        ("", "missing"),
    ],
)
def test_a_password_is_compared_whole_with_its_colons(value: str, reason: str) -> None:
    assert verdict("chargebee", request(BODY, {"Authorization": value})) == reason


def test_an_unsigned_source_takes_everything() -> None:
    assert verdict("unsigned", request(b"\xff"), SigningKeys()) == "genuine"


# --------------------------------------------------------------------------------------------------- public keys


def test_an_ed25519_signature_proves_genuine_and_another_does_not() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    made = private.sign(str(SENT).encode() + BODY)
    headers = {"X-Signature-Timestamp": str(SENT), "X-Signature-Ed25519": made.hex()}
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    assert verdict("discord", request(BODY, headers), keys("discord", other, public)) == "genuine"
    assert verdict("discord", request(BODY, headers), keys("discord", other)) == "mismatch"
    assert verdict("discord", request(BODY + b" ", headers), keys("discord", public)) == "mismatch"
    assert verdict("discord", request(BODY, headers), keys("discord", public), late=301) == "stale"
    for wrong in ("00", "00" * 64, made.hex()[:-2]):
        asked = request(BODY, {**headers, "X-Signature-Ed25519": wrong})
        assert verdict("discord", asked, keys("discord", public)) == "mismatch"


def test_an_ecdsa_signature_proves_genuine_and_another_does_not() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    made = private.sign(str(SENT).encode() + b"[]\r\n", ec.ECDSA(SHA256()))
    headers = {"X-Event-Timestamp": str(SENT), "X-Event-Signature": base64.b64encode(made).decode()}
    pair = keys("sendgrid", base64.b64encode(der).decode())
    assert verdict("sendgrid", request(b"[]\r\n", headers), pair) == "genuine"
    assert verdict("sendgrid", request(b"[]", headers), pair) == "mismatch"
    spoilt = base64.b64encode(b"\x30" + made[:-1]).decode()
    assert verdict("sendgrid", request(b"[]\r\n", {**headers, "X-Event-Signature": spoilt}), pair) == "mismatch"


# --------------------------------------------------------------------------------------------- signatures by item


def adyen_item(
    reference: str, *, key: str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
) -> object:
    text = f"{reference}:order:1130:true"
    made = base64.b64encode(hmac.new(bytes.fromhex(key), text.encode(), "sha256").digest()).decode()
    fields = {"pspReference": reference, "merchantReference": "order", "amount": {"value": 1130}, "success": True}
    return {"NotificationRequestItem": {**fields, "additionalData": {"hmacSignature": made}}}


def adyen(*items: object) -> Request:
    return request(json.dumps({"live": "false", "notificationItems": items}))


def test_every_item_must_prove_genuine_where_items_are_signed() -> None:
    wrong = adyen_item("8", key="00ff")
    assert verdict("adyen", adyen(adyen_item("7"), adyen_item("8"))) == "genuine"
    assert verdict("adyen", adyen(adyen_item("7"), wrong)) == "mismatch"
    assert verdict("adyen", adyen(wrong, adyen_item("7"))) == "mismatch"
    assert verdict("adyen", adyen(adyen_item("7"), {"NotificationRequestItem": {"pspReference": "8"}})) == "missing"
    assert verdict("adyen", adyen(adyen_item("7"), None)) == "missing"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"notificationItems":[]}', b'{"notificationItems":{}}'])
def test_a_body_without_items_cannot_prove_genuine_where_items_are_signed(body: bytes) -> None:
    assert verdict("adyen", request(body)) == "missing"


def test_an_object_where_a_signed_text_should_stand_is_refused() -> None:
    key = bytes.fromhex("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056")
    made = base64.b64encode(hmac.new(key, b"7::1130:true", "sha256").digest()).decode()
    fields = {
        "pspReference": "7",
        "amount": {"value": 1130},
        "success": "true",
        "additionalData": {"hmacSignature": made},
    }
    assert verdict("adyen", adyen({"NotificationRequestItem": fields})) == "genuine"
    assert verdict("adyen", adyen({"NotificationRequestItem": {**fields, "merchantReference": None}})) == "genuine"
    for slipped_in in ({"id": "x"}, ["x"]):
        item = {"NotificationRequestItem": {**fields, "merchantReference": slipped_in}}
        assert verdict("adyen", adyen(item)) == "malformed"


# ------------------------------------------------------------------------------------------------------------ any


@given(
    body=st.binary(max_size=60),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    place
                    for section in SECTIONS.values()
                    for place in str(section).lower().split("'")
                    if "header:" in place
                ]
            ).map(lambda place: place.partition("header:")[2]),
            st.text(max_size=40),
        ),
        max_size=8,
    ),
)
def test_no_request_makes_any_recipe_raise_anything_but_not_genuine(
    body: bytes, headers: list[tuple[str, str]]
) -> None:
    asked = Request("POST", tuple(headers), body, url="https://bridge.example/é\ud800")
    for provider in SECTIONS.keys() - {"unsigned"}:
        with pytest.raises(NotGenuine) as refused:
            signature.verify_request(recipe(provider), asked, SigningKeys((b"key",)), now=NOW + timedelta(days=1))
        assert refused.value.reason in {"missing", "malformed", "mismatch", "stale"}
