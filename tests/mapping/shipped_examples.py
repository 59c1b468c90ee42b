"""The shipped examples as tests of the mapping language use them: each with its mapping as it was read."""

from __future__ import annotations

import functools
from pathlib import Path

from bridge import mapping, signature
from bridge.core.model import Webhook
from bridge.mapping import MappingReading
from bridge.mapping.engine.recall import NoEarlierEvents
from bridge.mapping.files import example_files
from bridge.mapping.tools import examples
from bridge.yaml.problems import Problems

MAPPINGS = Path(__file__).parents[2] / "mappings"
EXAMPLES = [
    path.relative_to(MAPPINGS / "examples")
    for one in sorted(MAPPINGS.glob("*.yaml"))
    for path in example_files(one, one.stem)
]


@functools.cache
def reading(provider: str) -> MappingReading:
    path = MAPPINGS / f"{provider}.yaml"
    return mapping.read_mapping(path.read_bytes(), name=path.name)


def earlier_events(case: Path) -> NoEarlierEvents:
    """The events that an example's mapping may recall."""
    example = examples.read_example((MAPPINGS / "examples" / case).read_bytes(), name=case.name, problems=Problems())
    assert example
    return examples.recallable_events(example.earlier, scope=case.parts[0])


def example_webhooks(case: Path) -> tuple[MappingReading, tuple[Webhook, ...], dict[str, str]]:
    """The mapping, webhooks and vars of an example."""
    found = reading(case.parts[0])
    assert found.mapping
    example = examples.read_example((MAPPINGS / "examples" / case).read_bytes(), name=case.name, problems=Problems())
    assert example
    given = signature.identify_webhooks(
        found.mapping.recipe, example.make_request, source=found.mapping.provider, now=examples.RECEIVED_AT
    )
    return found, given, dict(example.vars)
