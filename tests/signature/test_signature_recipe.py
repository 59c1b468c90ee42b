"""A recipe that cannot be used is refused when it is read, at the key at fault and with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from signing_providers import SECTIONS, recipe, recipe_of, recipe_problems

from bridge import signature

HMAC: dict[str, Any] = {
    "kind": "hmac",
    "algorithm": "sha256",
    "encoding": "hex",
    "from": "header:X-Signature",
    "signed": "{body}",
}


def found(section: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    return recipe_problems(section)


def in_signature(**keys: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """The problems of a sound block with these keys set, or taken away where they are None."""
    return found({"signature": {name: value for name, value in {**HMAC, **keys}.items() if value is not None}})


STAMP = {"from": "header:X-Time", "format": "unix"}
LISTED = {"split": ",", "pair": "=", "key": ["v1"]}


def test_all_our_providers_are_sound() -> None:
    assert {name: found(section) for name, section in SECTIONS.items()} == {name: [] for name in SECTIONS}


@pytest.mark.parametrize(
    ("keys", "at", "text"),
    [
        ({"kind": None}, (), "`kind` is missing; say one of hmac, digest, token, basic, ed25519, ecdsa_p256, none"),
        (
            {"kind": "hmca"},
            ("kind",),
            (
                "`kind` must be one of hmac, digest, token, basic, ed25519, ecdsa_p256, none, got 'hmca'; did you "
                "mean 'hmac'?"
            ),
        ),
        ({"kind": 1}, ("kind",), "`kind` must be a text, got a number; put it in quotes"),
        ({"algorithm": None}, (), "`algorithm` is missing; say one of sha256, sha1, sha512"),
        (
            {"algorithm": "sha265"},
            ("algorithm",),
            "`algorithm` must be one of sha256, sha1, sha512, got 'sha265'; did you mean 'sha256'?",
        ),
        ({"encoding": None}, (), "`encoding` is missing; say one of hex, base64"),
        ({"from": None}, (), "`from` is missing; say where the signature stands, such as header:X-Signature"),
        ({"from": ""}, ("from",), "`from` must not be empty"),
        (
            {"from": "X-Signature"},
            ("from",),
            "'X-Signature' is no place in a request; write header:NAME, query:NAME, form:NAME or json:/pointer",
        ),
        ({"from": "header:"}, ("from",), "'header:' names no header; write header:NAME"),
        ({"from": "header:X Y"}, ("from",), "'header:X Y' names no header; write header:NAME"),
        ({"from": "json:id"}, ("from",), "'id' is no JSON pointer to a field; write it like /data/id"),
        ({"from": "json:/a~2"}, ("from",), "'/a~2' is no JSON pointer: ~ stands only in ~0 (for ~) and ~1 (for /)"),
        (
            {"from": "signature:t"},
            ("from",),
            "'signature:t' is no place for a signature; write header:, query:, form: or json:",
        ),
        (
            {"from": "json:/signature"},
            ("signed",),
            "{body} holds the signature itself (json:/signature), which cannot cover itself",
        ),
        (
            {"from": "form:sig", "signed": "{form_sorted}"},
            ("signed",),
            "{form_sorted} holds the signature itself (form:sig), which cannot cover itself",
        ),
        (
            {"from": "query:sig", "signed": "{url}{body}"},
            ("signed",),
            "{url} holds the signature itself (query:sig), which cannot cover itself",
        ),
        ({"signed": None}, (), '`signed` is missing; say what is signed, such as "{timestamp}.{body}"'),
        ({"signed": "{bdy}"}, ("signed",), "unknown placeholder {bdy}; did you mean {body}?"),
        ({"signed": "{headers:X}{body}"}, ("signed",), "unknown placeholder {headers:X}; did you mean {header:X}?"),
        (
            {"signed": "{xyzzy}{body}"},
            ("signed",),
            (
                "unknown placeholder {xyzzy}; there are {id}, {body}, {timestamp}, {url}, {method}, {secret}, "
                "{form_sorted}, "
                "{header:…}, {json:…}, {query:…}, {form:…}"
            ),
        ),
        ({"signed": "{body"}, ("signed",), "a placeholder that is not closed; end it with }"),
        (
            {"signed": "{ body }{body}"},
            ("signed",),
            "a brace that belongs to no placeholder; write {body}, {timestamp}, …",
        ),
        (
            {"signed": "{url}"},
            ("signed",),
            "covers nothing of the body, so any body would pass with it; add {body}",
        ),
        ({"signed": "{secret}{body}"}, ("signed",), "{secret} has no meaning for kind hmac"),
        (
            {"kind": "digest"},
            ("signed",),
            "kind digest without {secret} could be made by anyone; add {secret}, or use kind hmac",
        ),
        (
            {"signed": "{timestamp}.{body}"},
            ("signed",),
            "{timestamp} needs a `timestamp` block that says where it stands",
        ),
        (
            {"timestamp": STAMP},
            ("timestamp",),
            "`signed` does not cover the timestamp, so anyone could write it; add {timestamp}",
        ),
        (
            {"signed": "{id}.{body}"},
            ("signed",),
            "{id} needs exactly one place under `id`; name the place itself, such as {header:NAME}",
        ),
        ({"pair": "="}, ("pair",), "`pair` needs `key`: the names whose values are signatures, such as [v1]"),
        ({"key": ["v1"]}, ("key",), "`key` needs `pair`: what stands between a name and its value, such as '='"),
        (
            {**LISTED, "key": ["v1", 2]},
            ("key", 1),
            "must be a text, got a number; put it in quotes",
        ),
        ({"prefix_optional": True}, ("prefix_optional",), "`prefix_optional` needs `prefix`"),
        (
            {"prefix": "v0=", "prefix_optional": "yes"},
            ("prefix_optional",),
            "`prefix_optional` must be true or false, got a text",
        ),
        ({"algoritm": "sha256"}, ("algoritm",), "unknown key 'algoritm'; did you mean 'algorithm'?"),
        (
            {"i_accept_unsigned": True},
            ("i_accept_unsigned",),
            "`i_accept_unsigned` has no meaning for kind hmac; leave it out",
        ),
        ({"secret": "whsec_"}, ("secret",), "secret must be an object"),
        ({"secret": {"encodin": "hex"}}, ("secret", "encodin"), "unknown key 'encodin'; did you mean 'encoding'?"),
        (
            {"secret": {"encoding": "base46"}},
            ("secret", "encoding"),
            "`encoding` must be one of utf8, base64, hex, got 'base46'; did you mean 'base64'?",
        ),
    ],
)
def test_a_problem_of_the_signature_is_told_at_its_key(keys: dict[str, Any], at: tuple[str, ...], text: str) -> None:
    assert in_signature(**keys) == [(("signature", *at), text)]


@pytest.mark.parametrize(
    ("stamp", "at", "text"),
    [
        ({"format": "unix"}, (), "`from` is missing; say where the time of sending stands, such as header:X-Timestamp"),
        ({"from": "header:T"}, (), "`format` is missing; say one of unix, unix_ms, rfc3339, http_date"),
        (
            {**STAMP, "format": "unix_s"},
            ("format",),
            "`format` must be one of unix, unix_ms, rfc3339, http_date, got 'unix_s'; did you mean 'unix_ms'?",
        ),
        ({**STAMP, "tolerance": 0}, ("tolerance",), "`tolerance` must be a whole number of seconds, 1 or more"),
        ({**STAMP, "tolerance": "5m"}, ("tolerance",), "`tolerance` must be a whole number of seconds, 1 or more"),
        ({**STAMP, "tolerance": True}, ("tolerance",), "`tolerance` must be a whole number of seconds, 1 or more"),
        ({**STAMP, "from": "signature:t"}, ("from",), "'signature:t' needs `pair` and `key` in `signature`"),
        (
            {**STAMP, "from": "T"},
            ("from",),
            "'T' is no place in a request; write header:NAME, query:NAME, form:NAME or json:/pointer",
        ),
        ({**STAMP, "from": "body_sha256"}, ("from",), "'body_sha256' is no place for a timestamp"),
        ({**STAMP, "tolerence": 3}, ("tolerence",), "unknown key 'tolerence'; did you mean 'tolerance'?"),
    ],
)
def test_a_problem_of_the_timestamp_is_told_at_its_key(stamp: dict[str, Any], at: tuple[str, ...], text: str) -> None:
    assert in_signature(signed="{timestamp}.{body}", timestamp=stamp) == [(("signature", "timestamp", *at), text)]


def test_the_tolerance_is_five_minutes_where_nothing_is_said() -> None:
    stamp = recipe("zoom").proof.stamp
    assert stamp is not None
    assert stamp.tolerance == 300


@pytest.mark.parametrize("said", [None, False])
def test_an_unsigned_source_must_be_accepted_in_so_many_words(said: bool | None) -> None:  # noqa: FBT001  a parameter of the test
    block = {"kind": "none"} if said is None else {"kind": "none", "i_accept_unsigned": said}
    at = ("signature",) if said is None else ("signature", "i_accept_unsigned")
    text = "kind none takes every request as genuine, whoever sent it; if that is meant, say `i_accept_unsigned: true`"
    assert found({"signature": block}) == [(at, text)]


def test_a_token_in_the_body_is_refused() -> None:
    text = "a token in the body would be kept with it; it can stand in header:NAME or query:NAME"
    assert found({"signature": {"kind": "token", "from": "json:/token"}}) == [(("signature", "from"), text)]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa_p256"])
def test_a_public_key_needs_an_encoding(kind: str) -> None:
    text = f"a public key of kind {kind} needs `secret: {{encoding: base64}}` or hex"
    assert in_signature(kind=kind, algorithm=None) == [(("signature",), text)]
    assert in_signature(kind=kind, algorithm=None, secret={"encoding": "utf8"}) == [
        (("signature", "secret", "encoding"), text)
    ]
    assert in_signature(kind=kind, algorithm=None, secret={"encoding": "hex"}) == []


@pytest.mark.parametrize(
    ("section", "at", "text"),
    [
        ({"id": ["body_sha256", "json:/id"]}, ("id", 0), "nothing after 'body_sha256' is ever looked at; put it last"),
        ({"id": "json:id"}, ("id",), "'id' is no JSON pointer to a field; write it like /data/id"),
        ({"id": 7}, ("id",), "`id` must be a text or a list of texts, got a number"),
        ({"id": ["signature:t"]}, ("id", 0), "'signature:t' can stand only in a timestamp's `from`"),
        ({"topic": ["body_sha256"]}, ("topic", 0), "'body_sha256' is no topic; it can stand only in `id`"),
        ({"topic": [None]}, ("topic", 0), "must be a text, got nothing; put it in quotes"),
        (
            {"items": "data"},
            ("items",),
            "'data' is no JSON pointer to a list; write / for the whole body, or like /data",
        ),
        ({"challenge": {"when": {}}}, ("challenge",), "challenge must be a list: begin each entry with `- `"),
    ],
)
def test_a_problem_beside_the_signature_is_told_at_its_key(
    section: dict[str, Any], at: tuple[str | int, ...], text: str
) -> None:
    assert found({"signature": HMAC, **section}) == [(at, text)]


SAY_OK = {"body": "ok"}


@pytest.mark.parametrize(
    ("rule", "at", "text"),
    [
        (
            {"respond": SAY_OK},
            (),
            (
                "`when` is missing; say what tells it from a webhook, such as {method: GET} or {json:/type: "
                "url_verification}"
            ),
        ),
        ({"when": {"method": "GET"}}, (), "`respond` is missing; say what it is answered, such as {body: ok}"),
        (
            {"when": {}, "respond": SAY_OK},
            ("when",),
            "`when` must not be empty; every webhook would be taken for a challenge",
        ),
        (
            {"when": {"method": "POST"}, "respond": SAY_OK},
            ("when",),
            "`method: POST` alone would take every webhook for a challenge; add what tells it",
        ),
        (
            {"when": {"method": "PUT"}, "respond": SAY_OK},
            ("when", "method"),
            "`method` must be one of GET, POST, got 'PUT'",
        ),
        (
            {"when": {"jsn:/type": "x"}, "respond": SAY_OK},
            ("when", "jsn:/type"),
            (
                "'jsn:/type' is no place in a request; write header:NAME, query:NAME, form:NAME or json:/pointer, or "
                "method"
            ),
        ),
        (
            {"when": {"signature:t": "x"}, "respond": SAY_OK},
            ("when", "signature:t"),
            "'signature:t' is no place that tells a challenge",
        ),
        (
            {"when": {"json:/n": 1}, "respond": SAY_OK},
            ("when", "json:/n"),
            "must be the text that stands there, true (any text) or false (none); put text in quotes",
        ),
        (
            {"when": {"method": "GET"}, "respond": {}},
            ("respond",),
            "`body` must be a text (it may be empty); put it in quotes",
        ),
        (
            {"when": {"method": "GET"}, "respond": {"body": "{bdy}"}},
            ("respond", "body"),
            "unknown placeholder {bdy}; there are {header:…}, {json:…}, {query:…}, {form:…}, {hmac:…}",
        ),
        (
            {"when": {"method": "GET"}, "respond": {"body": "ok", "content_type": "text/html"}},
            ("respond", "content_type"),
            "`content_type` must be one of text/plain, application/json, got 'text/html'; did you mean 'text/plain'?",
        ),
        (
            {"when": {"method": "GET"}, "respond": {"body": "{hmac:query:challenge}"}},
            ("respond",),
            "{hmac:…} in an answer to an unsigned request would sign any text for anyone; add `signed: true`",
        ),
        (
            {"when": {"json:/t": "x"}, "signed": False, "respond": {"body": "{hmac:json:/c}"}},
            ("signed",),
            "{hmac:…} in an answer to an unsigned request would sign any text for anyone; add `signed: true`",
        ),
        (
            {"when": {"method": "GET"}, "respond": SAY_OK, "sined": True},
            ("sined",),
            "unknown key 'sined'; did you mean 'signed'?",
        ),
    ],
)
def test_a_problem_of_a_challenge_is_told_at_its_key(
    rule: dict[str, Any], at: tuple[str | int, ...], text: str
) -> None:
    assert found({"signature": HMAC, "challenge": [rule]}) == [(("challenge", 0, *at), text)]


def test_a_keyed_answer_needs_a_kind_with_a_secret() -> None:
    rule = {"when": {"json:/t": "x"}, "respond": {"body": "{hmac:json:/c}"}}
    section = {"signature": {"kind": "none", "i_accept_unsigned": True}, "challenge": [rule]}
    assert found(section) == [(("challenge", 0, "respond"), "{hmac:…} needs a secret, and kind none has none")]


def test_a_section_without_a_signature_is_refused() -> None:
    text = "`signature` is missing; say how a request proves genuine, or `signature: {kind: none, i_accept_unsigned: true}`"
    assert found({}) == [((), text)]
    assert found({"signature": None}) == [(("signature",), text)]
    assert found({"signature": ["hmac"]}) == [(("signature",), "signature must be an object")]


def test_all_problems_are_told() -> None:
    section = {
        "signature": {"kind": "hmac", "encoding": "hexx", "from": "nowhere", "signed": "{boddy}"},
        "id": ["bogus"],
    }
    assert [at for at, _ in recipe_problems(section)] == [
        ("signature",),
        ("signature", "encoding"),
        ("signature", "from"),
        ("signature", "signed"),
        ("id", 0),
    ]


def test_a_recipe_tells_what_it_needs() -> None:
    assert [name for name in SECTIONS if signature.needs_url(recipe(name))] == ["square", "twilio"]
    assert [name for name in SECTIONS if not signature.needs_secret(recipe(name))] == ["unsigned"]


def test_the_id_placeholder_is_the_place_of_the_id() -> None:
    section = SECTIONS["standard"]
    spelt = {**section, "signature": {**section["signature"], "signed": "{header:webhook-id}.{timestamp}.{body}"}}
    assert recipe_of(spelt) == recipe("standard")


@pytest.mark.parametrize("junk", [None, 1, True, "x", [], {}, [None], {"a": {}}, 1.5])
@pytest.mark.parametrize("key", ["signature", "id", "topic", "items", "challenge"])
def test_junk_of_any_type_is_a_problem_and_no_crash(key: str, junk: Any) -> None:
    for section in ({"signature": HMAC, key: junk}, {"signature": HMAC, "challenge": [{key: junk, "when": junk}]}):
        assert all(text for _, text in recipe_problems(section))


@pytest.mark.parametrize("junk", [None, 1, True, "x", [], {}, [None], {"a": {}}, 1.5, {"from": 1}])
@pytest.mark.parametrize("key", [*HMAC, "split", "pair", "key", "prefix", "prefix_optional", "secret", "timestamp"])
@pytest.mark.parametrize("kind", ["hmac", "digest", "token", "basic", "ed25519", "ecdsa_p256", "none"])
def test_junk_within_the_signature_is_a_problem_and_no_crash(kind: str, key: str, junk: Any) -> None:
    assert all(text for _, text in recipe_problems({"signature": {**HMAC, "kind": kind, key: junk}}))
