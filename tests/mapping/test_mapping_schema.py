"""The schemas for editors: they know every key that the loader knows, and no other; every shipped file fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge import contract
from bridge.cli import main
from bridge.mapping import check_mapping
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.language import ROOTS
from bridge.mapping.schema import mapping
from bridge.mapping.schema.example import example_schema
from bridge.yaml.document import Node, Scalar, SequenceNode, read_document
from bridge.yaml.problems import Problems

CHECKOUT = Path(__file__).parents[2]
SHIPPED = sorted((CHECKOUT / "mappings").glob("*.yaml"))
EXAMPLES = sorted((CHECKOUT / "mappings" / "examples").glob("*/*.yaml"))
MAPPING = mapping.mapping_schema()
DEFS = MAPPING["$defs"]

EVERYTHING = """
mapping: 1
provider: acme
title: Acme
webhook:
  signature:
    kind: hmac
    algorithm: sha256
    encoding: hex
    from: header:X-Signature
    split: ","
    pair: "="
    key: [v1]
    prefix: "x"
    prefix_optional: true
    signed: "{timestamp}.{body}"
    secret: {encoding: base64, strip_prefix: whsec_}
    timestamp: {from: "signature:t", format: unix, tolerance: 300}
  id: ["json:/id", body_sha256]
  topic: json:/type
  items: /data
  challenge:
    - when: {method: GET, "query:challenge": true}
      respond: {content_type: text/plain, body: "{query:challenge}"}
      signed: false
  occurred_at: =body.at
  account: =body.account
  test: =body.test
  ping: =body.ping
vars:
  country: {default: "", help: a country}
  topic: {type: choice, default: a, allowed: [a, b], help: a topic}
  patience: {type: duration, default: 10m}
minor_units: {default: 2, exponents: {0: [jpy], 3: kwd}}
set_aside:
  - {topic: x, when: =body.thin, reason: thin}
let:
  order: =body.order
  made: {a: =body.a, b: [1, two]}
events:
  - topic: [paid, "paid.*"]
    when: [=order, {if: =order.paid, else: it is not paid}]
    dedupe: =order.id
    require: [properties.value]
    recall: {event_type: lead, dedupe: =order.id, take: [user_data, properties.coupon], wait: 2h}
    event:
      event_type: purchase
      timestamp: =order.at
      session_id: 5
      user_data: =body.person
      properties:
        value: =decimal(order.total)
        other: {deep: [=order.x, "==text"]}
        items:
          for_each: line
          in: =order.lines
          when: =line.sku
          map: {sku: =line.sku}
  - topic: parts
    for_each: part
    in: =body.parts
    event: {event_type: thing, x: =part.x}
ignore:
  other: no conversion
"""


def raw(node: Node) -> Any:
    """A document as a validator of plain YAML sees it."""
    match node:
        case Scalar():
            return float(node.value) if type(node.value).__name__ == "Decimal" else node.value
        case SequenceNode():
            return [raw(item) for item in node.items]
        case _:
            return {key: raw(entry.value) for key, entry in node.entries.items()}


def plain(text: str | bytes) -> Any:
    problems = Problems()
    root = read_document(text, name="any.yaml", problems=problems)
    assert root is not None, problems.all_problems
    return raw(root)


def wrong(schema: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("made", [MAPPING, example_schema(), contract.SCHEMA])
def test_each_schema_is_one(made: Any) -> None:
    Draft202012Validator.check_schema(made)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_mapping_fits(path: Path) -> None:
    assert wrong(MAPPING, plain(path.read_bytes())) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_example_fits(path: Path) -> None:
    assert wrong(example_schema(), plain(path.read_bytes())) == []


def keys(made: Any) -> set[str]:
    return set(made["properties"])


LEVELS = [
    MAPPING,
    *(MAPPING["properties"][name] for name in ("webhook", "minor_units")),
    *(MAPPING["properties"][name]["items"] for name in ("set_aside", "aliases")),
    *(DEFS[name] for name in ("var", "rule", "condition", "recall", "defer_to", "for_each", "signature", "challenge")),
    example_schema()["$defs"]["given"],
    example_schema()["$defs"]["earlier"],
    example_schema()["properties"]["expect"]["then"],
]


@pytest.mark.parametrize("made", LEVELS)
def test_a_level_takes_no_unknown_key(made: Any) -> None:
    assert made["additionalProperties"] is False


def test_the_event_has_the_contracts_fields() -> None:
    event = DEFS["rule"]["properties"]["event"]
    paths = {
        (name, *below)
        for name, field in event["properties"].items()
        for below in [(), *((k,) for k in field.get("properties", ()))]
    }
    assert paths == set(contract.FIELDS)


def test_a_mapping_with_every_key_passes_both() -> None:
    found, problems = check_mapping(EVERYTHING, name="acme.yaml")
    assert [str(problem) for problem in problems if problem.severity == "error"] == []
    assert found is not None
    assert wrong(MAPPING, plain(EVERYTHING)) == []


def mappings_within(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the keys of an object are the language's, not the writer's."""
    free = {("vars",), ("let",), ("let", "made"), ("minor_units", "exponents"), ("ignore",)}
    inside = (("events", 0, "event"), ("events", 1, "event"))
    found = []
    if isinstance(document, dict):
        is_event = path[:3] in inside and "for_each" not in document
        is_when = path[-1:] == ("when",)
        if path not in free and not is_event and not is_when and path[-1:] != ("map",):
            found.append(path)
        for key, value in document.items():
            found += mappings_within(value, (*path, key))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            found += mappings_within(value, (*path, place))
    return found


@pytest.mark.parametrize("path", mappings_within(plain(EVERYTHING)), ids=lambda path: ".".join(map(str, path)) or "top")
def test_an_unknown_key_fails_both(path: tuple[Any, ...]) -> None:
    document = plain(EVERYTHING)
    level = document
    for step in path:
        level = level[step]
    level["unknown_key"] = "x"
    _, problems = check_mapping(json.dumps(document), name="acme.yaml")
    assert any("unknown key" in problem.text for problem in problems if problem.severity == "error")
    assert wrong(MAPPING, document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: hmac", "kind: hmack"),
        ("kind: hmac", "kind: token"),
        ("mapping: 1", "mapping: 2"),
        ("wait: 2h", "wait: soon"),
        ("take: [user_data,", "take: [timestamp,"),
        ("when: [=order,", "when: [order,"),
        ("{if: =order.paid,", "{if: order.paid,"),
        ("{if: =order.paid, else: it is not paid}", "{else: it is not paid}"),
        ("    in: =body.parts\n", ""),
        ("    for_each: part\n", ""),
        ("    for_each: part\n", "    for_each: a part\n"),
        ("patience: {type: duration", "patience: {type: time"),
        ("value: =decimal(order.total)", 'value: "19.90"'),
        ("      event_type: purchase\n", ""),
        ("    algorithm: sha256\n", ""),
        ("    encoding: hex\n", ""),
        ("    from: header:X-Signature\n", ""),
        ('    signed: "{timestamp}.{body}"\n', ""),
        ("from: header:X-Signature\n", "from: []\n"),
        ("id: [", "id: [nowhere, "),
        ("          in: =order.lines\n", ""),
        ("order: =body.order", "body: =body.order"),
        ("provider: acme", "provider: Acme!"),
        ("format: unix,", "format: sundial,"),
    ],
)
def test_a_slip_fails_both(old: str, new: str) -> None:
    assert old in EVERYTHING
    text = EVERYTHING.replace(old, new)
    _, problems = check_mapping(text, name="acme.yaml")
    assert any(problem.severity == "error" for problem in problems)
    assert wrong(MAPPING, plain(text))


def test_an_editor_is_told_every_root_and_function() -> None:
    told = DEFS["expression"]["description"]
    for name in (*ROOTS, *FUNCTIONS):
        assert name in told


def test_every_key_says_what_it_means() -> None:
    def look(made: Any, path: str) -> list[str]:
        bare = []
        for name, below in made.get("properties", {}).items():
            here = f"{path}.{name}"
            if path != "when" and "description" not in below and name != "method":
                bare.append(here)
            bare += look(below, here)
        for name in ("items", "additionalProperties", "then"):
            if isinstance(made.get(name), dict):
                bare += look(made[name], f"{path}.{name}")
        return bare

    bare = [
        at
        for made in (MAPPING, *DEFS.values(), example_schema(), *example_schema()["$defs"].values())
        for at in look(made, "")
    ]
    assert bare == []


def test_every_pattern_says_in_words_what_it_asks_for() -> None:
    def mute(made: Any) -> list[str]:
        match made:
            case {"pattern": str() as pattern} if "patternErrorMessage" not in made:
                return [pattern]
            case dict():
                return [one for each in made.values() for one in mute(each)]
            case list():
                return [one for each in made for one in mute(each)]
            case _:
                return []

    assert mute(MAPPING) == []


@pytest.mark.parametrize("what", ["mapping", "example", "event"])
def test_the_command_prints_the_schema(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", what]) == 0
    made = {"mapping": MAPPING, "example": example_schema(), "event": contract.SCHEMA}
    assert json.loads(capsys.readouterr().out) == made[what]
