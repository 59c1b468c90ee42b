"""The description for machines says what the API does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_track_requests import BATCH, CURL
from track_server import serving

from bridge import contract
from bridge.http import openapi

DOCUMENT = openapi.openapi_document()


def walk(node: Any) -> Iterator[Any]:
    yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(part)


def at(pointer: str) -> Any:
    node = DOCUMENT
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in walk(DOCUMENT) if isinstance(node, dict) and "$ref" in node]
    assert references
    assert all(at(reference) for reference in references)


def test_it_is_served_to_anybody(tmp_path: Path) -> None:
    with serving(tmp_path) as api:
        answer = api.ask("GET", "/openapi.json")
        assert (answer.status_code, answer.json()) == (200, DOCUMENT)
        assert api.ask("POST", "/openapi.json").status_code == 405


@pytest.mark.parametrize(("path", "example"), [("/v1/track", CURL), ("/v1/track/batch", BATCH)])
def test_its_examples_are_the_pages_and_fit_its_schemas(path: str, example: Any) -> None:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert content["examples"]["purchase"]["value"] == example
    schema = {"$ref": content["schema"]["$ref"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize("name", ["Taken", "BatchTaken", "Error", "Batch", "Event"])
def test_its_schemas_are_schemas_and_their_examples_fit(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", ()):
        jsonschema.Draft202012Validator(schema).validate(example)


def test_its_event_is_the_contracts() -> None:
    assert DOCUMENT["components"]["schemas"]["Event"].items() <= contract.SCHEMA.items()


def test_both_operations_tell_every_status() -> None:
    for path in ("/v1/track", "/v1/track/batch"):
        statuses = DOCUMENT["paths"][path]["post"]["responses"].keys()
        assert statuses == {"200", "400", "401", "405", "408", "413", "415", "422", "429", "500", "503"}


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        ("400", {"body": {"event_type": "p", "properties": {"value": "99.99"}}}),
        ("401", {"body": {}, "key": "wrong"}),
        ("413", {"body": b" " * 1_048_577}),
        ("415", {"body": {}, "headers": {"Content-Encoding": "gzip"}}),
    ],
)
def test_its_errors_are_those_that_are_answered(tmp_path: Path, status: str, asked: dict[str, Any]) -> None:
    with serving(tmp_path) as api:
        answer = api.post("/v1/track", **asked)
    content = DOCUMENT["components"]["responses"][status]["content"]["application/json"]
    assert (str(answer.status_code), answer.json()) == (status, content["example"])
    for response in DOCUMENT["components"]["responses"].values():
        jsonschema.validate(
            response["content"]["application/json"]["example"], DOCUMENT["components"]["schemas"]["Error"]
        )
