"""What is left of a mapping with errors: whether it can verify, and what it says of its source."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge import mapping
from bridge.core.errors import NotGenuine, SettingsError
from bridge.core.model import Request, SetAside
from bridge.core.source import DefectEffect

SOUND = """\
mapping: 1
provider: acme
vars:
  shop: {default: ""}
webhook:
  signature: {kind: token, from: "header:x-token"}
  id: ["json:/id"]
  topic: ["json:/type"]
  test: =mode == 'test'
let:
  mode: =headers."x-mode"
  other: =body.b
events:
  - topic: done
    event:
      event_type: signup
      user_data: {email: =body.email}
"""
SECRET = "a-made-up-secret"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def broken(folder: Path, text: str | bytes, name: str = "acme.yaml") -> mapping.BrokenMapping:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = mapping.read_or_break(path)
    assert isinstance(found, mapping.BrokenMapping)
    return found


def test_a_mapping_without_errors_is_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(SOUND)
    assert isinstance(mapping.read_or_break(path), mapping.Mapping)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("=body.email", "=lowr(body.email)"),
        ("=body.email", "=body.("),
        ("event_type: signup", "event_typ: signup"),
        ("=body.b", "=nobody.b"),
        ('shop: {default: ""}', "shop: {}"),
    ],
)
def test_with_an_error_elsewhere_what_is_genuine_is_named_as_before_and_set_aside_with_the_place(
    tmp_path: Path, old: str, new: str
) -> None:
    found = broken(tmp_path, SOUND.replace(old, new))
    source = found.bind_source("acme", secrets=(SECRET,), vars={})
    request = Request(
        method="POST", headers=(("x-token", SECRET), ("x-mode", "test")), body=b'{"id": "1", "type": "done"}'
    )
    [webhook] = source.read_webhooks(request, now=NOW)
    whole = mapping.parse_mapping(SOUND, name="acme.yaml").bind_source("acme", secrets=(SECRET,), vars={})
    assert (webhook,) == whole.read_webhooks(request, now=NOW)
    made = source.translate(webhook)
    assert isinstance(made, SetAside)
    assert made.reason.startswith("the mapping has errors: acme.yaml:")
    assert source.defect is not None
    assert source.defect.effect is DefectEffect.SET_ASIDE
    with pytest.raises(NotGenuine):
        source.read_webhooks(Request(method="POST", headers=(("x-token", "wrong"),), body=b"{}"), now=NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: token", "kind: tokn"),
        ("header:x-token", "heder:x-token"),
        ("  test: =mode", "  tset: =mode"),
        ("test: =mode == 'test'", "test: =mode =="),
        ('mode: =headers."x-mode"', 'mode: =headers."x-mode'),
        ('mode: =headers."x-mode"', 'mode: =hedders."x-mode"'),
        ("  topic: [\"json:/type\"]\n  test: =mode == 'test'\n", 'topic: ["json:/type"]\n'),
        ("events:", "events: ["),
        ("vars:", "\tvars:"),
    ],
)
def test_with_an_error_in_what_verifies_or_names_webhooks_nothing_is_taken(tmp_path: Path, old: str, new: str) -> None:
    assert old in SOUND
    found = broken(tmp_path, SOUND.replace(old, new, 1))
    assert found.provider == "acme"
    source = found.bind_source("acme", secrets=(SECRET,), vars={})
    assert source.defect is not None
    assert source.defect.effect is DefectEffect.REFUSED
    with pytest.raises(NotGenuine):
        source.read_webhooks(Request(method="POST", headers=(("x-token", SECRET),), body=b"{}"), now=NOW)
    with pytest.raises(SettingsError, match="the mapping has errors: acme"):
        source.sign_body(b"{}", topic=None, now=NOW, nonce="n")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[", b"- 1", b"mapping: 1\nprovider: [a]\n", b"\0"])
def test_a_file_that_names_no_provider_is_called_by_its_name(tmp_path: Path, content: bytes) -> None:
    found = broken(tmp_path, content, "lampo.yaml")
    assert (found.provider, found.is_named, found.recipe) == ("lampo", False, None)
    assert found.problems


def test_a_file_that_cannot_be_read_is_a_mapping_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").symlink_to(tmp_path / "gone.yaml")
    found = mapping.read_or_break(tmp_path / "acme.yaml")
    assert isinstance(found, mapping.BrokenMapping)
    assert str(found.problems[0]).startswith("acme.yaml:1:1: ")
    assert "cannot be read: No such file or directory" in str(found.problems[0])


def test_a_secret_that_cannot_be_is_still_a_mistake_of_the_settings(tmp_path: Path) -> None:
    text = SOUND.replace("=body.email", "=lowr(body.email)").replace(
        '{kind: token, from: "header:x-token"}',
        '{kind: hmac, algorithm: sha256, encoding: hex, from: "header:x-token", signed: "{body}", secret: hex}',
    )
    found = broken(tmp_path, text)
    if found.recipe is not None:
        with pytest.raises(SettingsError, match="source `acme`"):
            found.bind_source("acme", secrets=("no hex at all",), vars={})
