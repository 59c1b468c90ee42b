"""Payments that were told twice, or may have been: notes at both events. Nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from bridge.core.model import Event
from bridge.store.codec.columns import from_ms, pack_json, to_ms, to_ms_up, unpack_list
from bridge.store.postgres.db.texts import server_text
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables.ledger import Ledger
from bridge.store.rules.doubles import MOST_LIKE_IT, WITHIN, certain_note, is_certain, is_like, people_of, possible_note
from bridge.store.rules.status_limits import MOST_DOUBTED
from bridge.store.status_views import DoubtedEvent


def note_possible_doubles(transaction: Transaction, told: Iterable[tuple[int, str, Event]]) -> None:
    """Note at each of these events, given by number and id, and at those like it, that both may be one payment.

    Two nodes that tell events of one value at once do so one after the other: each would not see the other's.
    """
    doubtful = [one for one in told if one[2].value is not None and people_of(one[2].text)]
    for value in sorted({str(event.value) for _, _, event in doubtful}):
        transaction.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (value,))
    notes: list[tuple[int, str]] = []
    for number, name, event in doubtful:
        for other, other_name in _events_like(transaction, number, event):
            notes += [(number, possible_note(other_name)), (other, possible_note(name))]
    _add_notes(transaction, notes)


def note_doubles(transaction: Transaction, ledger: Ledger, aliases: Sequence[tuple[bytes, bytes]]) -> None:
    """Note at the events where two keys, of which a webhook says that one belongs to the other, lead to two events."""
    mine = _told_events(transaction, ledger, [key for key, _ in aliases])
    others = _told_events(transaction, ledger, [key for _, key in aliases])
    notes: list[tuple[int, str]] = []
    for one, name in mine.items():
        for other, other_name in others.items():
            if one != other:
                notes += [(one, certain_note(other_name)), (other, certain_note(name))]
    _add_notes(transaction, notes)


def newest_doubted(db: psycopg.Connection[Any]) -> tuple[DoubtedEvent, ...]:
    """The newest events with such a note."""
    rows = select(
        db,
        """
        SELECT id, origin, notes, created_at FROM events WHERE position('double: ' IN notes) > 0
        ORDER BY number DESC LIMIT %s
        """,
        (MOST_DOUBTED,),
    )
    return tuple(
        DoubtedEvent(name, origin, from_ms(at), is_certain=is_certain(unpack_list(notes)))
        for name, origin, notes, at in rows
    )


def _events_like(transaction: Transaction, number: int, event: Event) -> list[tuple[int, str]]:
    """The told events of richer or poorer webhooks of the same source, value, person and time: numbers and ids."""
    people = people_of(event.text)
    at, span = to_ms(event.occurred_at), to_ms_up(WITHIN)
    rows = select(
        transaction.db,
        """
        SELECT number, id, event_type, text FROM (
            SELECT * FROM events WHERE value = %s AND occurred_at BETWEEN %s AND %s AND rank > 0
            ORDER BY occurred_at DESC LIMIT %s
        ) AS alike
        WHERE rank <> %s AND origin = %s AND currency IS NOT DISTINCT FROM %s AND test = %s AND number <> %s
        AND duplicate_of IS NULL
        """,
        (
            event.value, at - span, at + span, MOST_LIKE_IT,
            event.rank, server_text(event.origin), event.currency, event.test, number,
        ),
    )  # fmt: skip
    return [(other, name) for other, name, kind, text in rows if is_like(event, kind) and people & people_of(text)]


def _told_events(transaction: Transaction, ledger: Ledger, keys: Sequence[bytes]) -> dict[int, str]:
    """The kept events that these keys lead to: of a duplicate its original. Ids by number."""
    rows = select(
        transaction.db,
        """
        SELECT first.number, first.id FROM events AS one
        JOIN events AS first ON first.number = coalesce(one.duplicate_of, one.number) WHERE one.number = ANY(%s)
        """,
        ([number for number, _ in ledger.find_keys(keys).values() if number > 0],),
    )
    return dict(rows)


def _add_notes(transaction: Transaction, notes: Sequence[tuple[int, str]]) -> None:
    """Add notes to events, which are locked first, each unless it is there already."""
    if not notes:
        return
    rows = select(
        transaction.db,
        "SELECT number, notes FROM events WHERE number = ANY(%s) ORDER BY number FOR UPDATE",
        (sorted({number for number, _ in notes}),),
    )
    for number, packed in rows:
        before = unpack_list(packed)
        after = [*before, *dict.fromkeys(note for one, note in notes if one == number and note not in before)]
        if len(after) > len(before):
            transaction.execute("UPDATE events SET notes = %s WHERE number = %s", (pack_json(after), number))
