"""The functions that the language adds to JMESPath's own: amounts, texts, times, names, lists.

Each returns null for a null argument unless its signature says `?`. To add one, declare it here with its signature, one
line of help and examples; the tests run the examples and the reference prints all of it. Longer implementations are in
`money`, `timestamps`, `url` and `phone`. What only destination files have, such as `hashed`, is in `for_destinations`.
"""

from __future__ import annotations

import hashlib

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.expressions.runtime import MOST_TEXT, CannotEvaluate, bound_text, is_true
from bridge.mapping.functions import money, timestamps
from bridge.mapping.functions import phone as phones
from bridge.mapping.functions import url as urls
from bridge.mapping.functions.jmespath_builtins import STANDARD
from bridge.mapping.functions.money import MinorUnits, Number
from bridge.mapping.functions.registry import FunctionRegistry

OURS = FunctionRegistry()
_function = OURS.register

# ------------------------------------------------------------------------------------------------------ amounts


_function(
    "decimal(value: string|number) -> number",
    "A text like `19.90` as a number, digit for digit; a number as it is.",
    (("decimal('19.90')", "19.90"), ("decimal(`5`)", "5"), ("decimal('1,50')", "!the text is no number like 19.90")),
)(money.parse_decimal)


@_function(
    "from_minor(amount: string|number, currency: string) -> number",
    "An amount in a currency's smallest unit as an amount of the currency, by the mapping's `minor_units` table.",
    (
        ("from_minor(`1999`, 'usd')", "19.99"),
        ("from_minor(`1999`, 'JPY')", "1999"),
        ("from_minor(`5`, `null`)", "null"),
    ),
)
def _from_minor(amount: str | Number, currency: str, units: MinorUnits) -> Number:
    return money.from_minor(amount, currency, units)


@_function(
    "negate(value: string|number) -> number",
    "The number with the other sign.",
    (("negate(`19.90`)", "-19.90"), ("negate('-5')", "5")),
)
def _negate(value: str | Number) -> Number:
    return money.negate_number(value)


@_function(
    "add(one: string|number, other: string|number) -> number",
    "The sum, exact.",
    (("add('0.10', `0.20`)", "0.30"), ("add(`1`, `null`)", "null")),
)
def _add(one: str | Number, other: str | Number) -> Number:
    return money.add_numbers(one, other)


@_function(
    "subtract(one: string|number, other: string|number) -> number",
    "The first less the second, exact.",
    (("subtract('20.00', '0.10')", "19.90"),),
)
def _subtract(one: str | Number, other: str | Number) -> Number:
    return money.subtract_numbers(one, other)


@_function(
    "multiply(one: string|number, other: string|number) -> number",
    "The product, exact.",
    (("multiply('19.90', `3`)", "59.70"),),
)
def _multiply(one: str | Number, other: str | Number) -> Number:
    return money.multiply_numbers(one, other)


@_function(
    "divide(one: string|number, other: string|number) -> number",
    "The first divided by the second, rounded half to even to 6 decimals where there are more.",
    (
        ("divide('10.00', `4`)", "2.50"),
        ("divide('10.00', `3`)", "3.333333"),
        ("divide('1', `0`)", "!divides by zero"),
    ),
)
def _divide(one: str | Number, other: str | Number) -> Number:
    return money.divide_rounded(one, other)


@_function(
    "total(values: array) -> number",
    "The exact sum of a list of numbers or of texts that hold one, nulls passed over; 0 for an empty list.",
    (("total(['19.90', '0.10'])", "20.00"), ("total(`[1, 0.5, null]`)", "1.5"), ("total(`[]`)", "0")),
)
def _total(values: list[Json]) -> Number:
    return money.total_numbers(value for value in values if value is not None)


# -------------------------------------------------------------------------------------------------------- texts


@_function("lower(text: string) -> string", "The text in lower case.", (("lower('USD')", '"usd"'),))
def _lower(text: str) -> str:
    return text.lower()


@_function("upper(text: string) -> string", "The text in upper case.", (("upper('usd')", '"USD"'),))
def _upper(text: str) -> str:
    return bound_text(text.upper())


@_function("trim(text: string) -> string", "The text without white space around it.", (("trim('  a b ')", '"a b"'),))
def _trim(text: str) -> str:
    return text.strip()


@_function(
    "split(text: string, separator: string) -> array",
    "The text's parts between separators.",
    (("split('vip, new', ', ')", '["vip", "new"]'), ("split('a', '')", "!split() needs a separator")),
)
def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise CannotEvaluate("split() needs a separator")
    return text.split(separator)


@_function(
    "replace(text: string, old: string, new: string) -> string",
    "The text with every `old` made `new`.",
    (("replace('gid://shopify/Order/5', 'gid://shopify/Order/', '')", '"5"'),),
)
def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise CannotEvaluate("replace() needs a text to replace")
    if len(text) + text.count(old) * len(new) > 2 * MOST_TEXT:
        raise CannotEvaluate("builds a text of over 1 MiB")
    return bound_text(text.replace(old, new))


@_function(
    "format(template: string, ...values: string|number|boolean) -> string",
    "The template with each `{}` replaced by the next value.",
    (
        ("format('order-{}', `5`)", '"order-5"'),
        ("format('{}/{}', 'a', 'b')", '"a/b"'),
        ("format('{}', `null`)", "null"),
    ),
)
def _format(template: str, *values: str | Number | bool) -> str:
    if template == "{}" and len(values) == 1:  # how a number is made text, several times for each item of an order
        return bound_text(_write_value(values[0]))
    text, *parts = template.split("{}")
    if len(parts) != len(values):
        raise CannotEvaluate(f"format() has {len(parts)} places `{{}}` for {len(values)} values")
    for value, part in zip(values, parts, strict=True):
        text += _write_value(value) + part
    return bound_text(text)


def _write_value(value: Json) -> str:
    if isinstance(value, str):
        return value
    return str(value) if value.__class__ is int else json_text.write_json(value).decode()


@_function(
    "parse_json(text: string) -> any",
    "What a JSON text holds.",
    (("parse_json('{\"a\": 1.50}')", '{"a": 1.50}'), ("parse_json('{')", "!the text is not JSON")),
)
def _parse_json(text: str) -> Json:
    try:
        return json_text.parse_json(text, strict=False)
    except ValueError:
        raise CannotEvaluate("the text is not JSON") from None


@_function(
    "sha256(text: string) -> string",
    "The SHA-256 of the text's UTF-8 bytes, in lower-case hex.",
    (("sha256('a')", '"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"'),),
)
def _sha256(text: str) -> str:
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        raise CannotEvaluate("the text holds half a character") from None


@_function(
    "first_name(full: string) -> string|null",
    "The first word of a full name.",
    (("first_name('Ada King Lovelace')", '"Ada"'), ("first_name(' ')", "null")),
)
def _first_name(full: str) -> str | None:
    return next(iter(full.split()), None)


@_function(
    "last_name(full: string) -> string|null",
    "What follows the first word of a full name; null where nothing does.",
    (("last_name('Ada King Lovelace')", '"King Lovelace"'), ("last_name('Ada')", "null")),
)
def _last_name(full: str) -> str | None:
    return " ".join(full.split()[1:]) or None


@_function(
    "e164(phone: string|number, country?: string) -> string|null",
    "A valid phone number as `+15551234567`; null for any other text. Without `+` it needs the country's two letters.",
    (
        ("e164('(201) 555-0123', 'US')", '"+12015550123"'),
        ("e164('+44 7400 123456', `null`)", '"+447400123456"'),
        ("e164('201 555 0123', `null`)", "null"),
    ),
)
def _e164(phone: str | Number, country: str | None) -> str | None:
    return phones.format_e164(phone if isinstance(phone, str) else str(phone), country)


@_function(
    "iso8601(instant: string|number) -> string",
    "Unix seconds or milliseconds, or an ISO 8601 text, as UTC; without an offset it is UTC already.",
    (
        ("iso8601(`1704067200`)", '"2024-01-01T00:00:00Z"'),
        ("iso8601(`1704067200500`)", '"2024-01-01T00:00:00.500Z"'),
        ("iso8601('2024-01-01T02:00:00+02:00')", '"2024-01-01T00:00:00Z"'),
        ("iso8601('soon')", "!the text is no ISO 8601 time"),
    ),
)
def _iso8601(instant: str | Number) -> str:
    return timestamps.format_iso8601(instant)


@_function(
    "unix_time(instant: string|number) -> number",
    "The same instants as whole seconds since 1970, for how far two are apart.",
    (
        ("unix_time('2024-01-01T02:00:00+02:00')", "1704067200"),
        ("subtract(unix_time('2024-01-02T00:00:00Z'), unix_time('2024-01-01T00:00:00Z'))", "86400"),
    ),
)
def _unix_time(instant: str | Number) -> int:
    return timestamps.unix_seconds(instant)


@_function(
    "parse_url(url: string) -> object|null",
    "An address in parts: `scheme`, `host`, `port`, `path`, `query` (the first of each name), `fragment`.",
    (
        ("parse_url('/shop?gclid=a%20b&x=1').query.gclid", '"a b"'),
        ("parse_url('https://example.com/a').host", '"example.com"'),
        ("parse_url('http://[').host", "null"),
    ),
)
def _parse_url(url: str) -> dict[str, Json] | None:
    return urls.parse_url(url)


# ----------------------------------------------------------------------------------------------- lists and tables


@_function(
    "pairs(list: array, name: string = 'name', value: string = 'value') -> object",
    "A list of `{name, value}` as one object; what has no name is passed over, and of doubles the first with a "
    "value wins.",
    (
        ("pairs([{name: 'a', value: 'x'}, {name: 'a', value: 'y'}])", '{"a": "x"}'),
        ("pairs([{key: 'a', text: 'x'}], 'key', 'text')", '{"a": "x"}'),
    ),
)
def _pairs(items: list[Json], name: str = "name", value: str = "value") -> dict[str, Json]:
    found: dict[str, Json] = {}
    for item in items:
        key = item.get(name) if isinstance(item, dict) else None
        if isinstance(key, str) and not is_true(found.get(key)):
            found[key] = item.get(value)
    return found


@_function(
    "choose(condition?: any, yes?: any, no?: any) -> any",
    "`yes` where the condition holds, else `no`; the other one is not worked out.",
    (("choose(`1` > `2`, 'a', 'b')", '"b"'), ("choose('x', 'a', decimal('y'))", '"a"')),
)
def _choose(condition: Json, yes: Json, no: Json) -> Json:
    return yes if is_true(condition) else no


@_function(
    "lookup(table: object, key: string|number) -> any",
    "What stands in the table under the key; null where nothing does.",
    (('lookup(`{"1": "gold"}`, `1`)', '"gold"'), ("lookup({a: 'x'}, 'b')", "null")),
)
def _lookup(table: dict[str, Json], key: str | Number) -> Json:
    return table.get(key if isinstance(key, str) else str(key))


FUNCTIONS = STANDARD | OURS
"""Every function of a mapping by name. Destination files know more: `for_destinations`."""
