"""`trackbridge schema`: the JSON Schema of a mapping, example, destination file or event, for editors."""

from __future__ import annotations

import json
from typing import Literal

from bridge import contract
from bridge.cli.options import argument_of, command_options
from bridge.cli.terminal import print_text
from bridge.destinations.language.schema import platform_schema
from bridge.mapping.schema.example import example_schema
from bridge.mapping.schema.mapping import mapping_schema

SCHEMAS = {
    "mapping": mapping_schema(),
    "example": example_schema(),
    "event": contract.SCHEMA,
    "destination": platform_schema(),
}


@command_options
class SchemaOptions:
    """The options of `schema`."""

    what: Literal["mapping", "example", "event", "destination"] = argument_of(
        ("mapping", "example", "event", "destination"), meaning="of which kind of file, or of an event"
    )


def run_schema(options: SchemaOptions) -> int:
    """Print one schema as JSON."""
    print_text(json.dumps(SCHEMAS[options.what], indent=2, ensure_ascii=False), lines=True)
    return 0
