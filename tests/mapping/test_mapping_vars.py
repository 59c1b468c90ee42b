"""The vars of a mapping have a type, and what an operator sets must be of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from mapping_author import HEAD, NOW, problems, source, webhook

from bridge import mapping
from bridge.core.errors import SettingsError
from bridge.core.model import EventNeeded
from bridge.settings import Settings, SourceSettings
from bridge.settings.sources import make_sources

RULE = """\
events:
  - topic: made
    recall: {event_type: purchase, dedupe: =body.order, take: [user_data], wait: =source.vars.patience}
    event: {event_type: thing}
"""
VARS = """\
vars:
  patience: {type: duration, default: 10m, help: How long}
  which: {type: choice, default: a, allowed: [a, b]}
  older: {default: a, allowed: [a, b]}
  free: {type: text, default: x}
"""
TEXT = HEAD + RULE + VARS


def test_a_var_has_the_type_that_is_written_and_allowed_alone_makes_a_choice() -> None:
    found = mapping.parse_mapping(TEXT, name="shop.yaml").vars
    assert {name: var.type for name, var in found.items()} == {
        "patience": "duration",
        "which": "choice",
        "older": "choice",
        "free": "text",
    }


@pytest.mark.parametrize(("given", "wait"), [({}, timedelta(minutes=10)), ({"patience": "2s"}, timedelta(seconds=2))])
def test_a_recall_waits_as_long_as_a_var_says(given: Mapping[str, str], wait: timedelta) -> None:
    outcome = source(TEXT, vars=given).translate_with_earlier(webhook({"order": "7"}), {})
    assert isinstance(outcome, EventNeeded)
    assert outcome.until == NOW + wait


@pytest.mark.parametrize("value", ["soon", "10", "", "8d", "10 m", "-1s"])
def test_a_duration_that_is_none_is_refused_at_the_start_with_what_it_may_be(value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        source(TEXT, vars={"patience": value})
    wanted = "a length of time such as 30s, 10m or 1h, of at most 7d"
    assert str(refusal.value) == f"source `shop`: the var `patience` must be {wanted}"


def test_a_wrong_var_is_refused_with_the_place_where_it_was_set() -> None:
    one = mapping.parse_mapping(TEXT, name="shop.yaml")
    for given, place in ({"patience": "soon"}, "bridge.yaml:3:17"), ({"patiense": "1s"}, "bridge.yaml:4:7"):
        named = SourceSettings("eu", "shop", vars=given, var_places=dict.fromkeys(given, place))
        with pytest.raises(SettingsError) as refusal:
            make_sources(Settings(sources=(named,)), {"shop": one})
        assert str(refusal.value).startswith(f"{place}: source `eu`: ")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("{type: durasion, default: 1m}", "13: error: type must be one of text, choice, duration; did you mean 'duration'?"),
        ("{type: choice, default: a}", "3: error: a choice needs `allowed`: the values that the var may have"),
        ("{type: text, default: a, allowed: [a]}", "13: error: a text has no `allowed`; write `type: choice`"),
        ("{type: duration, default: soon}", "32: error: the default must be a length of time such as 30s, 10m or 1h, of at most 7d"),
        ("{type: choice, default: c, allowed: [a, b]}", "30: error: the default must be one of a, b"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_told_at_its_place(written: str, wanted: str) -> None:
    text = f"{HEAD}vars:\n  v: {written}\nevents:\n  - topic: made\n    event: {{event_type: thing}}\n"
    assert [each.replace("shop.yaml:8:", "") for each in problems(text)] == [wanted]


@pytest.mark.parametrize(
    "wait", ["=source.vars.which", "=source.vars.patienc", "=body.wait", "=source.vars.patience || '1h'"]
)
def test_a_wait_that_is_no_duration_is_refused(wait: str) -> None:
    (problem,) = problems(TEXT.replace("wait: =source.vars.patience", f'wait: "{wait}"'))
    assert problem.startswith(
        "shop.yaml:9:82: error: wait must be a length of time, or `=source.vars.NAME` of a var with `type: duration`"
    )
