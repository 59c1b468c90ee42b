"""The kinds of values that the schemas for editors are made of: objects of known keys, texts, places, expressions."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.core.json_text import Json

Schema = dict[str, Json]
EXPRESSION = "^=(?!=)\\s*\\S"
"""What an expression looks like."""


def pattern_of(pattern: str, told: str) -> Schema:
    """A pattern, and what an editor says of a text that does not match: the pattern itself helps nobody."""
    return {"pattern": pattern, "patternErrorMessage": told}


def table_of(properties: Schema, *, needs: Iterable[str] = (), text: str = "") -> Schema:
    """An object with these keys and no other."""
    described = {"description": text} if text else {}
    return {
        **described,
        "type": "object",
        "properties": properties,
        "required": list(needs),
        "additionalProperties": False,
    }


def or_nothing(schema: Schema) -> Schema:
    """The same, or a key with nothing after it, which counts as left out."""
    types = schema["type"]
    return {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]}


def text_of(text: str, **more: Json) -> Schema:
    """A text that is not empty."""
    return {"description": text, "type": "string", "minLength": 1, **more}


def plain_text(text: str) -> Schema:
    """A text that may be written without quotes, whatever YAML takes it for."""
    like = pattern_of("^(?!=)[\\s\\S]", "no expression may stand here; write a text")
    return {"description": text, "type": ["string", "number", "boolean", "null"], **like}


def plain_texts(text: str) -> Schema:
    """One such text, or a list of them."""
    one = plain_text("")
    del one["description"]
    return {"description": text, **one, "type": [*one["type"], "array"], "items": one}


def place_list(text: str) -> Schema:
    """One place in a request, or a list of them."""
    pattern = "^(body_sha256|signature|(header|query|form):.+|json:(/[\\s\\S]*)?)$"
    told = "write a place: header:NAME, query:NAME, form:NAME or json:/pointer"
    place = {"type": "string", **pattern_of(pattern, told)}
    return {"description": text, **place, "type": ["string", "array", "null"], "items": place}


def optional_expression(text: str) -> Schema:
    """An expression, or nothing."""
    return {"description": text, "type": ["string", "null"], **required_expression()}


def required_expression(*, instead: str = "") -> Schema:
    """What a text must be that has to be an expression; `instead` names what else could be there."""
    told = "an expression begins with `=`, such as `=body.id`"
    return pattern_of(EXPRESSION, f"write {instead}, or an expression: it begins with `=`" if instead else told)


def one_of_words(text: str, words: Iterable[str]) -> Schema:
    """One of some words."""
    return {"description": text, "enum": list(words)}


def object_of(text: str, names: Json, values: Json) -> Schema:
    """An object whose keys the writer chooses."""
    return {"description": text, "type": ["object", "null"], "propertyNames": names, "additionalProperties": values}
