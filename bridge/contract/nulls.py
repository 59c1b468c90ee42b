"""A document without its nulls, at every level that the contract knows: `null` and a missing field mean the same."""

from __future__ import annotations

from bridge.core.json_text import Json

_PARTS = ("properties", "user_data", "context", "consent")


def without_nulls(raw: Json) -> Json:
    """A copy without null fields in the event, its parts and its items; anything that is no object as it is.

    A part or an item that held none is not copied.
    """
    if not isinstance(raw, dict):
        return raw
    document = {name: value for name, value in raw.items() if value is not None}
    for part in _PARTS:
        if part in document:
            document[part] = _fields_of(document[part])
    properties = document.get("properties")
    if isinstance(properties, dict) and isinstance(properties.get("items"), list):
        document["properties"] = properties | {"items": [_fields_of(item) for item in properties["items"]]}
    return document


def _fields_of(raw: Json) -> Json:
    if not isinstance(raw, dict) or None not in raw.values():
        return raw
    return {name: value for name, value in raw.items() if value is not None}
