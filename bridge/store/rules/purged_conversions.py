"""What stays known of a conversion when its event is purged, or when its webhook is: its order, nothing of a person."""

from __future__ import annotations

from bridge.core import json_text
from bridge.core.json_text import Json


def purged_text(event_type: str, order_id: str | None, value: str | None, currency: str | None) -> bytes:
    """The text of a purged event, as later events of its conversion may read it."""
    amount: Json = None if value is None else json_text.parse_json(value)
    properties = {"order_id": order_id, "value": amount, "currency": currency}
    kept = {name: each for name, each in properties.items() if each is not None}
    return json_text.write_json({"event_type": event_type, "properties": kept})


def lends_without_person(lends: bytes) -> bytes:
    """What a conversion lends, without what is of a person: what a later event needs is its order."""
    properties = json_text.parse_json(lends).get("properties") or {}
    kept = {name: properties[name] for name in ("order_id", "value", "currency") if name in properties}
    return json_text.write_json({"properties": kept})
