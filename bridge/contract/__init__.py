"""The track contract: what an event is. One validator for `/v1/track` and for mappings.

A document becomes an event that is normalised, named and written as the JSON that is sent; or all of its problems are
raised. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import structs

from bridge.contract.event_ids import derived_id, new_id, other_ids
from bridge.contract.fast_validator import fits_schema
from bridge.contract.json_safety import has_zero, is_plain, is_safe_json, is_shallow
from bridge.contract.nulls import without_nulls
from bridge.contract.schema import FIELDS, SCHEMA, TEXT_FIELDS
from bridge.contract.validate import find_problems
from bridge.core import dedupe_keys, json_text
from bridge.core.errors import NotAnEvent
from bridge.core.instants import format_instant, parse_instant
from bridge.core.json_text import Json
from bridge.core.model import Event, EventProblem

__all__ = [
    "BATCH_EVENTS",
    "CONVERSIONS",
    "FIELDS",
    "LARGEST",
    "REQUEST_BYTES",
    "SCHEMA",
    "TEXT_FIELDS",
    "derived_id",
    "find_problems",
    "is_plain",
    "new_id",
    "other_ids",
    "rename_event",
    "validate_event",
]

CONVERSIONS = frozenset({"purchase", "lead", "signup", "subscription"})
"""The event types that their `order_id` names: the same one again is a duplicate."""

BATCH_EVENTS = 100
"""Events one batch request may hold."""

REQUEST_BYTES = 1024 * 1024
"""Bytes one request may have."""

LARGEST = 3 * 512 * 1024
"""Bytes an event's JSON may have. Over HTTP a request is smaller, but writing a number again may lengthen it."""

_CALLER = "key:"
"""How the origins of API keys begin."""
_HASH_LENGTH = 64
_HASHED = re.compile(r"[0-9a-fA-F]{64}")


def validate_event(  # noqa: PLR0913  what names and dates an event, all by keyword
    raw: Json,
    *,
    origin: str,
    scope: str,
    received_at: datetime,
    default_id: str,
    dedupe: Sequence[str] = (),
    mapping: str = "",
    rank: int = 0,
    notes: Sequence[str] = (),
    plain: bool = False,
    mapped: bool = False,
) -> Event:
    """The event in `raw`, normalised; `raw` itself is not changed.

    `origin` is `key:<name>` or `source:<name>`, `scope` the ledger's; a caller's event_id is unique within it.
    `default_id` names an event that has no `event_id`, `received_at` dates one that has no `timestamp`; both are then
    part of what is sent. `dedupe` names the conversion beside the order id; `mapping` and `rank` are kept with it. Two
    spare `raw` closer looks: `plain` says that its text `is_plain`, `mapped` that a mapping built it, without nulls and
    with finite numbers only. Raises NotAnEvent with every problem; messages hold values only for `key:` origins, whose
    caller sent them.
    """
    if not fits_schema(raw):
        raise NotAnEvent(_find_problems(raw, origin))
    document = _normalise_document(raw, nulls=not (plain or mapped))
    document.setdefault("event_id", default_id)
    if "timestamp" not in document:
        document["timestamp"] = format_instant(received_at)
    properties = document.get("properties", {})
    test = document.get("test", False)
    keys = _dedupe_keys(document["event_type"], dedupe, scope=scope, test=test)
    return Event(
        id=document["event_id"],
        origin=origin,
        event_type=document["event_type"],
        test=test,
        text=_write_event(document, raw, origin, plain=plain, mapped=mapped),
        occurred_at=parse_instant(document["timestamp"]) or received_at,
        conversion_keys=_with_order_key(
            keys, document["event_type"], properties.get("order_id"), scope=scope, test=test
        ),
        order_id=properties.get("order_id"),
        value=_canonical_number(properties["value"]) if "value" in properties else None,
        currency=properties.get("currency"),
        notes=tuple(notes),
        hashed=_hashed_fields(document.get("user_data", {})),
        id_scope=dedupe_keys.scope_name(scope) if origin.startswith(_CALLER) else "",
        dedupes=len(keys),
        mapping=mapping,
        rank=rank,
        scope=scope,
    )


def rename_event(one: Event, event_id: str) -> Event:
    """The same event under another id, in what is sent, too."""
    return structs.replace(
        one, id=event_id, text=json_text.write_json(json_text.parse_json(one.text) | {"event_id": event_id})
    )


def _find_problems(raw: Json, origin: str) -> tuple[EventProblem, ...]:
    return find_problems(raw, values=origin.startswith(_CALLER))


def _normalise_document(raw: dict[str, Json], *, nulls: bool) -> dict[str, Json]:
    """A copy without nulls, the session id at the top, the currency in upper case, consent as true and false."""
    document: dict[str, Json] = without_nulls(raw) if nulls else raw.copy()
    properties = document.get("properties", {})
    if "currency" in properties and not properties["currency"].isupper():
        document["properties"] = properties | {"currency": properties["currency"].upper()}
    if "consent" in document:
        document["consent"] = {name: _read_consent(said) for name, said in document["consent"].items()}
    if "session_id" in document.get("context", {}):
        document.setdefault("session_id", document["context"]["session_id"])
    return document


def _read_consent(said: str | bool) -> bool:  # noqa: FBT001  what is read
    """A word of consent, which the schema lets pass, as true or false."""
    return said.lower() == "granted" if isinstance(said, str) else said


def _write_event(document: Json, raw: Json, origin: str, *, plain: bool, mapped: bool) -> bytes:
    """The JSON that is sent. Raises NotAnEvent for what JSON cannot hold, or not every parser can read."""
    try:
        text = json_text.write_json(document)
    except ValueError as error:
        raise NotAnEvent(_find_problems(raw, origin) or (EventProblem((), f"the event {error}"),)) from None
    sound = plain or (not has_zero(text) if mapped else is_plain(text))
    if not (sound and is_shallow(text)) and not is_safe_json(document):
        raise NotAnEvent(_find_problems(raw, origin))
    if len(text) > LARGEST:
        raise NotAnEvent((EventProblem((), f"the event has {len(text)} bytes of JSON; at most {LARGEST} can be sent"),))
    return text


def _dedupe_keys(event_type: str, names: Sequence[str], *, scope: str, test: bool) -> tuple[bytes, ...]:
    """The ledger keys of what a mapping calls the conversion."""
    keys = [dedupe_keys.conversion_key(scope, event_type, name, test=test) for name in names if name]
    return tuple(keys) if len(keys) <= 1 else tuple(dict.fromkeys(keys))


def _with_order_key(
    keys: tuple[bytes, ...], event_type: str, order_id: str | None, *, scope: str, test: bool
) -> tuple[bytes, ...]:
    """The keys and the order id's. A blank order id names no order: it would join all that have none."""
    if event_type not in CONVERSIONS or not order_id or not order_id.strip():
        return keys
    key = dedupe_keys.conversion_key(scope, event_type, order_id, test=test)
    return keys if key in keys else (*keys, key)


def _canonical_number(value: float | Decimal) -> str:
    """A number written one way, so that `99.9` and `99.90` compare equal."""
    text = format(value if isinstance(value, Decimal) else Decimal(str(value)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _hashed_fields(person: Mapping[str, Json]) -> tuple[str, ...]:
    """The fields that arrived as SHA-256."""
    return tuple(
        [
            name
            for name, value in person.items()
            if isinstance(value, str) and len(value) == _HASH_LENGTH and _HASHED.fullmatch(value)
        ]
    )
