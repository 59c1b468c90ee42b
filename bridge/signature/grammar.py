"""The keys of `signature` and `challenge` in a mapping, each with what it may hold and what it means.

The readers take their keys from here, and the JSON Schema for editors is made of it.
"""

from __future__ import annotations

from typing import get_args

from bridge.signature.recipe import Algorithm, Clock, Encoding, KeyEncoding, SchemeKind
from bridge.yaml.schema_builders import Schema, one_of_words, or_nothing, plain_texts, table_of, text_of

TOLERANCE = 300
"""Seconds a timestamp may differ where a recipe says nothing: what Stripe, Slack and Standard Webhooks use."""

CONTENT_TYPES = ("text/plain", "application/json")
"""What a challenge can be answered with: nothing that a browser would run."""

_PREFIX = ("prefix", "prefix_optional")
_TEXT = ("encoding", "from", "split", "pair", "key", *_PREFIX, "signed", "secret", "timestamp")
KIND_KEYS: dict[SchemeKind, tuple[str, ...]] = {
    SchemeKind.HMAC: ("kind", "algorithm", *_TEXT),
    SchemeKind.DIGEST: ("kind", "algorithm", *_TEXT, "i_accept_length_extension"),
    SchemeKind.ECDSA_P256: ("kind", "algorithm", *_TEXT),
    SchemeKind.ED25519: ("kind", *_TEXT),
    SchemeKind.TOKEN: ("kind", "from", *_PREFIX),
    SchemeKind.BASIC: ("kind",),
    SchemeKind.NONE: ("kind", "i_accept_unsigned"),
}

SECRET_KEYS: Schema = {
    "encoding": one_of_words("How the secret is written. Default: utf8.", get_args(KeyEncoding)),
    "strip_prefix": text_of("What a secret begins with that is no part of the key, such as whsec_."),
}
TIMESTAMP_KEYS: Schema = {
    "from": text_of("Where the time of sending stands: a place, or signature:NAME of `pair`."),
    "format": one_of_words("How it is written.", get_args(Clock)),
    "tolerance": {
        "description": f"Seconds that it may differ from the time of receipt. Default: {TOLERANCE}.",
        "type": "integer",
        "minimum": 1,
    },
}
SIGNATURE_KEYS: Schema = {
    "kind": one_of_words(
        "How a request proves genuine. none takes every request, and needs `i_accept_unsigned: true`.",
        [str(kind) for kind in KIND_KEYS],
    ),
    "algorithm": one_of_words("The hash, such as sha256.", get_args(Algorithm)),
    "encoding": one_of_words("How the signature is written.", get_args(Encoding)),
    "from": text_of("Where the signature stands: header:NAME, query:NAME, form:NAME or json:/pointer."),
    "split": text_of("What stands between several signatures, or several `name=value`, such as a comma."),
    "pair": text_of("What stands between a name and its value, such as =. It needs `key`."),
    "key": plain_texts("The names whose values are signatures, such as [v1]."),
    "prefix": text_of("What stands before the signature or token, such as sha256= or Bearer and a space."),
    "prefix_optional": {"description": "Whether the prefix may be missing.", "type": "boolean"},
    "signed": text_of(
        "What is signed: text with {body}, {timestamp}, {id}, {url}, {method}, {secret}, {form_sorted} or a place "
        "such as {header:NAME} in it.",
        examples=["{body}", "{timestamp}.{body}"],
    ),
    "secret": or_nothing(
        table_of(
            SECRET_KEYS,
            text="How the provider writes its secrets.",
        )
    ),
    "timestamp": or_nothing(
        table_of(
            TIMESTAMP_KEYS,
            needs=("from", "format"),
            text="The signed time of sending, so that an old request is refused.",
        )
    ),
    "i_accept_unsigned": {"description": "Says that anyone may post here.", "const": True},
    "i_accept_length_extension": {
        "description": "Says that the provider has nothing better than a digest that begins with the secret: whoever "
        "has one signed request can sign a longer one.",
        "type": ["boolean", "null"],
    },
}


_NEEDED = ("algorithm", "encoding", "from", "signed", "i_accept_unsigned")
"""What a kind that takes it cannot do without, save for ECDSA's algorithm, of which there is but one."""


def signature_schema() -> Schema:
    """All keys, of which each kind has some."""
    made = table_of(SIGNATURE_KEYS, needs=("kind",), text="How a request proves genuine.")
    made["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": str(kind)}}, "required": ["kind"]},
            "then": {
                "propertyNames": {"enum": list(keys)},
                "required": [
                    key for key in keys if key in _NEEDED and (key, kind) != ("algorithm", SchemeKind.ECDSA_P256)
                ],
            },
        }
        for kind, keys in KIND_KEYS.items()
    ]
    return made


RESPOND_KEYS: Schema = {
    "content_type": one_of_words("Default: text/plain.", CONTENT_TYPES),
    "body": {
        "description": "The answer; {json:/pointer}, {query:NAME}, … and {hmac:PLACE} are replaced.",
        "type": "string",
    },
}
CHALLENGE_KEYS: Schema = {
    "when": {
        "description": "What tells it from a webhook: method, and places with the text there, true (any) or false.",
        "type": "object",
        "minProperties": 1,
        "properties": {"method": {"enum": ["GET", "POST"]}},
        "additionalProperties": {"type": ["string", "boolean"]},
    },
    "respond": table_of(
        RESPOND_KEYS,
        needs=("body",),
        text="What it is answered.",
    ),
    "signed": {"description": "Whether it must prove genuine. Default: a POST must.", "type": ["boolean", "null"]},
}
