"""The shipped mappings against their examples: each comes to exactly the events, or the reason, that it expects."""

from __future__ import annotations

import pytest
from shipped import MAPPINGS, PROVIDERS, Example, examples, load, outcome, translation, written

from bridge.core import json_text
from bridge.core.model import Translated
from bridge.mapping import check_mapping
from bridge.mapping.engine.recall import SALE_UNKNOWN
from bridge.mapping.tools import examples as given

EXAMPLES = [example for provider in PROVIDERS for example in examples(provider)]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_comes_to_what_it_expects(example: Example) -> None:
    made = given.translate_example(load(example.provider), example.given)

    assert given.format_outcome(made) == example.expect
    notes = [note for each in made if isinstance(each, Translated) for event in each.events for note in event.notes]
    assert not notes or (notes == [SALE_UNKNOWN] and not example.given.earlier)


@pytest.mark.parametrize("example", [each for each in EXAMPLES if not each.given.earlier], ids=str)
def test_an_example_comes_to_the_same_when_it_arrives_signed(example: Example) -> None:
    told = translation(example.provider, example.headers, json_text.write_json(example.body), example.settings)

    assert outcome(told) == example.expect


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_named_after_its_topic(example: Example) -> None:
    assert example.name.rpartition(".")[0] == example.topic.replace("/", "_")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_check_has_nothing_to_say_of_a_shipped_mapping(provider: str) -> None:
    path = MAPPINGS / f"{provider}.yaml"

    mapping, problems = check_mapping(path.read_bytes(), name=path.name)

    assert mapping is not None
    assert problems == ()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_topic_and_event_of_a_rule_has_an_example(provider: str) -> None:
    rules = written(MAPPINGS / f"{provider}.yaml")["events"]
    told = {
        (example.topic, event["event_type"])
        for example in EXAMPLES
        if example.provider == provider and isinstance(example.expect, list)
        for event in example.expect
    }

    for rule in [rule for rule in rules if "remember" not in rule]:
        topics = rule["topic"] if isinstance(rule["topic"], list) else [rule["topic"]]
        for topic in topics:
            types = {event_type for named, event_type in told if named == topic}
            written_type = rule["event"]["event_type"]
            assert types if written_type.startswith("=") else written_type in types


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_var_has_an_example_of_each_value(provider: str) -> None:
    settings = {setting for example in EXAMPLES if example.provider == provider for setting in example.settings.items()}

    for name, var in load(provider).vars.items():
        wanted = {(name, value) for value in var.allowed if value != var.default}
        assert wanted <= settings
        assert var.allowed or name in dict(settings)
