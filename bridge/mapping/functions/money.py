"""Exact arithmetic on amounts: whole numbers and decimals, no binary fractions, and no more digits than 400.

Not concerned with currencies' names: the table of exponents comes from the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache

from bridge.mapping.expressions.runtime import Unworkable, digits, spoken

Number = int | Decimal

_EXACT = Context(prec=1_700, Emax=2_000, Emin=-2_000, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDED = Context(prec=28)
_is_decimal = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class MinorUnits:
    """How many decimals a provider's whole-number amounts have, by lower-case currency; `default` for all others.

    In a mapping: `minor_units: {default: 2, exponents: {0: [jpy, krw], 3: [kwd]}}`. Without `default` an amount in a
    currency that the table does not name cannot be worked out.
    """

    exponents: Mapping[str, int]
    default: int | None = None


def decimal(value: str | Number) -> Number:
    """The number that a text holds, digit for digit; a number as it is."""
    return _decimal(value) if isinstance(value, str) else value


@lru_cache(maxsize=1_000)
def _decimal(text: str) -> Decimal:
    """The same for a text. The last thousand are remembered: a shop's orders hold the same few prices over and over."""
    if len(text) > _LONGEST or _is_decimal(text) is None:
        raise Unworkable("the text is no number like 19.90")
    return Decimal(text)


def read(text: str) -> Number:
    """A JSON number's text as a number. Raises Unworkable where it is out of bounds."""
    if len(text) > _LONGEST:
        raise Unworkable("holds a number of over 400 digits")
    try:
        return int(text)
    except ValueError:
        return digits(Decimal(text))


def add(one: str | Number, other: str | Number) -> Number:
    """The sum."""
    left, right = decimal(one), decimal(other)
    if isinstance(left, int) and isinstance(right, int):
        return digits(left + right)
    return digits(_EXACT.add(left, right))


def subtract(one: str | Number, other: str | Number) -> Number:
    """The difference."""
    return add(one, negate(other))


def multiply(one: str | Number, other: str | Number) -> Number:
    """The product."""
    left, right = decimal(one), decimal(other)
    if isinstance(left, int) and isinstance(right, int):
        return digits(left * right)
    return digits(_EXACT.multiply(left, right))


def negate(value: str | Number) -> Number:
    """The number with the other sign; zero stays zero without one."""
    number = decimal(value)
    if not number:
        return number
    return number.copy_negate() if isinstance(number, Decimal) else -number


def total(values: Iterable[str | Number]) -> Number:
    """The sum of all."""
    result: Number = 0
    for value in values:
        if value.__class__ not in (str, int, Decimal):
            raise Unworkable(f"adds numbers or texts that hold one, got {spoken(value)}", kind="invalid-type")
        result = add(result, value)
    return result


def quotient(number: Number, count: int) -> Number:
    """`number` divided by `count`, to 28 digits; a whole number where it comes out whole."""
    result = _ROUNDED.divide(Decimal(number), Decimal(count))
    return int(result) if result == result.to_integral_value() else digits(result)


def from_minor(amount: str | Number, currency: str, units: MinorUnits) -> Number:
    """An amount in a currency's smallest unit as an amount of the currency, by the provider's own table."""
    exponent = units.exponents.get(currency.lower(), units.default)
    if exponent is None:
        raise Unworkable("`minor_units` names no decimals for this currency and no `default`")
    number = decimal(amount)
    if exponent == 0:
        return number
    return digits(_EXACT.scaleb(Decimal(number), -exponent))
