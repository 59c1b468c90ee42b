"""The page about mappings tells the truth: its steps work as they are typed, its recipes give what it says."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from peers import listed, serving, trackbridge, until

from bridge import mapping, signature
from bridge.core import json_text
from bridge.mapping import VarDefinition
from bridge.mapping.expressions.runtime import are_equal
from bridge.mapping.functions import reference
from bridge.mapping.tools import examples
from bridge.mapping.tools.examples import MappingExample

MAPPINGS = Path(__file__).parents[2] / "mappings"
PAGE = (Path(__file__).parents[2] / "mappings" / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {name: text for _, name, text in BLOCKS if "." in name}
STEPS = [line for language, _, text in BLOCKS if language == "sh" for line in text.splitlines()]
RECIPES = re.findall(
    r"^```yaml rules\n(.*?)^```\n\n`(\{[^\n]*\})` becomes\n\n```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
SIGNED = "mapping: 1\nprovider: lampo\nwebhook:\n  signature: {kind: basic}\n  topic: json:/type\n"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(cell: str) -> str:
    if cell.startswith("<code>"):
        return html.unescape(cell.removeprefix("<code>").removesuffix("</code>"))
    return re.sub(r"^(`+) ?(.*?) ?\1$", r"\2", cell).replace("\\|", "|")


def table(first: str) -> list[list[str]]:
    after = PAGE.partition(f"| {first} |")[2].splitlines()[2:]
    rows = after[: next(place for place, line in enumerate(after) if not line.startswith("|"))]
    assert rows
    return [cells(row) for row in rows]


def outcome(text: str, body: Any) -> Any:
    return examples.example_outcome(mapping.parse_mapping(text, name="lampo.yaml"), MappingExample("x", body, None))


def test_the_functions_are_the_functions() -> None:
    assert PAGE.endswith(f"{reference.function_tables()}\n"), (
        "write reference.functions() to the end of mappings/README.md"
    )


@pytest.mark.parametrize("row", table("for"), ids=lambda row: row[0])
def test_a_recipe_of_the_cookbook_gives_what_it_says(row: list[str]) -> None:
    _, body, expression, gives = (row[0], *(code(cell) for cell in row[1:]))
    rules = [{"event": {"event_type": "any", "properties": {"x": expression}}}]
    text = json_text.write_json(
        {"mapping": 1, "provider": "lampo", "webhook": {"signature": {"kind": "basic"}},
         "minor_units": {"default": 2}, "events": rules}
    ).decode()  # fmt: skip
    made = outcome(text, json_text.parse_json(body))[0]["properties"]["x"]
    assert json_text.write_json(made).decode() == gives


@pytest.mark.parametrize(("rules", "body", "event"), RECIPES)
def test_a_rule_of_the_cookbook_makes_what_it_says(rules: str, body: str, event: str) -> None:
    made = outcome(SIGNED + rules, json_text.parse_json(body))
    for each in made:
        each.pop("timestamp", None)
    assert are_equal(made, json_text.parse_json(event))


def test_every_block_is_run_by_a_test() -> None:
    told = [(language, name) for language, name, _ in BLOCKS]
    assert told.count(("yaml", "rules")) == len(RECIPES) == told.count(("json", ""))
    assert {name for language, name in told if language == "yaml"} == {"rules", "mappings/lampo.yaml"}
    assert set(FILES) == {"body.json", "mappings/lampo.yaml"}


@pytest.mark.parametrize("row", table("it says"), ids=lambda row: row[0])
def test_what_is_written_for_a_signature_is_a_recipe(row: list[str]) -> None:
    section: dict[str, Any] = {
        "kind": "hmac",
        "algorithm": "sha256",
        "encoding": "hex",
        "from": "header:X-Signature",
        "signed": "{timestamp}.{body}",
    }
    given = dict(re.findall(r"`(\w+): ((?:[^`])+)`", row[1]))
    if given.get("kind") in {"token", "basic", "none"}:
        section = {}
    elif given.get("kind") in {"ed25519", "ecdsa_p256"}:
        del section["algorithm"]
    text = "\n".join(f"    {key}: {value}" for key, value in given.items())
    stamped = "signed" not in given or "{timestamp}" in given["signed"]
    rest = {key: value for key, value in section.items() if key not in given}
    if section and stamped and "timestamp" not in given:
        rest["timestamp"] = {"from": "header:X-Timestamp", "format": "unix"}
    written = "\n".join(f"    {key}: {json_text.write_json(value).decode()}" for key, value in rest.items())
    document = (
        f"mapping: 1\nprovider: lampo\nwebhook:\n  id: json:/id\n  signature:\n{text}\n{written}\n"
        "events: [{event: {event_type: lead}}]\n"
    )
    assert isinstance(mapping.parse_mapping(document, name="lampo.yaml").recipe, signature.Recipe)


def test_the_steps_work_as_they_are_typed(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    steps = [line.split() for line in STEPS]
    exported = dict(word.split("=", 1) for words in steps if words[0] == "export" for word in words[1:])
    commands = [words[1:] for words in steps if words[0] == "trackbridge"]
    assert [words[0] for words in commands] == ["check", "try", "example", "check", "serve", "send", "list"]

    check, attempt, add, again = (trackbridge(tmp_path, {}, *words) for words in commands[:4])
    assert (check.returncode, check.stdout) == (0, "1 mapping, no problems; no examples: only the form was checked\n")
    assert attempt.returncode == 0, attempt.stderr
    made = json_text.parse_json(attempt.stdout)
    assert made["properties"]["value"] == json_text.parse_json("84.90")
    assert made["user_data"]["phone"] == "+14155552671"
    assert made["context"]["gclid"] == "Cj0KCQ"
    assert (add.returncode, add.stdout) == (0, "mappings/examples/lampo/order.paid.usual.yaml\n"), add.stderr
    written = (tmp_path / add.stdout.strip()).read_text()
    for personal in ("Jane", "Doe", "jane@", "415", "Cj0KCQ"):
        assert personal not in written
    assert (again.returncode, again.stdout) == (0, "1 mapping, 1 example, no problems\n")

    with serving(tmp_path, exported) as bridge:
        send = trackbridge(tmp_path, exported, *commands[5][:-1], bridge.url)
        assert send.stdout.startswith("200 "), send.stdout + send.stderr
        found = until(lambda: listed(tmp_path, "events"), what="the event")
    assert [row["event_type"] for row in found] == ["purchase"]
    shown = trackbridge(tmp_path, exported, *commands[6])
    assert (shown.returncode, shown.stderr) == (0, "")


def test_the_vars_of_the_shipped_mappings_are_listed() -> None:
    rows = [
        f"| {provider} | `{name}` | {_values_text(var)} | {var.help} |"
        for provider in ("shopify", "stripe")
        for name, var in mapping.load_mapping(MAPPINGS / f"{provider}.yaml").vars.items()
    ]
    table = "\n".join(["| mapping | var | values | what it decides |", "|---|---|---|---|", *rows])
    assert table in PAGE, f"write this table to mappings/README.md:\n{table}"


def _values_text(var: VarDefinition) -> str:
    others = [value for value in var.allowed if value != var.default]
    if var.type == "duration":
        return f"`{var.default}`, a length of time"
    return ", ".join(f"`{value}`" for value in [var.default, *others]) if var.allowed else "any text"
