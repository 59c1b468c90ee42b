"""Exact arithmetic on amounts: whole numbers and decimals, no binary fractions, at most 400 digits.

The exponents of currencies come from the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache

from bridge.mapping.expressions.runtime import CannotEvaluate, bound_digits, type_name

Number = int | Decimal

_EXACT = Context(prec=1_700, Emax=2_000, Emin=-2_000, traps=[Inexact, InvalidOperation, Overflow])
_ROUNDED = Context(prec=28)
_is_decimal = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch
_LONGEST = 400
_LONG = Context(prec=1_700, Emax=2_000, Emin=-2_000, traps=[InvalidOperation, Overflow])
_MILLIONTH = Decimal("0.000001")
"""To which quotients are rounded: no currency has more decimals."""


@dataclass(frozen=True, slots=True)
class MinorUnits:
    """How many decimals a provider's whole-number amounts have, by lower-case currency; `default` for all others.

    In a mapping: `minor_units: {default: 2, exponents: {0: [jpy, krw], 3: [kwd]}}`. Without `default` an amount in a
    currency that the table does not name cannot be evaluated.
    """

    exponents: Mapping[str, int]
    default: int | None = None


def parse_decimal(value: str | Number) -> Number:
    """The number that a text holds, digit for digit; a number as it is."""
    return _parse_text(value) if isinstance(value, str) else value


@lru_cache(maxsize=1_000)
def _parse_text(text: str) -> Decimal:
    """The same for a text. The last thousand are remembered: a shop's orders hold the same few prices over and over."""
    if len(text) > _LONGEST or _is_decimal(text) is None:
        raise CannotEvaluate("the text is no number like 19.90")
    return Decimal(text)


def parse_json_number(text: str) -> Number:
    """A JSON number's text as a number. Raises CannotEvaluate if it is out of bounds."""
    if len(text) > _LONGEST:
        raise CannotEvaluate("holds a number of over 400 digits")
    try:
        return int(text)
    except ValueError:
        return bound_digits(Decimal(text))


def add_numbers(one: str | Number, other: str | Number) -> Number:
    """The sum."""
    left, right = parse_decimal(one), parse_decimal(other)
    if isinstance(left, int) and isinstance(right, int):
        return bound_digits(left + right)
    return bound_digits(_EXACT.add(left, right))


def subtract_numbers(one: str | Number, other: str | Number) -> Number:
    """The difference."""
    return add_numbers(one, negate_number(other))


def multiply_numbers(one: str | Number, other: str | Number) -> Number:
    """The product."""
    left, right = parse_decimal(one), parse_decimal(other)
    if isinstance(left, int) and isinstance(right, int):
        return bound_digits(left * right)
    return bound_digits(_EXACT.multiply(left, right))


def negate_number(value: str | Number) -> Number:
    """The number with the other sign; zero stays zero without one."""
    number = parse_decimal(value)
    if not number:
        return number
    return number.copy_negate() if isinstance(number, Decimal) else -number


def total_numbers(values: Iterable[str | Number]) -> Number:
    """The sum of all."""
    result: Number = 0
    for value in values:
        if value.__class__ not in (str, int, Decimal):
            raise CannotEvaluate(f"adds numbers or texts that hold one, got {type_name(value)}", kind="invalid-type")
        result = add_numbers(result, value)
    return result


def divide_numbers(number: Number, count: int) -> Number:
    """`number` divided by `count`, to 28 digits; a whole number where it comes out whole."""
    result = _ROUNDED.divide(Decimal(number), Decimal(count))
    return int(result) if result == result.to_integral_value() else bound_digits(result)


def divide_rounded(one: str | Number, other: str | Number) -> Number:
    """The quotient, rounded half to even to 6 decimals where it has more."""
    divisor = parse_decimal(other)
    if not divisor:
        raise CannotEvaluate("divides by zero")
    quotient = _LONG.divide(Decimal(parse_decimal(one)), Decimal(divisor))
    rounded = quotient.quantize(_MILLIONTH, context=_LONG)
    return bound_digits(quotient if quotient == rounded else rounded)


def from_minor(amount: str | Number, currency: str, units: MinorUnits) -> Number:
    """An amount in a currency's smallest unit as an amount of the currency, by the provider's own table."""
    exponent = units.exponents.get(currency.lower(), units.default)
    if exponent is None:
        raise CannotEvaluate("`minor_units` names no decimals for this currency and no `default`")
    number = parse_decimal(amount)
    if exponent == 0:
        return number
    return bound_digits(_EXACT.scaleb(Decimal(number), -exponent))


def to_minor(amount: str | Number, decimals: int) -> int:
    """An amount of a currency with so many decimals in its smallest unit, rounded half to even."""
    number = Decimal(bound_digits(parse_decimal(amount)))
    return int(_LONG.scaleb(number, decimals).to_integral_value(ROUND_HALF_EVEN, _LONG))
