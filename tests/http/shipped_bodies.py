"""The webhooks of the shipped examples, as they would be kept. Not concerned with what they become."""

from __future__ import annotations

import functools
from pathlib import Path

from msgspec.structs import replace
from store_made import NOW

from bridge import mapping, signature
from bridge.core.model import Webhook
from bridge.mapping.files import example_files
from bridge.mapping.tools import examples
from bridge.yaml.problems import Problems

MAPPINGS = Path(__file__).parents[2] / "mappings"


@functools.cache
def shipped_webhooks(provider: str) -> tuple[Webhook, ...]:
    """One for each item of each example, all with ids of their own."""
    path = MAPPINGS / f"{provider}.yaml"
    found = mapping.load_mapping(path)
    kept: list[Webhook] = []
    for case in example_files(path, provider):
        example = examples.read_example(case.read_bytes(), name=case.name, problems=Problems())
        if example is not None:
            kept += signature.identify_webhooks(found.recipe, example.make_request, source=provider, now=NOW)
    return tuple(replace(one, id=str(number), identity=(), same_bytes=b"") for number, one in enumerate(kept))
