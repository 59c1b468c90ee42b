"""Phone numbers in E.164. Which digits are a valid number is the `phonenumbers` package's knowledge, loaded late."""

from __future__ import annotations

_LONGEST = 250


def e164(phone: str, country: str | None) -> str | None:
    """The number as `+` and digits, or None for what is no valid number.

    `country` is ISO 3166-1 alpha-2 in any case. Without it only a number that begins with `+` is read: a bare one
    could be anybody's.
    """
    import phonenumbers  # noqa: PLC0415  takes a third of a second, and most runs need no phone

    region = country.strip().upper() if country else None
    if len(phone) > _LONGEST or (region is None and not phone.lstrip().startswith(("+", "\uff0b"))):
        return None
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        region = None
    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
