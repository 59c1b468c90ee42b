"""The schema of destination files for editors: it knows every key that the loader knows, and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from declaring import ACME
from jsonschema import Draft202012Validator
from peers import typed

from bridge.core.json_text import Json
from bridge.destinations.language.files import platform_files
from bridge.destinations.language.schema import platform_schema
from bridge.yaml.document import plain_value, read_document
from bridge.yaml.problems import Problems

SCHEMA = platform_schema()


def plain(text: str | bytes) -> Json:
    root = read_document(text, name="x.yaml", problems=Problems())
    assert root is not None
    return json.loads(json.dumps(plain_value(root), default=float))


def wrong(document: Json) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def test_it_is_a_schema_and_printed(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(typed(tmp_path, {}, "schema", "destination").stdout) == SCHEMA


@pytest.mark.parametrize("file", platform_files(None), ids=lambda file: file.stem)
def test_every_shipped_file_fits(file: Path) -> None:
    assert wrong(plain(file.read_bytes())) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("identify:", "identfy:"),
        ("purpose: ads", "purpose: add"),
        ("kind: bearer", "kind: bearr"),
        ("token: =secrets.token}", "}"),
        ("rest: delivered", "rest: sent"),
        ("events: 3", "events: 0"),
        ("oldest: 7d", "oldest: week"),
        ("when: =response.body.failed", "when: response.body.failed"),
        ("destination: 1", "destination: 2"),
    ],
)
def test_what_the_loader_refuses_an_editor_marks(old: str, new: str) -> None:
    assert wrong(plain(ACME)) == []
    assert wrong(plain(ACME.replace(old, new)))
