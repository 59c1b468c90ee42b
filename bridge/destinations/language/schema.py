"""The JSON Schema of a destination file, for editors. Words come from the code that defines them.

Whether an expression is right, only `check` can tell.
"""

from __future__ import annotations

from bridge.core.instants import LENGTH
from bridge.core.json_text import Json
from bridge.destinations.language.words import (
    ANSWER_ROOTS,
    AUTH_KINDS,
    EVENT_ROOTS,
    FOLLOWED_BY,
    FORMATS,
    METHODS,
    OUTCOMES,
    PURPOSES,
    REQUEST_ROOTS,
    RESTS,
    VERDICT_ROOTS,
    VERSION,
)
from bridge.mapping.functions.for_destinations import DESTINATION_FUNCTIONS
from bridge.mapping.schema.mapping import DRAFT
from bridge.yaml.schema_builders import (
    Schema,
    object_of,
    one_of_words,
    optional_expression,
    plain_text,
    plain_texts,
    table_of,
    text_of,
)

_FUNCTIONS = f"Functions: {', '.join(DESTINATION_FUNCTIONS)}."
_NAME = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_ANY: Schema = {"type": ["object", "array", "string", "number", "boolean", "null"]}


def platform_schema() -> Schema:
    """The schema of a destination file."""
    return {
        "$schema": DRAFT,
        "title": "trackbridge destination",
        "description": "What a platform takes, how it is asked, and what its answers mean.",
        **table_of(_PLATFORM, needs=("destination", "kind", "purpose", "events", "send", "request")),
        "$defs": {
            "var": table_of(_VAR, text="One thing that an operator sets."),
            "secret": table_of(_SECRET, text="One secret that an operator sets; it is never shown."),
            "follows": table_of(_FOLLOWS, needs=("event_type", "by"), text="What an event type follows."),
            "skip": table_of(_SKIP, needs=("when", "reason"), text="Events for which `when` holds are not sent."),
            "send": table_of(_SEND, needs=("item",), text="Makes the item of each event that it takes."),
            "request": table_of(_REQUEST, needs=("url", "body"), text=f"It reads {_list_roots(REQUEST_ROOTS)}."),
            "answer": table_of(_ANSWER, text=f"It reads {_list_roots(ANSWER_ROOTS)}. The first that holds counts."),
            "verdict": table_of(_VERDICT, needs=("url", "refused"), text="What the platform says later of a request."),
            "refused": table_of(
                _REFUSED, needs=("for_each", "in", "reason", "count"), text="Reasons, and how many events each refused."
            ),
            "each": table_of(_EACH, needs=("for_each", "in"), text="What becomes of items, by the answer's entries."),
        },
    }


def _list_roots(roots: tuple[str, ...]) -> str:
    return ", ".join(f"`{root}`" for root in roots)


def _told(text: str) -> str:
    return f"{text} It reads {_list_roots(EVENT_ROOTS)} and the names of `let`. {_FUNCTIONS}"


def _value(text: str) -> Schema:
    return {"description": text, **_SCALAR}


_AUTH: Schema = {
    "description": "How a request proves who sends it.",
    "type": "object",
    "required": ["kind"],
    "oneOf": [
        table_of(
            {"kind": {"const": kind}, **{name: _value("A text or an expression.") for name in (*needs, *may)}},
            needs=("kind", *needs),
        )
        for kind, (needs, may) in AUTH_KINDS.items()
    ],
}
_COUNT: dict[str, Json] = {"type": ["integer", "null"], "minimum": 1}
_AGE = {"type": ["string", "null"], "pattern": f"^{LENGTH}$"}
_PLATFORM: Schema = {
    "destination": {"description": "The version of the language.", "const": VERSION},
    "kind": text_of("What settings call it, and the file's name.", pattern="^[a-z][a-z0-9_]*$"),
    "title": plain_text("What people call it."),
    "purpose": one_of_words("Whose consent decides; `own` is a system of your own, which asks for none.", PURPOSES),
    "vars": object_of("What an operator sets.", _NAME, {"$ref": "#/$defs/var"}),
    "secrets": object_of("What an operator sets and nobody is shown.", _NAME, {"$ref": "#/$defs/secret"}),
    "events": object_of(
        "The event types that it takes, and what it calls each: `=` for the same name, null for none; `*` is others.",
        {},
        _SCALAR,
    ),
    "follows": object_of(
        "Event types that are sent only after the event that they follow, such as a refund after its purchase.",
        {},
        {"$ref": "#/$defs/follows"},
    ),
    "limits": table_of(
        {
            "events": {"description": "Events of one request.", **_COUNT},
            "bytes": _value("Bytes of one request's body: a number, or one with KiB or MiB."),
            "oldest": {"description": "How old an event may be: 72h, 7d.", **_AGE},
            "ahead": {"description": "How far ahead an event may be dated.", **_AGE},
            "rate": {"description": "Requests a minute.", **_COUNT},
            "together": optional_expression(_told("Events of one request agree on it.")),
        },
        text="What the platform takes.",
    ),
    "let": object_of(_told("Names for what stands below."), _NAME, _ANY),
    "skip": {"description": "Which events are not sent.", "type": "array", "items": {"$ref": "#/$defs/skip"}},
    "send": {
        "description": "How an event becomes an item: the first entry that takes it makes the item.",
        "type": "array",
        "minItems": 1,
        "items": {"$ref": "#/$defs/send"},
    },
    "request": {"$ref": "#/$defs/request"},
    "answers": {"description": "What an answer means.", "type": "array", "items": {"$ref": "#/$defs/answer"}},
    "verdict": {"$ref": "#/$defs/verdict"},
}
_HELP = plain_text("One line for the operator: what it is, and where to find it.")
_NEEDED: Schema = {"description": "Whether it must be set.", "type": "boolean"}
_VAR: Schema = {
    "needed": _NEEDED,
    "default": {"description": "Its value where none is set.", **_SCALAR},
    "allowed": plain_texts("The values that it may have."),
    "help": _HELP,
}
_SECRET: Schema = {"needed": _NEEDED, "help": _HELP}
_FOLLOWS: Schema = {
    "event_type": plain_texts("The event types that it follows: one of them is known of its order."),
    "by": {"description": "What both have in common.", "const": FOLLOWED_BY},
}
_SKIP: Schema = {"when": optional_expression(_told("A condition.")), "reason": plain_text("Why, in a few words.")}
_PATHS: Schema = {"type": "array", "items": {"type": ["string", "array"], "items": {"type": "string"}}}
_SEND: Schema = {
    "event_type": plain_texts("The event types that it takes; `*` is any run of characters."),
    "when": optional_expression(_told("It takes the event only where this holds.")),
    "identify": {"description": "Paths of the item, one of which must be there; a list is all of these.", **_PATHS},
    "require": plain_texts("Paths of the item, all of which must be there."),
    "item": {"description": _told("What the event becomes."), "type": "object"},
}
_REQUEST: Schema = {
    "url": text_of("The address. Scheme, host and port depend on no event."),
    "method": one_of_words("POST, unless it is another.", METHODS),
    "headers": object_of("Headers by name.", {}, _SCALAR),
    "auth": _AUTH,
    "body": {"description": "What is around `items`.", **_ANY},
    "format": one_of_words("How the body is written.", FORMATS),
}
_OUTCOME: Schema = {"description": f"One of {', '.join(OUTCOMES)}, or an expression that gives one.", "type": "string"}
_ANSWER: Schema = {
    "when": optional_expression("It counts only where this holds."),
    "is": _OUTCOME,
    "reason": _value("Why, in words."),
    "after": _value("Seconds to wait before a retry."),
    "note": _value("What is kept of a success."),
    "each": {"$ref": "#/$defs/each"},
    "rest": one_of_words("What becomes of the items that no entry names.", RESTS),
}
_EACH: Schema = {
    "for_each": text_of("What an entry is called.", **_NAME),
    "in": optional_expression("The entries."),
    "when": optional_expression("An entry counts only where this holds."),
    "at": optional_expression("The item's index, from 0; where it is not written, the entry's own place."),
    "is": _OUTCOME,
    "reason": _value("Why, in words."),
}
_VERDICT: Schema = {
    "url": optional_expression(f"The address that is asked by GET. It reads {_list_roots(VERDICT_ROOTS)}."),
    "after": {"description": "How long after a request it is asked for at the earliest: 15m, 1h.", **_AGE},
    "pending": optional_expression("It is too early to say where this holds."),
    "success": optional_expression("Every event of the request was taken where this holds."),
    "refused": {"$ref": "#/$defs/refused"},
}
_REFUSED: Schema = {
    "for_each": text_of("What an entry is called.", **_NAME),
    "in": optional_expression("The entries."),
    "reason": optional_expression("Why, in words."),
    "count": optional_expression("How many events."),
}
