"""What a shipped mapping ignores it ignores in words: under every choice of its vars, and for what nearly counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from shipped import PROVIDERS, Example, examples, load

from bridge.core.model import Ignored, Translated, Webhook
from bridge.mapping.tools import examples as given
from bridge.signature import identify_webhooks

EXAMPLES = [example for provider in PROVIDERS for example in examples(provider)]
_PROMISE = re.compile(r"\b[A-Z]+_([A-Z_]+)=(\S+) counts it")


def choices(example: Example) -> Iterator[dict[str, str]]:
    """The vars of an example, and each with one var chosen otherwise."""
    yield dict(example.settings)
    for name, var in load(example.provider).vars.items():
        for value in var.allowed:
            yield {**example.settings, name: value}


def webhooks(example: Example) -> tuple[Webhook, ...]:
    recipe = load(example.provider).recipe
    return identify_webhooks(recipe, example.given.make_request, source=example.provider, now=given.RECEIVED_AT)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_no_example_is_ignored_without_words_whatever_the_vars_are(example: Example) -> None:
    for vars_ in choices(example):
        source = load(example.provider).bind_source(example.provider, secrets=(), vars=vars_)
        for webhook in webhooks(example):
            made = source.translate(webhook)
            if isinstance(made, Ignored):
                assert "no rule's `when` held" not in made.reason, vars_


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_value_that_a_reason_names_does_count_the_webhook(example: Example) -> None:
    source = load(example.provider).bind_source(example.provider, secrets=(), vars=example.settings)
    for webhook in webhooks(example):
        made = source.translate(webhook)
        promised = _PROMISE.findall(made.reason) if isinstance(made, Ignored) else []
        for var, value in promised:
            other = {**example.settings, var.lower(): value}
            again = load(example.provider).bind_source(example.provider, secrets=(), vars=other).translate(webhook)
            assert isinstance(again, Translated), (made, again)
