"""The schema of a track event, and what is read from it: the known fields and their types.

`event.schema.json` is the one source for everything that validates or describes an event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from bridge.core.json_text import Json

SCHEMA: dict[str, Json] = json.loads(Path(__file__).with_name("event.schema.json").read_bytes())
"""The JSON Schema (2020-12) of one event. Beside the standard's keywords: `x-must-be` ends the sentence *it must
be …*, and the format `iso-8601` asks for a day and time that exist."""


def type_word(schema: Mapping[str, Json]) -> str:
    """The one type that a field has, apart from null."""
    types = schema["type"]
    return str(types if isinstance(types, str) else next(word for word in types if word != "null"))


def _collect_fields(schema: Mapping[str, Json], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in schema.get("properties", {}).items():
        yield (*path, name), type_word(field)
        yield from _collect_fields(field, (*path, name))


FIELDS: Mapping[tuple[str, ...], str] = MappingProxyType(dict(_collect_fields(SCHEMA, ())))
"""Every known path and its type: string, number, boolean, object or array."""

TEXT_FIELDS: frozenset[tuple[str, ...]] = frozenset(path for path, word in FIELDS.items() if word == "string")
"""The paths that are text."""

CONSENT: tuple[str, ...] = tuple(SCHEMA["properties"]["consent"]["properties"])
"""The words of `consent`."""
