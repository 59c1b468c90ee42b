"""Which values of a payload are personal: by a value's key, by the keys around it, and by its looks.

`example add` replaces them, and the console masks them. It errs towards too many: a value that is replaced in an
example costs nothing, and one that is masked can be asked for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from bridge.core.json_text import Json


class PersonalKind(StrEnum):
    """What a personal value is."""

    EMAIL = "e-mail addresses"
    PHONE = "phone numbers"
    NAME = "names"
    ADDRESS = "parts of addresses"
    SPOT = "coordinates"
    IP = "IP addresses"
    AGENT = "user agents"
    SECRET = "tokens and secrets"  # noqa: S105  what a line of the report calls them
    PERSON = "ids of persons"
    VISIT = "ids of visits and clicks"
    PAPER = "numbers of cards, accounts and papers"
    BIRTH = "days of birth"
    WORDS = "free texts"


EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
LONGEST_KEPT = 64
"""The longest key for which is kept what it says: that of a field, and no text that somebody sent as a key."""
NAMED_BY = ("name", "key")
"""The keys by which an element of a list says what its `value` is."""

_PHONE = re.compile(r"\+[0-9][0-9 ().-]{6,22}")
_AGENT = re.compile(r"(Mozilla|Opera|Dalvik|okhttp|curl)/")
_SECRET = re.compile(r"eyJ[\w-]+\.[\w-]+\.|(sk|rk|pk|whsec|shpat|shpss|xox[a-z])_|Bearer |Basic ")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d")

_KEYS: tuple[tuple[PersonalKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (PersonalKind.EMAIL, r"e_?mail(_address)?|mail|.*_e?mail"),
        (PersonalKind.PHONE, r"(.*_)?(phone|mobile|msisdn|telephone|tel|fax|whats_?app)(_number|_no)?"),
        (PersonalKind.AGENT, r"(.*_)?(user_?agent|ua|browser)"),
        (PersonalKind.IP, r"(.*_)?ip(_address|_v[46])?"),
        (
            PersonalKind.NAME,
            (
                r"(.*_)?((first|last|middle|full|given|family|sur|maiden|nick|display|user|account_?holder|card_?holder|"
                r"customer|buyer|payer|recipient|contact|shipping|billing)_?name|forename|surname|firstname|lastname|"
                r"patronymic|cardholder|attention)"
            ),
        ),
        (
            PersonalKind.ADDRESS,
            (
                r"(.*_)?(address_?(line)?_?[1-4]?|line_?[1-4]|street(_?(address|name|number|[12]))?|house_?number|"
                r"city|town|locality|zip(_?code)?|post(al)?_?code|company|admin_area_2|district|suburb)"
            ),
        ),
        (PersonalKind.SPOT, r"(.*_)?(latitude|longitude|lat|lng|lon)"),
        (
            PersonalKind.SECRET,
            (
                r"(.*_)?(token|secret|password|passwd|api_?key|access_?key|private_?key|authorization|signature|hmac|"
                r"cookie|otp|csrf|client_secret|credential|jwt)"
            ),
        ),
        (
            PersonalKind.PERSON,
            (
                r"(.*_)?(customer|user|buyer|payer|person|subscriber|member|contact|client|profile|patient|guest)"
                r"_?(uu|gu)?id|client_reference_id|customer_?(number|no|key)|customer|login|handle|screen_name"
            ),
        ),
        (
            PersonalKind.VISIT,
            (
                r"_?(gclid|gbraid|wbraid|dclid|fbclid|fbc|fbp|msclkid|ttclid|ttp|twclid|li_fat_id|ga_client_id|_?ga|gcl_au|"
                r"epik|sclid|scid|irclickid|click_?id|yclid|(.*_)?session(_id|_hash)?|visitor(_id)?|device_id|idfa|gaid|"
                r"(.*_)?fingerprint|anonymous_id|distinct_id|client_id)"
            ),
        ),
        (
            PersonalKind.PAPER,
            (
                r"(.*_)?(last_?4|last_four|iban|bic|swift|ssn|tax_?id|vat_?(id|number)|account_number|routing_number|"
                r"card_number|pan|passport(_number)?|national_id|fiscal_code|cpf|cnpj|license_number)"
            ),
        ),
        (PersonalKind.BIRTH, r"(.*_)?(birth_?(day|date)|date_of_birth|dob|born(_on)?)"),
        (
            PersonalKind.WORDS,
            r"(.*_)?(note|notes|message|comment|comments|remarks|instructions|gift_message|memo|feedback|biography|bio)",
        ),
    )
)
_PERSONS = re.compile(
    r"(.*_)?(customer|user|buyer|payer|person|subscriber|member|contact|client|recipient|shipping|billing|shipper|"
    r"cardholder|owner|guest|patient|(shipping|billing|default)?_?address(es)?|(customer|billing|shipping|payer)_"
    r"(details|info|information)|sender|receiver|beneficiary|account_holder)s?"
)
_IDENTIFIED = re.compile(
    r"(.*_)?(customer|user|buyer|payer|person|subscriber|member|contact|guest|recipient|patient)s?"
)
_ABOUT_A_PERSON = ("email", "first_name", "last_name", "phone")
_FIXED = re.compile(
    r"(.*_)?(currency(_code)?|status|type|topic|event|event_type|kind|state|object|country(_code)?|mode|amount|total|"
    r"price|value|quantity|created(_at)?|updated(_at)?|order_id|province(_code)?|locale|language|source(_name)?)"
)


def kind_of(
    path: tuple[str, ...], value: str | int | Decimal, around: Mapping[str, Json], *, opaque: bool = False
) -> PersonalKind | None:
    """What a value is about a person, or None. `around` is the object it is in, `opaque` that of an address."""
    if not path:
        return None
    key = _to_snake_case(path[-1])
    looks = _kind_by_looks(value) if isinstance(value, str) else None
    if looks is not None:
        return looks
    named = _kind_named(key) if len(key) <= LONGEST_KEPT else _kind_named.__wrapped__(key)
    if named is not None:
        return named if _fits_kind(named, value) else None
    if opaque and key in {"key", "sig", "s", "auth", "code", "hash"}:
        return PersonalKind.SECRET
    return _of_a_person(path, key, value, around)


@lru_cache(maxsize=512)
def _kind_named(key: str) -> PersonalKind | None:
    """What a key says of its value. The elements of a list have the same keys, as have the webhooks of a provider."""
    return next((kind for kind, pattern in _KEYS if pattern.fullmatch(key)), None)


def is_impersonal(path: tuple[str, ...]) -> bool:
    """Whether a key says what a value must not be taken for a person's, whatever else it equals."""
    return bool(path) and _FIXED.fullmatch(_to_snake_case(path[-1])) is not None


def regions_in(document: Json | Mapping[str, str]) -> tuple[str, ...]:
    """The countries that a document names, by their two letters."""
    found: list[str] = []
    if isinstance(document, Mapping):
        for key, value in document.items():
            if "country" in _to_snake_case(key) and isinstance(value, str) and _COUNTRY.fullmatch(value):
                found.append(value.upper())
            found.extend(regions_in(value))
    elif isinstance(document, list):
        found.extend(region for item in document for region in regions_in(item))
    return tuple(dict.fromkeys(found))


def _to_snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").replace(" ", "_").lower()


def _kind_by_looks(text: str) -> PersonalKind | None:
    """What a text is by its looks alone."""
    if EMAIL.fullmatch(text.strip()):
        return PersonalKind.EMAIL
    if _PHONE.fullmatch(text):
        return PersonalKind.PHONE
    if _AGENT.match(text):
        return PersonalKind.AGENT
    if _SECRET.match(text):
        return PersonalKind.SECRET
    return PersonalKind.IP if _is_ip(text) else None


def _is_ip(text: str) -> bool:
    if "." not in text and ":" not in text:  # most texts, for which the exception would be made in vain
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _fits_kind(kind: PersonalKind, value: str | int | Decimal) -> bool:
    """Whether a value can be what its key says."""
    match kind:
        case PersonalKind.EMAIL | PersonalKind.IP:  # it does not look like one
            return False
        case PersonalKind.AGENT | PersonalKind.NAME | PersonalKind.WORDS:
            return isinstance(value, str)
        case PersonalKind.PHONE:
            return sum(each.isdigit() for each in str(value)) >= 5  # noqa: PLR2004  fewer are an extension
        case PersonalKind.SECRET | PersonalKind.VISIT | PersonalKind.PERSON:
            return len(str(value)) > 1 and not (isinstance(value, str) and value.startswith(("http://", "https://")))
        case _:
            return True


def _of_a_person(
    path: tuple[str, ...], key: str, value: str | int | Decimal, around: Mapping[str, Json]
) -> PersonalKind | None:
    """A bare `name` or `id` is a person's where the object around it is about one."""
    if key not in {"name", "id", "uuid", "title"} or isinstance(value, Decimal):
        return None
    holder = _to_snake_case(path[-2]) if len(path) > 1 else ""
    about = bool(_PERSONS.fullmatch(holder)) or (key == "name" and any(each in around for each in _ABOUT_A_PERSON))
    if key == "name" and isinstance(value, str) and about and not any(char.isdigit() for char in value):
        return PersonalKind.NAME
    return PersonalKind.PERSON if key in {"id", "uuid"} and _IDENTIFIED.fullmatch(holder) else None
