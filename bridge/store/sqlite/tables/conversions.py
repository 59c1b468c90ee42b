"""What is known of conversions: told, remembered, or deferred by a webhook that waits for a richer one.

The ledger leads from a key to a number: of an event, also of one whose row was purged, or with a minus sign of a row of
`remembered`. A key counts as known, too, where the key that it belongs to is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import structs

from bridge.core import dedupe_keys
from bridge.core.conversions import ConversionState, KnownConversion, LedgerEffects, RememberedConversion
from bridge.store.codec.columns import to_ms
from bridge.store.rules.known_conversions import gather_known
from bridge.store.rules.purged_conversions import purged_text
from bridge.store.sqlite.db import bulk
from bridge.store.sqlite.tables import doubles, ledger, recall_waits

_EVENT = "SELECT number, id, text, webhook, rank, duplicate_of FROM events WHERE number"
_PURGED = """
    SELECT number, id, event_type, order_id, value, currency, webhook, rank, duplicate_of
    FROM purged_events WHERE number
"""


def find_conversions(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
    """What is known under each key; a key of which nothing is known is left out."""
    targets = recall_waits.find_aliases(db, keys)
    every = list(dict.fromkeys([*keys, *(key for each in targets.values() for key in each)]))
    entries = {key: number for key, (number, _) in ledger.find_keys(db, every).items()}
    by_number = _read_conversions(db, set(entries.values()))
    return gather_known(keys, targets, entries=entries, by_number=by_number, deferred=_read_deferred(db, every))


def find_awaited(db: sqlite3.Connection, webhooks: Sequence[int]) -> dict[bytes, Sequence[KnownConversion]]:
    """What is known under each key that these webhooks wait for, also where nothing is."""
    keys = recall_waits.read_waits(db, webhooks)
    found = find_conversions(db, keys) if keys else {}
    return {key: found.get(key, ()) for key in keys}


def _read_conversions(db: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, KnownConversion]:
    """The conversions with these numbers; of a duplicate the one that it repeats."""
    wanted = set(numbers)
    found, originals = _read_told(db, {number for number in wanted if number > 0})
    first, _ = _read_told(db, set(originals.values()) - found.keys())
    told = {
        number: structs.replace((first | found).get(originals.get(number, number), one), number=number)
        for number, one in found.items()
    }
    return told | _read_remembered(db, {number for number in wanted if number < 0})


def _read_told(db: sqlite3.Connection, numbers: set[int]) -> tuple[dict[int, KnownConversion], dict[int, int]]:
    """Events by number, and the number of the original of each that is a duplicate."""
    found: dict[int, KnownConversion] = {}
    originals: dict[int, int] = {}
    for number, name, text, webhook, rank, original in bulk.select_keys(db, _EVENT, sorted(numbers)):
        found[number] = KnownConversion(
            text, by=_public_id(name, webhook), rank=rank, webhook=webhook or 0, number=number
        )
        if original is not None:
            originals[number] = original
    for number, name, *about, webhook, rank, original in bulk.select_keys(db, _PURGED, sorted(numbers - found.keys())):
        found[number] = KnownConversion(
            purged_text(*about), by=_public_id(name, webhook), rank=rank, webhook=webhook or 0, number=number
        )
        if original is not None:
            originals[number] = original
    return found, originals


def _public_id(name: str, webhook: int | None) -> str:
    return name if webhook is None else f"wh_{webhook}"


def _read_remembered(db: sqlite3.Connection, numbers: set[int]) -> dict[int, KnownConversion]:
    rows = bulk.select_keys(
        db, "SELECT number, webhook, reason, rank, lends FROM remembered WHERE number", [-number for number in numbers]
    )
    return {
        -number: KnownConversion(lends, ConversionState.REMEMBERED, f"wh_{webhook}", reason, rank, webhook, -number)
        for number, webhook, reason, rank, lends in rows
    }


def _read_deferred(db: sqlite3.Connection, keys: Sequence[bytes]) -> list[tuple[bytes, KnownConversion]]:
    if not recall_waits.has_deferred(db):
        return []
    rows = bulk.select_keys(
        db,
        "SELECT w.key, d.webhook, d.rank, d.lends FROM waiting AS w JOIN deferred AS d ON d.webhook = w.webhook "
        "WHERE w.key",
        keys,
    )
    return [
        (key, KnownConversion(lends, ConversionState.DEFERRED, f"wh_{webhook}", rank=rank, webhook=webhook))
        for key, webhook, rank, lends in rows
    ]


# ------------------------------------------------------------------------------------------------------- effects


def apply_effects(db: sqlite3.Connection, told: Sequence[tuple[int, LedgerEffects]], *, now: datetime) -> None:
    """Write what webhooks, given by number, tell the ledger beside their events; make due what waited for that."""
    if not told:
        return
    at = to_ms(now)
    aliases = [alias for _, effects in told for alias in effects.aliases]
    woken = [key for key, _ in aliases]
    for webhook, effects in told:
        for remembered in effects.remembered:
            woken += _remember(db, webhook, remembered, at=at)
    db.executemany("INSERT OR IGNORE INTO aliases VALUES (?, ?, ?)", [(key, other, at) for key, other in aliases])
    woken += _add_links(db, [link for _, effects in told for link in effects.links], at=at)
    _note_belonging(db, aliases, at=at)
    for _, effects in told:
        if effects.aliases:
            doubles.note_doubles(db, effects.aliases)
    revisits = [(key, webhook) for webhook, effects in told for key in effects.revisit]
    db.executemany("INSERT OR IGNORE INTO revisits VALUES (?, ?)", revisits)
    recall_waits.make_due(db, [(key, at) for key in woken])
    for _, effects in told:
        if effects.revisit and _is_told(db, effects.revisit):  # told since it was looked up
            recall_waits.revisit_webhooks(db, effects.revisit, at=at)


def _remember(db: sqlite3.Connection, webhook: int, one: RememberedConversion, *, at: int) -> list[bytes]:
    """Returns the keys that are known as remembered now: those of a conversion that was told stay."""
    told = {key for key, (number, _) in ledger.find_keys(db, one.keys).items() if number > 0}
    keys = [key for key in one.keys if key not in told]
    if not keys:
        return []
    number = db.execute(
        "INSERT INTO remembered (webhook, reason, rank, lends, created_at) VALUES (?, ?, ?, ?, ?)",
        (webhook, one.reason, one.rank, one.text, at),
    ).lastrowid
    assert number is not None  # noqa: S101  a row was inserted
    ledger.add_entries(db, [(key, -number, at) for key in keys])
    return keys


def _add_links(db: sqlite3.Connection, links: Sequence[tuple[bytes, int]], *, at: int) -> list[bytes]:
    """Returns the keys that lead to a told conversion now."""
    if not links:
        return []
    known = {key: number for key, (number, _) in ledger.find_keys(db, [key for key, _ in links]).items()}
    new: dict[bytes, int] = {}
    for key, number in links:
        if number > 0 and known.get(key, -1) < 0:
            known[key] = new[key] = number
    ledger.add_entries(db, [(key, number, at) for key, number in new.items()])
    return list(new)


def _note_belonging(db: sqlite3.Connection, aliases: Sequence[tuple[bytes, bytes]], *, at: int) -> None:
    """Note at keys what was told under one that belongs to them: the first stays."""
    if not aliases:
        return
    owners = [(key, dedupe_keys.belonging_key(other)) for key, other in aliases]
    known = {key: number for key, (number, _) in ledger.find_keys(db, [key for one in owners for key in one]).items()}
    new = {owner: known[key] for key, owner in reversed(owners) if known.get(key, -1) > 0 and owner not in known}
    ledger.add_entries(db, [(owner, number, at) for owner, number in new.items()])


def _is_told(db: sqlite3.Connection, keys: Sequence[bytes]) -> bool:
    return any(one.state == ConversionState.TOLD for each in find_conversions(db, keys).values() for one in each)
