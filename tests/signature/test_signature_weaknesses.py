"""What a scheme protects less well than it seems, found before anybody makes use of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import pytest
from signing_providers import (
    NOW,
    SECTIONS,
    KeyPath,
    keys,
    recipe,
    recipe_of,
    recipe_problems,
    recipe_weaknesses,
    request,
)

from bridge import mapping, signature
from bridge.cli import main
from bridge.settings.sources import load_mappings
from bridge.signature.recipe import Algorithm
from bridge.signature.weaknesses import is_extensible

LANGUAGE = Path(__file__).parents[2] / "mappings" / "README.md"
BLOCK = {"kind": "digest", "algorithm": "sha256", "encoding": "hex", "from": "header:X-Sig"}
FORM = "application/x-www-form-urlencoded"
EXTENSIBLE = """\
mapping: 1
provider: lampo
webhook:
  signature: {kind: digest, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{secret}{body}"}
  id: [json:/id]
events: [{event: {event_type: lead}}]
"""


def found(signed: str, **more: object) -> list[tuple[KeyPath, str, str]]:
    block = BLOCK | {"signed": signed} | ({} if "{secret}" in signed else {"kind": "hmac"})
    section = {"signature": block | more, "id": "json:/id"}
    return recipe_weaknesses(section)


@pytest.mark.parametrize(
    ("algorithm", "extensible"),
    [("sha256", True), ("sha1", True), ("sha512", True), ("sha384", False), ("sha3_256", False), ("md5", True)],
)
def test_a_digest_can_be_extended_where_it_is_the_whole_state_of_its_hash(algorithm: str, *, extensible: bool) -> None:
    section = {"signature": BLOCK | {"signed": "{secret}{body}", "i_accept_length_extension": True}, "id": "json:/id"}
    proof = recipe_of(section).proof
    assert is_extensible(replace(proof, algorithm=cast("Algorithm", algorithm))) is extensible


def test_every_algorithm_is_one_of_hashlib_and_is_listed_in_the_language() -> None:
    listed = re.search(r"^`algorithm` is (.+?)\. ", LANGUAGE.read_text(), re.MULTILINE)
    assert listed
    assert re.findall(r"`(\w+)`", listed[1]) == list(get_args(Algorithm))
    assert set(get_args(Algorithm)) <= hashlib.algorithms_guaranteed


@pytest.mark.parametrize(
    "signed", ["{secret}{body}", "{secret}{method}{url}{body}", "v0:{secret}:{body}", "{secret}{body}x"]
)
def test_a_digest_that_goes_on_behind_its_secret_is_refused_unless_the_mapping_accepts_it(signed: str) -> None:
    certain = [(at, text) for at, severity, text in found(signed) if severity == "error"]
    assert [at for at, _ in certain] == [("signature", "signed")]
    assert "i_accept_length_extension: true" in certain[0][1]
    assert not [at for at, severity, _ in found(signed, i_accept_length_extension=True) if severity == "error"]


@pytest.mark.parametrize("signed", ["{body}{secret}", "{secret}{body}{secret}"])
def test_a_digest_that_ends_with_its_secret_cannot_be_extended_and_needs_no_acceptance(signed: str) -> None:
    assert found(signed) == []
    block = BLOCK | {"signed": signed, "i_accept_length_extension": True}
    [(at, text)] = recipe_problems({"signature": block})
    assert at == ("signature", "i_accept_length_extension")
    assert "nothing can be added; leave it out" in text


def test_acceptance_has_no_meaning_for_an_hmac() -> None:
    block = BLOCK | {"kind": "hmac", "signed": "{body}", "i_accept_length_extension": True}
    [(at, text)] = recipe_problems({"signature": block})
    assert at == ("signature", "i_accept_length_extension")
    assert "`i_accept_length_extension` has no meaning for kind hmac" in text


def test_check_refuses_what_can_be_extended_and_a_bridge_that_runs_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lampo.yaml").write_text(EXTENSIBLE)
    assert main(["check", str(tmp_path / "lampo.yaml")]) == 1
    assert "lampo.yaml:4:93: error: with the secret before what is signed" in capsys.readouterr().out
    [problem] = load_mappings(tmp_path)["lampo"].weak
    assert problem.place.line == 4
    accepted = EXTENSIBLE.replace('{body}"', '{body}", i_accept_length_extension: true')
    (tmp_path / "lampo.yaml").write_text(accepted)
    assert main(["check", str(tmp_path / "lampo.yaml")]) == 0
    assert mapping.parse_mapping(accepted, name="lampo.yaml").weak == ()


def test_neighbours_between_which_bytes_can_be_moved_are_told() -> None:
    for signed in (
        "{header:X-A}{body}",
        "{body}{header:X-A}",
        "{header:X-A}{json:/b}",
        "{url}{body}",
        "{url}{form_sorted}",
    ):
        told = [text for _, _, text in found(signed) if text.startswith("nothing stands between")]
        assert len(told) == 1, signed
        assert "{body} in this mapping" not in told[0]
        assert "{form_sorted} in this mapping" not in told[0]
    for signed in ("{header:X-A}.{body}", "{body}", "{method}{body}", "{method}:{url}:{body}"):
        assert found(signed) == [], signed


def test_a_time_of_sending_beside_the_body_is_nothing_to_tell() -> None:
    for provider in ("stripe", "shopify", "standard", "sendgrid"):
        assert recipe_weaknesses(SECTIONS[provider]) == [], provider


def test_a_forms_id_that_its_signature_seems_to_cover_can_be_changed_and_is_told() -> None:
    made, known = recipe("twilio"), keys("twilio")
    url = "https://bridge.example/webhooks/twilio"
    genuine = request("Body=hi&MessageSid=SM1", {"Content-Type": FORM}, url=url)
    forged = request("Body=hiMessageSidSM1", {"Content-Type": FORM}, url=url)
    signed = signature.sign_request(made, genuine.body, known, topic=None, now=NOW, nonce="x", url=url)
    headers = tuple((name.lower(), value) for name, value in signed.headers.items())
    for asked in (genuine, forged):
        signature.verify_request(made, request(asked.body, dict(headers), url=url), known, now=NOW)
    ids = [signature.identify_webhooks(made, asked, source="s", now=NOW)[0].id for asked in (genuine, forged)]
    assert ids == ["SM1", hashlib.sha256(forged.body).hexdigest()]
    assert [at for at, _, _ in recipe_weaknesses(SECTIONS["twilio"])] == [("signature", "signed"), ("id", 0)]
