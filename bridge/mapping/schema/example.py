"""The keys of example files, each with what it may hold and what it means.

The reader takes its keys from here, and the JSON Schema for editors is made of it.
"""

from __future__ import annotations

from bridge.contract import SCHEMA as EVENT
from bridge.mapping.schema.mapping import ANY, DRAFT
from bridge.yaml.schema_builders import Schema, plain_text, table_of, text_of


def example_schema() -> Schema:
    """The schema of an example file."""
    event = {key: value for key, value in EVENT.items() if key != "$schema"}
    return {
        "$schema": DRAFT,
        "title": "trackbridge example",
        "description": "A webhook, and what the mapping of its provider must make of it.",
        **table_of(EXAMPLE_KEYS, needs=("given", "expect")),
        "$defs": {
            "event": event,
            "given": table_of(GIVEN_KEYS, needs=("body",), text=_GIVES),
            "earlier": table_of(EARLIER_KEYS, needs=("event",), text="An event that was there before."),
        },
    }


_GIVES = "The webhook. It needs no signature here."
_NAMED_TEXTS: Schema = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
GIVEN_KEYS: Schema = {
    "headers": {
        "description": "The headers that the mapping reads, with their topic if it stands there.",
        **_NAMED_TEXTS,
    },
    "query": {"description": "What stands in the address after `?`.", **_NAMED_TEXTS},
    "body": {
        "description": "The body: what its JSON holds, or for another kind of body its text.",
        "type": [kind for kind in ANY if kind != "null"],
    },
    "vars": {"description": "What the operator has set.", **_NAMED_TEXTS},
    "earlier": {
        "description": "Events that were there before, which `recall` may find.",
        "type": ["array", "null"],
        "items": {"$ref": "#/$defs/earlier"},
    },
}
EARLIER_KEYS: Schema = {
    "dedupe": plain_text("The dedupe key that it was kept under."),
    "event": {"description": "The event.", "$ref": "#/$defs/event"},
}
REASON_KEYS: Schema = {
    "ignored": text_of("It makes no event, for this reason, told without its places in the mapping."),
    "set_aside": text_of("It cannot be translated, for this reason, told without its places in the mapping."),
}
EXAMPLE_KEYS: Schema = {
    "given": {"description": _GIVES, "$ref": "#/$defs/given"},
    "expect": {
        "description": "The events without their ids; or `ignored: reason`, or `set_aside: reason`.",
        "type": ["array", "object"],
        "if": {"type": "object"},
        "then": {
            "type": "object",
            "properties": REASON_KEYS,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
        "else": {"minItems": 1, "items": {"$ref": "#/$defs/event"}},
    },
}
