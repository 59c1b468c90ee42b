"""Phone numbers in E.164. The `phonenumbers` package knows which numbers are valid; it is loaded when first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_LONGEST = 250


@lru_cache(maxsize=1_000)
def format_e164(phone: str, country: str | None) -> str | None:
    """The number as `+` and digits, or None for what is no valid number.

    `country` is ISO 3166-1 alpha-2 in any case. Without it only a number that begins with `+` is read: a bare one
    could be anybody's. The last thousand answers are remembered: one takes as long as all else that a mapping does, and
    the webhooks of one order ask the same again and again.
    """
    import phonenumbers  # noqa: PLC0415  takes a third of a second, and most runs need no phone

    number = _parse_number(phone, country)
    if number is None or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=1_000)
def format_possible_e164(phone: str, country: str | None) -> str | None:
    """The same for a number that is possible: one with a right length for its country.

    The package's table of ranges in use is always a little old, and a platform has the number all the same. Left out is
    a number whose E.164 form would itself be read as another number.
    """
    import phonenumbers  # noqa: PLC0415  as above

    number = _parse_number(phone, country)
    if (
        number is None
        or phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        return None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    again = _parse_number(text, None)
    same = again is not None and phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == text
    return text if same else None


def invent_number(phone: str, regions: Sequence[str], nonce: Random) -> str | None:
    """Another number of the same country and kind, written the same way where it has as many digits.

    None for what is no valid number, neither by itself nor in any of the `regions`.
    """
    import phonenumbers  # noqa: PLC0415  as above

    for region in (None, *regions):
        found = format_e164(phone, region)
        if found is None:
            continue
        number = phonenumbers.parse(found, None)
        home = phonenumbers.region_code_for_number(number) or ""
        model = phonenumbers.example_number_for_type(home, phonenumbers.number_type(number))
        model = model or phonenumbers.example_number(home)
        if model is None:
            continue
        return _format_like(
            phone, _vary_digits(phonenumbers.format_number(model, phonenumbers.PhoneNumberFormat.E164), nonce)
        )
    return None


def _parse_number(phone: str, country: str | None) -> PhoneNumber | None:
    """What the package reads in a text; None without `+` where the country is not known."""
    import phonenumbers  # noqa: PLC0415  as above

    region = country.strip().upper() if country else None
    if len(phone) > _LONGEST or (region is None and not phone.lstrip().startswith(("+", "\uff0b"))):
        return None
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        region = None
    try:
        return phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None


def _vary_digits(number: str, nonce: Random) -> str:
    """The number with other last digits, still valid."""
    for _ in range(50):
        made = f"{number[:-3]}{nonce.randrange(1000):03}"
        if format_e164(made, None) is not None:
            return made
    return number


def _format_like(phone: str, number: str) -> str:
    """An E.164 number, written as `phone` is where it has as many digits that way."""
    import phonenumbers  # noqa: PLC0415  as above

    places = sum(each.isdigit() for each in phone)
    parsed = phonenumbers.parse(number, None)
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    bare = "".join(each for each in national if each.isdigit())
    whole = number.removeprefix("+")
    forms = (whole,) if phone.lstrip().startswith("+") else (bare, phonenumbers.national_significant_number(parsed))
    digits = next((form for form in forms if len(form) == places), None)
    if digits is None:
        return number if phone.lstrip().startswith("+") else bare
    left = iter(digits)
    return "".join(next(left) if each.isdigit() else each for each in phone)
