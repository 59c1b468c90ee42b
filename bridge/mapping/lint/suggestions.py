"""Names that people write for the contract's fields, and the nearest known one for a name that is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bridge.contract import FIELDS, SCHEMA
from bridge.core.suggestions import nearest_word

Path = tuple[str, ...]

SECTIONS = ("properties", "user_data", "context")
ITEM = ("sku", "name", "price", "quantity", "brand", "category")
EVENT_TYPES: tuple[str, ...] = (*SCHEMA["properties"]["event_type"]["examples"], "subscription_cancelling")
"""The event types that the contract names, and one that is near another of them; others are allowed."""

_NEAR = 0.75
_ALSO: Mapping[str, str] = {
    "address_ip": "ip", "amount": "value", "client_ip": "ip", "country_code": "country", "customer_id": "user_id",
    "e_mail": "email", "event": "event_type", "event_name": "event_type", "event_time": "timestamp",
    "family_name": "last_name", "fname": "first_name", "forename": "first_name", "given_name": "first_name",
    "ip_address": "ip", "landing_page": "page_url", "lname": "last_name", "mail": "email", "mobile": "phone",
    "occurred_at": "timestamp", "order": "order_id", "phone_number": "phone", "post_code": "postal_code",
    "postal": "postal_code", "postcode": "postal_code", "province": "state", "qty": "quantity", "referer": "referrer",
    "region": "state", "revenue": "value", "surname": "last_name", "tel": "phone", "telephone": "phone",
    "time": "timestamp", "total": "value", "total_price": "value", "town": "city", "transaction_id": "order_id",
    "type": "event_type", "ua": "user_agent", "url": "page_url", "useragent": "user_agent", "zip": "postal_code",
    "zip_code": "postal_code", "zipcode": "postal_code",
}  # fmt: skip
_PERSONAL = frozenset({
    "address", "address1", "address_line1", "billing_address", "birth_date", "birthday", "browser_ip", "client_ip",
    "customer_email", "customer_name", "customer_phone", "date_of_birth", "e_mail", "email", "first_name",
    "full_name", "ip", "ip_address", "last_name", "mail", "mobile", "phone", "phone_number", "postal_code",
    "shipping_address", "street", "surname", "tel", "telephone", "user_agent", "zip", "zip_code",
})  # fmt: skip


def to_snake_case(name: str) -> str:
    """A name as the contract spells names: `postalCode` and `Postal-Code` are `postal_code`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` probably represents."""
    names = list(known)
    plain = to_snake_case(name)
    for also in (plain, _ALSO.get(plain)):
        if also in names:
            return also
    return nearest_word(plain, names, cutoff=_NEAR)


def names_below(section: Path) -> list[str]:
    """The names that the contract knows directly below a path."""
    return [path[-1] for path in FIELDS if path[:-1] == section]


def path_elsewhere(name: str, section: Path) -> Path | None:
    """The known path that has this name in another section."""
    plain = to_snake_case(name)
    names = {plain, _ALSO.get(plain, plain)}
    found = (path for path in FIELDS if path[-1] in names and path[:-1] != section)
    return next(found, None)


def is_personal(name: str) -> bool:
    """Whether a field of this name is about a person."""
    return to_snake_case(name) in _PERSONAL


def format_path(path: Path) -> str:
    """A path as people write it."""
    return ".".join(path)
