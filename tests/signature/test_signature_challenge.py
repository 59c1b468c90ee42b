"""A provider asks whether an address is ours, and gets the answer that it wants."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from signing_providers import NOW, SECRET, SECTIONS, SENT, keys, recipe, recipe_of, request, slack

from bridge import signature
from bridge.core.errors import NotGenuine
from bridge.core.model import Request
from bridge.signature import Recipe, SigningKeys

SLACK = b'{"type":"url_verification","challenge":"3eZbrw1a","token":"x"}'


def answered(made: Recipe, asked: Request, ring: SigningKeys) -> tuple[str, bytes] | None:
    return signature.answer_challenge(made, asked, ring, now=NOW)


def with_rule(rule: dict[str, Any], provider: str = "shopify") -> Recipe:
    return recipe_of({**SECTIONS[provider], "challenge": [rule]})


def test_slack_gets_its_challenge_back() -> None:
    assert answered(recipe("slack"), slack(SLACK), keys("slack")) == ("text/plain", b"3eZbrw1a")


def test_a_challenge_that_must_be_signed_and_is_not_is_refused() -> None:
    with pytest.raises(NotGenuine, match="missing"):
        answered(recipe("slack"), request(SLACK), keys("slack"))
    with pytest.raises(NotGenuine, match="stale"):
        answered(recipe("slack"), slack(SLACK, stamp=str(SENT - 301)), keys("slack"))


def test_another_event_is_no_challenge() -> None:
    assert answered(recipe("slack"), slack(b'{"type":"event_callback","challenge":"x"}'), keys("slack")) is None
    assert answered(recipe("stripe"), slack(SLACK), keys("stripe")) is None


def test_a_challenge_without_the_text_to_give_back_is_none() -> None:
    assert answered(recipe("slack"), slack(b'{"type":"url_verification"}'), keys("slack")) is None
    assert answered(recipe("slack"), slack(b'{"type":"url_verification","challenge":{}}'), keys("slack")) is None
    endless = json.dumps({"type": "url_verification", "challenge": "x" * 5000}).encode()
    assert answered(recipe("slack"), slack(endless), keys("slack")) is None


def zoom(plain: str, secret: str) -> Request:
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": plain}}).encode()
    made = hmac.new(secret.encode(), b"v0:%d:" % SENT + body, "sha256").hexdigest()
    return request(body, {"x-zm-request-timestamp": str(SENT), "x-zm-signature": f"v0={made}"})


def test_zoom_gets_its_token_back_plain_and_encrypted() -> None:
    secret = "zoom_secret_example"
    reply = answered(recipe("zoom"), zoom("qgg8vlvZRS6UYooatFL8Aw", secret), keys("zoom", secret))
    assert reply is not None
    assert reply[0] == "application/json"
    assert json.loads(reply[1]) == {
        "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
        "encryptedToken": "5c503d9220f43f80f4efec6929bd9f60ceb7a7f425eff4b0c00775fdb578b033",
    }


def test_the_first_secret_answers() -> None:
    reply = answered(recipe("zoom"), zoom("abc", "second"), keys("zoom", "first", "second"))
    assert reply is not None
    assert json.loads(reply[1])["encryptedToken"] == hmac.new(b"first", b"abc", "sha256").hexdigest()


def test_without_a_secret_nothing_keyed_is_answered() -> None:
    assert answered(recipe("zoom"), zoom("abc", SECRET), SigningKeys()) is None


@pytest.mark.parametrize("text", ['"', "\\", '","admin":true,"x":"', "\n", "é", "\u2028", "\ud800", "</script>"])
def test_a_text_given_back_in_json_cannot_break_out_of_its_quotes(text: str) -> None:
    reply = answered(recipe("zoom"), zoom(text, SECRET), keys("zoom"))
    assert reply is not None
    assert json.loads(reply[1])["plainToken"] == text
    assert list(json.loads(reply[1])) == ["plainToken", "encryptedToken"]


def test_a_plain_get_is_answered() -> None:
    made = with_rule({"when": {"method": "GET"}, "respond": {"body": "ok"}})
    assert signature.takes_get(made)
    assert answered(made, request(b"", method="GET"), keys("shopify")) == ("text/plain", b"ok")
    assert answered(made, request(b""), keys("shopify")) is None
    assert not signature.takes_get(recipe("slack"))


def test_a_get_with_a_text_to_give_back_is_answered() -> None:
    rule = {"when": {"method": "GET", "query:hub.challenge": True}, "respond": {"body": "{query:hub.challenge}"}}
    made = with_rule(rule)
    asked = request(b"", method="GET", query=(("hub.challenge", "<1&é>"),))
    assert answered(made, asked, keys("shopify")) == ("text/plain", "<1&é>".encode())
    assert answered(made, request(b"", method="GET"), keys("shopify")) is None


def test_a_ping_is_told_by_what_it_has_and_lacks() -> None:
    when = {"form:webhook_id": True, "header:X-Shopify-Hmac-Sha256": False}
    made = with_rule({"when": when, "signed": False, "respond": {"body": ""}})
    assert answered(made, request("webhook_id=7"), keys("shopify")) == ("text/plain", b"")
    assert answered(made, request("webhook_id=7", {"X-Shopify-Hmac-Sha256": "x"}), keys("shopify")) is None
    assert answered(made, request("webhook_id="), keys("shopify")) is None
    assert answered(made, request("other=7"), keys("shopify")) is None


def test_a_get_can_be_made_to_need_a_signature() -> None:
    rule = {"when": {"method": "GET"}, "signed": True, "respond": {"body": "{hmac:query:c}"}}
    made = with_rule(rule, "gitlab")
    asked = request(b"", {"X-Gitlab-Token": SECRET}, method="GET", query=(("c", "1"),))
    wanted = hmac.new(SECRET.encode(), b"1", "sha256").hexdigest().encode()
    assert answered(made, asked, keys("gitlab")) == ("text/plain", wanted)
    with pytest.raises(NotGenuine, match="missing"):
        answered(made, request(b"", method="GET", query=(("c", "1"),)), keys("gitlab"))


def test_the_first_rule_that_fits_answers() -> None:
    rules = [
        {"when": {"method": "GET", "query:a": "1"}, "respond": {"body": "first"}},
        {"when": {"method": "GET"}, "respond": {"body": "second"}},
    ]
    made = recipe_of({**SECTIONS["shopify"], "challenge": rules})
    assert answered(made, request(b"", method="GET", query=(("a", "1"),)), keys("shopify")) == ("text/plain", b"first")
    assert answered(made, request(b"", method="GET", query=(("a", "2"),)), keys("shopify")) == ("text/plain", b"second")


def test_a_place_that_holds_two_texts_equals_none() -> None:
    made = with_rule({"when": {"method": "GET", "query:a": "1"}, "respond": {"body": "ok"}})
    asked = request(b"", method="GET", query=(("a", "1"), ("a", "2")))
    assert answered(made, asked, keys("shopify")) is None
