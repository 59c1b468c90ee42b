"""`trackbridge schema`: the JSON Schema of a mapping, of an example or of an event, for editors and validators."""

from __future__ import annotations

import argparse
import json

from bridge import contract
from bridge.cli.terminal import print_text
from bridge.mapping.schema import mapping

SCHEMAS = {"mapping": mapping.mapping_schema(), "example": mapping.example_schema(), "event": contract.SCHEMA}


def run_schema(options: argparse.Namespace) -> int:
    """Print one schema as JSON."""
    print_text(json.dumps(SCHEMAS[options.what], indent=2, ensure_ascii=False), lines=True)
    return 0
