"""The functions that destination files have besides those of mappings: identifiers, and values as platforms want them.

A mapping has none of them: its events hold what the provider sent, and each destination hashes by its platform's rule.
All are declared as in `builtin`; the rules of identifiers are in `identity`. Name a function that makes personal data
fit to be sent to an ads platform in `_OF_IDENTIFIERS` of `destinations/language/lint`, too: `check` warns of any other.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from decimal import Decimal
from urllib.parse import quote, urlencode

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.expressions.runtime import NUMBERS, CannotEvaluate, bound_digits, bound_text, type_name
from bridge.mapping.functions import identity, money, timestamps
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.functions.identity import RULES
from bridge.mapping.functions.money import Number
from bridge.mapping.functions.regions import MINOR_DIGITS
from bridge.mapping.functions.registry import FunctionRegistry

FOR_DESTINATIONS = FunctionRegistry()
_function = FOR_DESTINATIONS.register

_UUIDS = uuid.uuid5(uuid.NAMESPACE_DNS, "trackbridge")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INDEX = re.compile(r"\[([0-9]{1,9})\]")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SHORTEST_ID = 20
_CLIENT_ID_PART = 2_147_483_647

# -------------------------------------------------------------------------------------------------------- identifiers


@_function(
    "hashed(value: string|number, rule: string, country?: string = '') -> string|null",
    "The SHA-256, in hex, of an identifier as the rule wants it; null for what is none. A SHA-256 comes out as it is.",
    (
        (
            "hashed(' John_Smith@gmail.com ', 'email')",
            '"62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"',
        ),
        (
            "hashed('(650) 555-1212', 'phone_digits', 'US')",
            '"e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"',
        ),
        ("hashed('650 555 1212', 'phone')", "null"),
        ("hashed('n/a', 'email')", "null"),
    ),
    words={"rule": RULES},
)
def _hashed(value: str | Number, rule: str, country: str | None = None) -> str | None:
    return identity.hash_identifier(value, rule, country)


@_function(
    "normal(value: string|number, rule: string, country?: string = '') -> string|null",
    "The same identifier in clear, for platforms that want it so; null for what is none, and for a SHA-256.",
    (
        ("normal(' UK ', 'country')", '"gb"'),
        ("normal('030 901820', 'phone', 'DE')", '"+4930901820"'),
        ("normal('California', 'state', 'US')", '"ca"'),
        ("normal('Jane.Doe+shop@Gmail.com', 'email_google')", '"janedoe@gmail.com"'),
    ),
    words={"rule": RULES},
)
def _normal(value: str | Number, rule: str, country: str | None = None) -> str | None:
    return identity.normalise_identifier(value, rule, country)


@_function(
    "client_id(text: string) -> string",
    "Two numbers joined by a dot, as GA4 wants a client id, made from the text and always the same.",
    (("client_id('evt_1')", '"1703120305.1785236202"'),),
)
def _client_id(text: str) -> str:
    digest = hashlib.sha256(_encode(text)).digest()
    first, second = (1 + int.from_bytes(digest[at : at + 8]) % _CLIENT_ID_PART for at in (0, 8))
    return f"{first}.{second}"


@_function(
    "uuid(text: string) -> string",
    "A UUID made from the text and always the same; a UUID as it is, in lower case.",
    (
        ("uuid('evt_1')", '"3e9db38a-4b71-507b-a3ba-db00805b2cd6"'),
        ("uuid('6BA7B810-9DAD-11D1-80B4-00C04FD430C8')", '"6ba7b810-9dad-11d1-80b4-00c04fd430c8"'),
    ),
)
def _uuid(text: str) -> str:
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else str(uuid.uuid5(_UUIDS, _encode(text).decode()))


# -------------------------------------------------------------------------------------------------- numbers and times


@_function(
    "unix(instant: string|number, unit: string = 's') -> number",
    "The instants that `iso8601` reads as whole seconds (`s`), milliseconds (`ms`) or microseconds (`us`) since 1970.",
    (
        ("unix('2024-01-01T02:00:00+02:00')", "1704067200"),
        ("unix('2024-01-01T00:00:00.5Z', 'ms')", "1704067200500"),
        ("unix(`1704067200`, 'us')", "1704067200000000"),
    ),
    words={"unit": timestamps.UNITS},
)
def _unix(instant: str | Number, unit: str = "s") -> int:
    return timestamps.count_unix(instant, unit)


@_function(
    "whole(value: string|number) -> number|null",
    "A whole number, also from a text; null for any other text or number.",
    (("whole('2')", "2"), ("whole(`2.0`)", "2"), ("whole(`2.5`)", "null"), ("whole('x')", "null")),
)
def _whole(value: str | Number) -> int | None:
    try:
        number = bound_digits(money.parse_decimal(value))
    except CannotEvaluate:
        return None
    return int(number) if number == int(number) else None


@_function(
    "text(value: string|number|boolean) -> string",
    "A number as text, digit for digit; a text as it is.",
    (("text(`99.50`)", '"99.50"'), ("text('a')", '"a"'), ("text(`true`)", '"true"')),
)
def _text(value: str | Number | bool) -> str:  # noqa: FBT001  a value of an event
    return _write_text(value)


@_function(
    "to_minor(amount: string|number, currency: string) -> number|null",
    "An amount in the currency's smallest unit by ISO 4217, rounded half to even; null without a currency code.",
    (
        ("to_minor(`19.99`, 'eur')", "1999"),
        ("to_minor('1999', 'JPY')", "1999"),
        ("to_minor(`1.5`, 'KWD')", "1500"),
        ("to_minor(`5`, 'euro')", "null"),
    ),
)
def _to_minor(amount: str | Number, currency: str) -> int | None:
    code = currency.strip().upper()
    return money.to_minor(amount, MINOR_DIGITS.get(code, 2)) if _CURRENCY.fullmatch(code) else None


# ------------------------------------------------------------------------------------------------------ texts and lists


@_function(
    "cut(text: string|number, length: number) -> string",
    "The text's first characters; a number is taken as text.",
    (("cut('abcdef', `3`)", '"abc"'), ("cut(`12345`, `3`)", '"123"'), ("cut('a', `3`)", '"a"')),
)
def _cut(text: str | Number, length: Number) -> str:
    if length != int(length) or length < 0:
        raise CannotEvaluate("cut() needs a whole number of characters")
    return _write_text(text)[: int(length)]


@_function(
    "short_id(id: string|number, length: number) -> string",
    "The id; one that is longer is its beginning, a hyphen and 16 hex digits of its SHA-256, so that two ids stay two.",
    (
        ("short_id('order-1001.2', `100`)", '"order-1001.2"'),
        ("short_id('a-long-order-number.2', `20`)", '"a-l-3774a2bb64d145b5"'),
        ("short_id('order', `16`)", "!short_id() needs a whole number of characters, 20 or more"),
    ),
)
def _short_id(id_: str | Number, length: Number) -> str:
    if length != int(length) or length < _SHORTEST_ID:
        raise CannotEvaluate(f"short_id() needs a whole number of characters, {_SHORTEST_ID} or more")
    text = _write_text(id_)
    if len(text) <= length:
        return text
    told = f"-{hashlib.sha256(_encode(text)).hexdigest()[:16]}"
    return f"{text[: int(length) - len(told)]}{told}"


@_function(
    "query(values: object) -> string",
    "An address's query, percent-encoded; nulls are left out, a list repeats its name.",
    (
        ("query({id: 'a b', test: `null`, n: `5`})", '"id=a%20b&n=5"'),
        ("query({tag: ['x', 'y&z']})", '"tag=x&tag=y%26z"'),
        ("query({a: {b: 'c'}})", "!query() takes texts, numbers and lists of them, got an object"),
    ),
)
def _query(values: dict[str, Json]) -> str:
    pairs = [
        (name, _write_text(each))
        for name, value in values.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]
    try:
        return bound_text(urlencode(pairs, quote_via=quote))
    except UnicodeEncodeError:
        raise CannotEvaluate("the text holds half a character") from None


@_function(
    "percent_encode(text: string|number) -> string",
    "The text as one part of an address, percent-encoded.",
    (("percent_encode('a/b c')", '"a%2Fb%20c"'), ("percent_encode(`5`)", '"5"')),
)
def _percent_encode(text: str | Number) -> str:
    return bound_text(quote(_encode(_write_text(text)), safe=""))


@_function(
    "json(value: any) -> string",
    "The value as JSON text.",
    (("json({a: [`1.50`, 'x']})", '"{\\"a\\":[1.50,\\"x\\"]}"'), ("json('a')", '"\\"a\\""')),
)
def _json(value: Json) -> str:
    try:
        return bound_text(json_text.write_json(value).decode())
    except ValueError:
        raise CannotEvaluate("the value cannot be written as JSON") from None


@_function(
    "unique(list: array) -> array",
    "The list's values without doubles, each where it stands first.",
    (("unique(['a', 'b', 'a'])", '["a", "b"]'), ("unique(`[1, 1.0, 2]`)", "[1, 2]")),
)
def _unique(values: list[Json]) -> list[Json]:
    found: dict[object, Json] = {}
    for value in values:
        key: object = value if value.__class__ in NUMBERS else json_text.write_escaped_json(value)
        found.setdefault(key, value)
    return list(found.values())


@_function(
    "index(path: string) -> number|null",
    "The first index in a path, as error messages of platforms hold it; null where there is none.",
    (("index('events[3].currency')", "3"), ("index('destinations')", "null")),
)
def _index(path: str) -> int | None:
    found = _INDEX.search(path)
    return int(found[1]) if found else None


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CannotEvaluate("the text holds half a character") from None


def _write_text(value: Json) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return format(bound_digits(Decimal(str(value))), "f")
    raise CannotEvaluate(f"query() takes texts, numbers and lists of them, got {type_name(value)}")


DESTINATION_FUNCTIONS = FUNCTIONS | FOR_DESTINATIONS
"""Every function of a destination file by name."""
