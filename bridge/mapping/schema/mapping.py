"""The keys of mapping files, each with what it may hold and what it means.

The readers take their keys from here, and the JSON Schema for editors is made of it. Words and types come from the code
that defines them: the contract, the signatures, the functions. Whether an expression is right, only `check` can tell.
"""

from __future__ import annotations

from bridge.contract import SCHEMA as EVENT
from bridge.core.instants import LENGTH
from bridge.mapping.functions.builtin import OURS
from bridge.mapping.functions.jmespath_builtins import STANDARD
from bridge.mapping.language import LENDS, MOST_RANK, REQUIRED, REQUIRING, ROOTS, SOURCE, VAR_TYPES, VERSION, WEBHOOK
from bridge.signature.grammar import CHALLENGE_KEYS, signature_schema
from bridge.yaml.schema_builders import (
    Schema,
    object_of,
    one_of_words,
    optional_expression,
    or_nothing,
    pattern_of,
    place_list,
    plain_text,
    plain_texts,
    required_expression,
    table_of,
    text_of,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_ROOTS = f"It reads {', '.join(f'`{root}`' for root in ROOTS)} and the names of `let` and of the `for_each` around it."
_FUNCTIONS = (
    f"`webhook` has {', '.join(WEBHOOK)}; `source` has {', '.join(SOURCE)}. Functions: {', '.join(OURS)}; "
    f"JMESPath's own: {', '.join(STANDARD)}."
)
_EACH = "A list, made of another: `in` gives the elements, `map` what each becomes."


def mapping_schema() -> Schema:
    """The schema of a mapping file."""
    return {
        "$schema": DRAFT,
        "title": "trackbridge mapping",
        "description": "How webhooks of one provider prove genuine, and which track events they become.",
        **table_of(MAPPING_KEYS, needs=("mapping", "provider", "webhook", "events")),
        "$defs": {
            "expression": optional_expression(f"An expression: JMESPath after a `=`. {_ROOTS} {_FUNCTIONS}"),
            "value": {
                "description": f"A value as it stands, or an expression after a `=`. {_ROOTS} {_FUNCTIONS}",
                **_VALUE,
            },
            "for_each": table_of(FOR_EACH_KEYS, needs=("for_each", "in", "map"), text=_EACH),
            "rule": {
                **table_of(RULE_KEYS, text="Makes one event of each webhook that it takes."),
                "dependentRequired": {"for_each": ["in"], "in": ["for_each"]},
            },
            "condition": table_of(
                CONDITION_KEYS, needs=("if",), text="A condition, and why there is no event without it."
            ),
            "recall": or_nothing(table_of(RECALL_KEYS, needs=("event_type", "dedupe", "take"), text=_RECALLS)),
            "defer_to": or_nothing(table_of(DEFER_TO_KEYS, needs=("event_type", "dedupe"), text=_DEFERS)),
            "var": table_of(VAR_KEYS, needs=("default",), text="One thing that an operator may set."),
            "signature": signature_schema(),
            "challenge": table_of(CHALLENGE_KEYS, needs=("when", "respond")),
        },
    }


ANY = ("object", "array", "string", "number", "boolean", "null")
"""All types, for keys whose first one says an editor what to begin."""
_VALUE: Schema = {
    "if": {"type": "object", "required": ["for_each"]},
    "then": {"$ref": "#/$defs/for_each"},
    "else": {
        "propertyNames": pattern_of(
            "^(?!=(?!=))", "a key is no expression; a text that begins with `=` is written `==`"
        ),
        "items": {"$ref": "#/$defs/value"},
        "additionalProperties": {"$ref": "#/$defs/value"},
    },
}


# --------------------------------------------------------------------------------------------------------- the event


_LITERALS = {"number": "a number", "boolean": "true or false"}
_ITEM: Schema = {
    "description": "One product item: sku, name, price, quantity, and what else you know of it.",
    "type": list(ANY),
    "properties": {
        name: {"description": text, "type": sorted(ANY, key="string".__ne__), **_VALUE}
        for name, text in (
            ("sku", "Its article number."),
            ("name", "What it is called."),
            ("price", "The price of one."),
            ("quantity", "How many."),
        )
    },
}


def _field_schema(schema: Schema) -> Schema:
    """A field of the contract as a mapping may write it: the value itself, or an expression for it."""
    types = schema["type"]
    kind = types if isinstance(types, str) else next(word for word in types if word != "null")
    text = {"description": f"{schema['description']} An expression begins with `=`."}
    match kind:
        case "string":
            return {**text, "type": ["string", "integer", "null"]}
        case "object":
            fields = {name: _field_schema(field) for name, field in schema.get("properties", {}).items()}
            return {
                **text,
                "type": ["object", "string", "null"],
                **required_expression(instead="an object"),
                "properties": fields,
                "propertyNames": _VALUE["else"]["propertyNames"],
                "additionalProperties": {"$ref": "#/$defs/value"},
            }
        case "array":
            return {
                **text,
                "type": ["object", "array", "string", "null"],
                **required_expression(instead="a list or a for_each"),
                "if": {"type": "object"},
                "then": {"$ref": "#/$defs/for_each", "properties": {"map": _ITEM}},
                "else": {"items": {"$ref": "#/$defs/value"}},
            }
        case _:
            return {**text, "type": ["string", kind, "null"], **required_expression(instead=_LITERALS[kind])}


def _event_schema() -> Schema:
    made = _field_schema({**EVENT, "description": "The event: the track contract's fields, and any other."})
    types = EVENT["properties"]["event_type"]
    return {
        **made,
        "type": "object",
        "required": ["event_type"],
        "not": {"required": ["for_each"]},
        "properties": {
            **made["properties"],
            "event_type": {
                "description": types["description"],
                "anyOf": [{"enum": types["examples"]}, {"type": "string", "minLength": 1}],
            },
        },
    }


_NAME = pattern_of("^[A-Za-z_][A-Za-z0-9_]*$", "a name has letters, digits and `_`, and begins with no digit")
FOR_EACH_KEYS: Schema = {
    "for_each": {
        "description": "What an element is called in `when` and `map`.",
        "type": "string",
        **_NAME,
    },
    "in": optional_expression("The list."),
    "when": optional_expression("Which elements count: those for which it holds."),
    "map": {
        "description": "What an element becomes: a value, or an object.",
        "type": list(ANY),
        **_VALUE,
    },
}

_LENT = pattern_of(f"^({'|'.join(LENDS)})(\\..+)?$", f"recall takes from {', '.join(LENDS)}")
_RECALLS = "An earlier event that this one takes from where the webhook itself says nothing."
_REQUIRED = ", ".join(".".join(path) for path in REQUIRED)


def _expressions(text: str) -> Schema:
    """An expression, or a list of them."""
    one = {"type": "string", **required_expression()}
    return {"description": text, **one, "type": ["string", "array"], "items": one}


def _wait(text: str) -> Schema:
    lengths = pattern_of(f"^({LENGTH}|=\\s*source\\.vars\\.[A-Za-z_][A-Za-z0-9_]*\\s*)$", _LENGTHS)
    return {"description": text, "type": ["string", "null"], **lengths}


def _take(text: str, *, needed: bool) -> Schema:
    types = ["array", "string"] if needed else ["array", "string", "null"]
    return {"description": text, "type": types, **_LENT, "items": {"type": "string", **_LENT}}


_LENGTHS = "a length of time such as 30m, 1h or 2d, or a var that holds one: =source.vars.NAME"
RECALL_KEYS: Schema = {
    "event_type": plain_texts("The type of the earlier event, such as purchase, or a list of types."),
    "dedupe": _expressions("The dedupe key that the earlier event was kept under, or a list: the first found counts."),
    "take": _take("What to take from it where this event has nothing, such as properties.currency.", needed=True),
    "wait": _wait("How long to wait for it while it is not there: 1h where nothing is said; 30m, 2d, at most 7d."),
    "needed": {
        "description": "Whether it makes no event where the earlier one was only remembered.",
        "type": ["boolean", "null"],
    },
}
_DEFERS = "Conversions that a richer webhook may tell: it waits for one, and tells what none has told."
DEFER_TO_KEYS: Schema = {
    "event_type": plain_texts("The type of event that would tell the conversion, or a list of types."),
    "dedupe": _expressions("What the conversion is called, or a list: the first that comes out as something decides."),
    "wait": _wait("How long to wait for a richer webhook: 10m where nothing is said; 30s, 1h, at most 7d."),
    "take": _take(
        "What to take from other webhooks of the conversion; left out, who bought and from where.", needed=False
    ),
    "when": optional_expression(f"It waits only where this holds. {_ROOTS}"),
}
CONDITION_KEYS: Schema = {
    "if": optional_expression("What must hold."),
    "else": plain_text("Why there is no event where it does not hold, in a few plain words."),
}
RULE_KEYS: Schema = {
    "topic": plain_texts("The topics that it takes: texts, or globs such as orders/*."),
    "for_each": {
        "description": "What an element of the list `in` is called: the rule makes one event of each.",
        "type": ["string", "null"],
        **_NAME,
    },
    "in": optional_expression("The list whose elements the rule makes an event of each."),
    "when": {
        "description": f"It fires only where this holds: an expression, or a list of them, of which the first that "
        f"does not hold says why there is no event. {_ROOTS} {_FUNCTIONS}",
        "type": ["string", "array", "null"],
        **required_expression(instead="a list of conditions"),
        "items": {
            "if": {"type": "object"},
            "then": {"$ref": "#/$defs/condition"},
            "else": {"type": "string", **required_expression(instead="{if: =…, else: reason}")},
        },
    },
    "dedupe": or_nothing(
        _expressions("What names the conversion, or a list: the first decides what is a duplicate, all are registered.")
    ),
    "rank": {
        "description": "How rich the webhook is among those of one conversion: higher is richer.",
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": MOST_RANK,
    },
    "defer_to": {"description": _DEFERS, "$ref": "#/$defs/defer_to"},
    "remember": plain_text(
        "Why no event is made of it on purpose. What it would have told is kept for later webhooks."
    ),
    "require": plain_texts(
        f"Fields that the event must have, else the webhook is set aside. For {', '.join(sorted(REQUIRING))} it is "
        f"[{_REQUIRED}] unless it is written; [] turns it off."
    ),
    "recall": {"description": _RECALLS, "$ref": "#/$defs/recall"},
    "event": _event_schema(),
}


# -------------------------------------------------------------------------------------------------- files as a whole

WEBHOOK_KEYS: Schema = {
    "signature": {"description": "How a request proves genuine.", "$ref": "#/$defs/signature"},
    "id": place_list(
        "Where the webhook's id stands: the first of these places that has a text. body_sha256 comes last."
    ),
    "topic": place_list(
        "Where its topic stands: header:NAME, query:NAME, form:NAME or json:/pointer; the first with a text."
    ),
    "items": or_nothing(text_of("Where the list of a batch stands, as a JSON pointer; / for the whole body.")),
    "challenge": {
        "description": "Requests by which the provider asks whether the address is yours, and their answers.",
        "type": ["array", "null"],
        "items": {"$ref": "#/$defs/challenge"},
    },
    "occurred_at": optional_expression("When it happened, by the provider's word."),
    "account": optional_expression("Which account or shop it is about."),
    "test": optional_expression("Whether it is a test: its events then go to test destinations only."),
    "ping": optional_expression("Whether it only asks whether the address answers: it is then ignored, with a note."),
}

VAR_KEYS: Schema = {
    "type": one_of_words(
        "What it may be: any text, one of `allowed`, or a length of time such as 10m. Left out: a choice where "
        "there is `allowed`, else a text.",
        VAR_TYPES,
    ),
    "default": {"description": "Its value where the operator sets none.", "type": ["string", "number", "boolean"]},
    "allowed": plain_texts("The values that a choice may have."),
    "help": plain_text("One line for the operator."),
}

UNIT_KEYS: Schema = {
    "default": {"description": "Decimals of every other currency, such as 2.", "type": ["integer", "null"]},
    "exponents": object_of(
        "Currencies by their number of decimals: {0: [jpy], 3: [kwd]}.",
        pattern_of("^[0-9]$", "a number of decimals, from 0 to 9"),
        plain_texts("Currencies."),
    ),
}

SET_ASIDE_KEYS: Schema = {
    "topic": plain_texts("Topics that it looks at; left out, all."),
    "when": optional_expression(f"Where this holds, the webhook is set aside. {_ROOTS}"),
    "reason": plain_text("Why."),
}

ALIAS_KEYS: Schema = {
    "topic": plain_texts("The topics that it takes."),
    "when": optional_expression(f"It counts only where this holds. {_ROOTS}"),
    "name": {"description": "What belongs to something else.", "type": "string", **required_expression()},
    "belongs_to": {"description": "What it belongs to.", "type": "string", **required_expression()},
}

MAPPING_KEYS: Schema = {
    "mapping": {"description": "The version of the language.", "const": VERSION},
    "provider": {
        "description": "The provider's name, as it stands in addresses (/webhooks/NAME) and settings.",
        "type": ["string", "integer"],
        **pattern_of("^[a-z0-9][a-z0-9_-]*$", "a provider's name has lower-case letters, digits, `-` and `_`"),
    },
    "title": plain_text("The provider's name as people write it."),
    "webhook": table_of(
        WEBHOOK_KEYS, needs=("signature",), text="How a request proves genuine, and what it is called."
    ),
    "vars": object_of("What an operator may set for a source.", {}, {"$ref": "#/$defs/var"}),
    "minor_units": or_nothing(
        table_of(UNIT_KEYS, text="How many decimals the provider's smallest units are, by currency.")
    ),
    "set_aside": {
        "description": "Webhooks that cannot be translated, whatever their topic, looked at before everything else.",
        "type": ["array", "null"],
        "items": table_of(SET_ASIDE_KEYS, needs=("when", "reason")),
    },
    "let": object_of(
        f"Names for the rules, each worked out when first used. {_ROOTS} {_FUNCTIONS}",
        {**_NAME, "not": {"enum": list(ROOTS)}},
        {"$ref": "#/$defs/value"},
    ),
    "events": {
        "description": "The rules. Each one whose topic matches and whose `when` holds makes an event.",
        "type": "array",
        "items": {"$ref": "#/$defs/rule"},
    },
    "aliases": {
        "description": "Webhooks that say what belongs to what, such as a payment to an invoice.",
        "type": ["array", "null"],
        "items": table_of(ALIAS_KEYS, needs=("name", "belongs_to")),
    },
    "ignore": object_of("Topics, or globs, that make no event, each with the reason.", {}, text_of("The reason.")),
}
