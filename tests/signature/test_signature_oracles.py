"""Our verdict beside that of the providers' own libraries, on generated headers, right ones and spoilt ones.

Where ours is stricter on purpose, the oracle's yes and our no are both asserted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from string import ascii_letters, digits

import pytest
import standardwebhooks
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from signing_providers import SECRET, SECRETS, keys, recipe, request

from bridge import signature
from bridge.core.errors import NotGenuine
from bridge.core.model import Request

WHSEC = SECRETS["standard"]
KEY = base64.b64decode(WHSEC.removeprefix("whsec_"))


def now() -> datetime:
    return datetime.now(UTC)


def ours(provider: str, asked: Request) -> bool:
    try:
        signature.verify_request(recipe(provider), asked, keys(provider), now=now())
    except NotGenuine:
        return False
    return True


# --------------------------------------------------------------------------------------------------------- Stripe


def stripes(body: bytes, header: str) -> bool:
    """The verdict of Stripe's library; what makes it crash has not proved genuine."""
    try:
        return bool(stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 300))
    except (stripe.SignatureVerificationError, TypeError):
        return False


def stripe_ours(body: bytes, header: str) -> bool:
    return ours("stripe", request(body, {"Stripe-Signature": header}))


def v1(body: bytes, stamp: int | str) -> str:
    return hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


BODY = st.text(max_size=60).map(str.encode)
AGE = st.sampled_from([0, 1, 60, 290, 310, 1000, 86_400])
"""Seconds since sending, none so near the tolerance that a slow test would cross it."""
JUNK = st.sampled_from(["v0=00", "v1=bad_signature", "v1=", "v1", "t", "x", "=", "", "v2=1", "scheme=zz", "t=1"])


@given(body=BODY, age=AGE, junk=st.lists(JUNK, max_size=4), secrets=st.lists(st.booleans(), max_size=3), data=st.data())
@settings(max_examples=500, deadline=None)
def test_stripes_library_and_ours_agree(
    body: bytes, age: int, junk: list[str], secrets: list[bool], data: st.DataObject
) -> None:
    stamp = int(now().timestamp()) - age
    good = [f"v1={v1(body, stamp)}" if right else f"v1={v1(body + b'.', stamp)}" for right in secrets]
    stamps = [f"t={stamp}"] * data.draw(st.sampled_from([1, 1, 1, 0, 2]))
    header = ",".join(data.draw(st.permutations([*stamps, *good, *junk])))
    assert stripe_ours(body, header) == stripes(body, header)


@given(body=BODY, age=AGE, data=st.data())
@settings(max_examples=400, deadline=None)
def test_stripes_library_and_ours_agree_on_a_header_with_one_changed_character(
    body: bytes, age: int, data: st.DataObject
) -> None:
    stamp = int(now().timestamp()) - age
    header = f"t={stamp},v1={v1(body, stamp)}"
    at = data.draw(st.integers(0, len(header) - 1))
    changed = header[:at] + data.draw(st.characters(codec="latin-1", exclude_categories=["Lu"])) + header[at + 1 :]
    assert stripe_ours(body, changed) == stripes(body, changed)


@given(header=st.text(st.characters(codec="latin-1"), max_size=80), body=BODY)
@settings(max_examples=500, deadline=None)
def test_stripes_library_and_ours_refuse_what_is_no_signature(header: str, body: bytes) -> None:
    assert stripes(body, header) is False
    assert stripe_ours(body, header) is False


def test_a_time_in_the_future_passes_stripes_library_and_not_ours() -> None:
    stamp = int(now().timestamp()) + 1000
    header = f"t={stamp},v1={v1(b'{}', stamp)}"
    assert stripes(b"{}", header) is True
    assert stripe_ours(b"{}", header) is False


@pytest.mark.parametrize("written", [" {}", "{} ", "+{}", "0_{}", "0" * 10 + "{}", "\t{}"])
def test_a_time_that_is_not_plain_digits_passes_stripes_library_and_not_ours(written: str) -> None:
    stamp = int(now().timestamp())
    text = written.format(stamp)
    header = f"t={text},v1={v1(b'{}', stamp)}"
    assert stripes(b"{}", header) is True
    assert stripe_ours(b"{}", header) is False
    as_sent = f"t={text},v1={v1(b'{}', text)}"
    assert stripe_ours(b"{}", as_sent) is False


def test_a_time_in_other_digits_passes_stripes_library_and_not_ours() -> None:
    stamp = int(now().timestamp())
    arabic = str(stamp).translate({ord("0") + n: 0x660 + n for n in range(10)})
    header = f"t={arabic},v1={v1(b'{}', stamp)}"
    assert stripes(b"{}", header) is True
    assert stripe_ours(b"{}", header) is False


def test_text_after_a_second_equals_sign_passes_stripes_library_and_not_ours() -> None:
    stamp = int(now().timestamp())
    header = f"t={stamp},v1={v1(b'{}', stamp)}=more"
    assert stripes(b"{}", header) is True
    assert stripe_ours(b"{}", header) is False


def test_a_candidate_that_is_not_ascii_makes_stripes_library_crash_and_ours_read_on() -> None:
    stamp = int(now().timestamp())
    header = f"t={stamp},v1=ÿ,v1={v1(b'{}', stamp)}"
    with pytest.raises(TypeError):
        stripe.WebhookSignature.verify_header("{}", header, SECRET, 300)
    assert stripe_ours(b"{}", header) is True


def test_hex_in_capitals_is_the_same_signature_for_us() -> None:
    stamp = int(now().timestamp())
    header = f"t={stamp},v1={v1(b'{}', stamp).upper()}"
    assert stripes(b"{}", header) is False
    assert stripe_ours(b"{}", header) is True


# ----------------------------------------------------------------------------------------------- Standard Webhooks


def standards(body: bytes, headers: dict[str, str]) -> bool:
    """The verdict of Standard Webhooks' library; what makes it crash has not proved genuine."""
    try:
        standardwebhooks.Webhook(WHSEC).verify(body, headers, json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError, TypeError):
        return False
    return True


def standard_ours(body: bytes, headers: dict[str, str]) -> bool:
    return ours("standard", request(body, headers))


def base64_v1(body: bytes, *, name: str, stamp: int | str) -> str:
    made = hmac.new(KEY, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return base64.b64encode(made).decode()


NAME = st.text(f"{ascii_letters}{digits}_", min_size=1, max_size=20)
EITHER_WAY = st.sampled_from([0, 60, 290, -290, 310, -310, 86_400, -86_400])
ENTRY = st.sampled_from(["v2,AAAA", "v1a,AAAA", "v1,AAAA", "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=", "v1,"])


@given(body=BODY, name=NAME, age=EITHER_WAY, spoilt=st.booleans(), others=st.lists(ENTRY, max_size=4), data=st.data())
@settings(max_examples=500, deadline=None)
def test_standard_webhooks_library_and_ours_agree(  # noqa: PLR0913  so many things can vary
    body: bytes, name: str, age: int, *, spoilt: bool, others: list[str], data: st.DataObject
) -> None:
    stamp = int(now().timestamp()) - age
    good = f"v1,{base64_v1(body + b'.' * spoilt, name=name, stamp=stamp)}"
    entries = data.draw(st.permutations([good, *others]))
    headers = {"webhook-id": name, "webhook-timestamp": str(stamp), "webhook-signature": " ".join(entries)}
    gone = data.draw(st.sampled_from(["", "", "", *headers]))
    headers = {key: value for key, value in headers.items() if key != gone}
    assert standard_ours(body, headers) == standards(body, headers)


@given(body=BODY, name=NAME, part=st.sampled_from(["webhook-id", "webhook-timestamp"]), data=st.data())
@settings(max_examples=500, deadline=None)
def test_standard_webhooks_library_and_ours_agree_on_a_changed_id_or_time(
    body: bytes, name: str, part: str, data: st.DataObject
) -> None:
    stamp = int(now().timestamp())
    headers = {"webhook-id": name, "webhook-timestamp": str(stamp)}
    headers["webhook-signature"] = "v1," + base64_v1(body, name=name, stamp=stamp)
    text = headers[part]
    at = data.draw(st.integers(0, len(text) - 1))
    headers[part] = text[:at] + data.draw(st.sampled_from("0123456789abz_")) + text[at + 1 :]
    if part == "webhook-timestamp" and "_" in headers[part]:
        assert standard_ours(body, headers) is False
    else:
        assert standard_ours(body, headers) == standards(body, headers)


@pytest.mark.parametrize("written", ["{}.0", " {}", "{} ", "+{}", "{}.75", "{}e0"])
def test_a_time_that_is_not_plain_digits_passes_standard_webhooks_library_and_not_ours(written: str) -> None:
    stamp = int(now().timestamp())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": written.format(stamp)}
    headers["webhook-signature"] = "v1," + base64_v1(b"{}", name="msg_1", stamp=stamp)
    assert standards(b"{}", headers) is True
    assert standard_ours(b"{}", headers) is False


def test_junk_within_base64_passes_standard_webhooks_library_and_not_ours() -> None:
    stamp = int(now().timestamp())
    made = base64_v1(b"{}", name="msg_1", stamp=stamp)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": f"v1,{made[:4]}!{made[4:]}"}
    assert standards(b"{}", headers) is True
    assert standard_ours(b"{}", headers) is False


def test_base64_without_its_padding_is_the_same_signature_for_us() -> None:
    stamp = int(now().timestamp())
    made = base64_v1(b"{}", name="msg_1", stamp=stamp).rstrip("=")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": f"v1,{made}"}
    assert standards(b"{}", headers) is False
    assert standard_ours(b"{}", headers) is True
