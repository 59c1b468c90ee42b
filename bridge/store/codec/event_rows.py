"""Reads an event from its row: the same columns in every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.core.model import Event
from bridge.store.codec.columns import from_ms, split_keys, unpack_list

EVENT = """
    number, id, origin, event_type, test, text, occurred_at, claims, order_id, value, currency, notes, hashed
"""
"""The columns of `event_of`."""


def event_of(row: Sequence[Any]) -> Event:
    """Returns the event in a row of EVENT."""
    number, name, origin, event_type, test, text, occurred_at, claims, order_id, value, currency, notes, hashed = row
    return Event(
        id=name,
        origin=origin,
        event_type=event_type,
        test=bool(test),
        text=text,
        occurred_at=from_ms(occurred_at),
        conversion_keys=split_keys(claims),
        order_id=order_id,
        value=value,
        currency=currency,
        notes=unpack_list(notes),
        hashed=unpack_list(hashed),
        number=number,
    )
