"""A mapping bound to a name and secrets does all that a source promises."""

from __future__ import annotations

import gc
import hashlib
import hmac
import threading
from collections.abc import Mapping

import pytest
from mapping_author import HEAD, NOW, document, made, one_event, source, webhook

from bridge import mapping
from bridge.core.errors import NotGenuine, SettingsError
from bridge.core.model import Request
from bridge.core.source import ChallengeReply, Source
from bridge.mapping import MappedSource

TEXT = one_event("x: =body.x") + (
    "vars:\n  purchase: {default: paid, allowed: [paid, created], help: Which}\n  country: {default: ''}\n"
    "ignore:\n  other: it is other\n"
)


def bound(text: str = TEXT, *, secrets: tuple[str, ...] = ("s3cret",), **more: str) -> MappedSource:
    vars_ = {"country": more.pop("country")} if "country" in more else {}
    return mapping.parse_mapping(text, name="shop.yaml").bind_source("shop-eu", secrets=secrets, vars=vars_, **more)  # type: ignore[arg-type]


def signed(body: bytes, secret: str = "s3cret", **headers: str) -> Request:
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    given = {"x-sig": signature, "x-id": "wh-1", "x-topic": "made"} | headers
    return Request("POST", tuple(given.items()), body)


def test_a_mapping_tells_what_it_is() -> None:
    found = mapping.parse_mapping(TEXT, name="shop.yaml")
    assert (found.name, found.provider, found.title, found.topics) == ("shop.yaml", "shop", "shop", ("made",))
    assert found.ignores == {"other": "it is other"}
    assert {name: (var.default, var.allowed, var.help) for name, var in found.vars.items()} == {
        "purchase": ("paid", ("paid", "created"), "Which"),
        "country": ("", (), ""),
    }


def test_a_source_keeps_every_promise() -> None:
    one: Source = bound(scope="shops")
    assert (one.name, one.scope, one.to, one.has_secret, one.takes_get) == ("shop-eu", "shops", None, True, False)
    assert bound().scope == "shop-eu"
    assert not bound(secrets=()).has_secret
    (kept,) = one.read_webhooks(signed(b'{"x": 5}'), now=NOW)
    (event,) = made(one.translate(kept))
    assert event.origin == "source:shop-eu"
    assert document(event) == {"event_type": "thing", "x": 5}


def test_headers_that_say_the_account_and_the_test_flag_are_part_of_what_a_webhook_is_known_again_by() -> None:
    text = TEXT.replace("  topic: [header:X-Topic]\n", """\
  topic: [header:X-Topic]
  occurred_at: =headers."x-sent-at"
  account: =body.shop || whose
  test: =headers."x-test" == 'true'
""") + "let: {whose: '=lower(headers.\"x-shop\")'}\n"  # fmt: skip
    assert mapping.parse_mapping(text, name="shop.yaml").recipe.saying == ("x-shop", "x-test")
    [known] = bound(text).read_webhooks(signed(b"{}", **{"x-shop": "A", "x-sent-at": "now"}), now=NOW)
    assert known.unsigned_facts == "x-shop: A"


def test_a_header_that_an_expression_reads_is_kept_however_many_come_before_it() -> None:
    text = one_event('x: =given."x-late" || headers.plain') + "let: {given: =headers}\n"
    filler = {f"x-{number}": "x" * 1000 for number in range(50)}
    for name in ("x-late", "plain"):
        [kept] = bound(text).read_webhooks(signed(b"{}", **filler, **{name: "5"}), now=NOW)
        [event] = made(bound(text).translate(kept))
        assert document(event)["x"] == "5"
        assert sum(map(len, (*kept.headers, *kept.headers.values()))) <= 8192


def test_what_a_source_signs_it_receives() -> None:
    one = bound()
    made_up = one.sign_body(b'{"x": 5}', topic="made", now=NOW, nonce="abcdef")
    headers = tuple((name.lower(), value) for name, value in made_up.headers.items())
    (kept,) = one.read_webhooks(Request("POST", headers, made_up.body), now=NOW)
    assert kept.topic == "made"
    other = one.sign_body(b'{"x": 5}', topic="made", now=NOW, nonce="abcdef", secret="another")
    with pytest.raises(NotGenuine):
        one.read_webhooks(Request("POST", tuple((k.lower(), v) for k, v in other.headers.items()), other.body), now=NOW)


def test_a_request_that_is_not_genuine_is_refused() -> None:
    with pytest.raises(NotGenuine):
        bound().read_webhooks(signed(b"{}", secret="wrong"), now=NOW)
    with pytest.raises(NotGenuine):
        bound(secrets=()).read_webhooks(signed(b"{}"), now=NOW)


def test_each_of_several_secrets_is_tried() -> None:
    one = bound(secrets=("old", "s3cret"))
    assert len(one.read_webhooks(signed(b"{}"), now=NOW)) == 1
    assert len(one.read_webhooks(signed(b"{}", secret="old"), now=NOW)) == 1


@pytest.mark.parametrize("secret", ["", "  ", "s3cret\n"])
def test_a_bad_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        bound(secrets=("a good one", secret))
    assert str(refusal.value).startswith("source `shop-eu`: secret 2 of 2")
    assert "s3cret" not in str(refusal.value)
    assert "good one" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"purchas": "paid"},
            "source `shop`: shop has no var `purchas`; did you mean 'purchase'? (its vars: purchase, country)",
        ),
        ({"purchase": "PAID"}, "source `shop`: the var `purchase` must be one of paid, created"),
        ({"purchase": ""}, "source `shop`: the var `purchase` must be one of paid, created"),
    ],
)
def test_a_wrong_var_is_refused_with_what_it_may_be(given: Mapping[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        source(TEXT, vars=given)
    assert str(refusal.value) == message


def test_vars_are_what_was_set_over_the_defaults() -> None:
    assert bound(country="DE").vars == {"purchase": "paid", "country": "DE"}


def test_a_signature_over_the_address_needs_the_public_url() -> None:
    text = TEXT.replace('signed: "{body}"', 'signed: "{url}{body}"')
    with pytest.raises(SettingsError, match="source `shop-eu`: shop signs the address it posts to; set `public_url`"):
        bound(text)
    assert not bound(text, secrets=()).has_secret
    one = bound(text, public_url="https://shop.example/hooks")
    made_up = one.sign_body(b"{}", topic="made", now=NOW, nonce="abcdef")
    headers = tuple((name.lower(), value) for name, value in made_up.headers.items())
    assert len(one.read_webhooks(Request("POST", headers, b"{}"), now=NOW)) == 1
    with pytest.raises(NotGenuine):
        one.read_webhooks(Request("POST", headers, b"{}", query=(("a", "b"),), query_string="a=b"), now=NOW)


def test_a_challenge_is_answered() -> None:
    section = "  challenge:\n    - when: {json:/type: url_verification}\n      respond: {content_type: text/plain, body: '{json:/challenge}'}\n"
    one = bound(TEXT.replace(HEAD, HEAD + section))
    asked = signed(b'{"type": "url_verification", "challenge": "abc"}')
    assert one.answer_challenge(asked, now=NOW) == ChallengeReply("text/plain", b"abc")
    assert one.answer_challenge(signed(b"{}"), now=NOW) is None


def test_a_source_shows_no_secret() -> None:
    assert repr(bound()) == "MappedSource('shop-eu')"


def test_many_threads_translate_with_one_source() -> None:
    one = source(one_event("x: =twice\ny: =twice") + "let:\n  twice: =format('{}{}', body.x, body.x)\n")
    wrong: list[object] = []

    def work(number: int) -> None:
        for _ in range(200):
            (event,) = made(one.translate(webhook({"x": number})))
            if document(event)["y"] != f"{number}{number}":
                wrong.append(event)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_source_that_is_let_go_leaves_nothing_behind() -> None:
    text = one_event("x: =decimal(body.x)")
    source(text).translate(webhook({"x": "?"}))
    gc.collect()
    before = sum(isinstance(each, MappedSource) for each in gc.get_objects())
    source(text).translate(webhook({"x": "?"}))
    gc.collect()
    assert sum(isinstance(each, MappedSource) for each in gc.get_objects()) == before
