"""What is known of conversions: told, remembered, or deferred by a webhook that waits for a richer one.

The ledger leads from a key to a number: of an event, or with a minus sign of a row of `remembered`. A key counts as
known, too, where the key that it belongs to is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from msgspec import structs

from bridge.core import dedupe_keys
from bridge.core.conversions import ConversionState, KnownConversion, LedgerEffects, RememberedConversion
from bridge.store.postgres.db.ledger_key import to_keys
from bridge.store.postgres.db.transaction import Transaction, select
from bridge.store.postgres.tables import doubles, recall_waits
from bridge.store.postgres.tables.ledger import Ledger, read_entries
from bridge.store.rules.known_conversions import gather_known
from bridge.store.rules.purged_conversions import purged_text


def recall_conversions(db: psycopg.Connection[Any], keys: Sequence[bytes]) -> dict[bytes, Sequence[KnownConversion]]:
    """What is known under each key; a key of which nothing is known is left out."""
    targets = recall_waits.find_aliases(db, keys)
    every = list(dict.fromkeys([*keys, *(key for each in targets.values() for key in each)]))
    entries = {key: number for key, number, _ in read_entries(db, every) if number is not None}
    return _by_key(db, keys, targets, entries)


def find_conversions(
    transaction: Transaction, ledger: Ledger, keys: Sequence[bytes]
) -> dict[bytes, Sequence[KnownConversion]]:
    """The same within a transaction, with what it has added itself."""
    targets = recall_waits.find_aliases(transaction.db, keys)
    every = list(dict.fromkeys([*keys, *(key for each in targets.values() for key in each)]))
    entries = {key: number for key, (number, _) in ledger.find_keys(every).items()}
    return _by_key(transaction.db, keys, targets, entries)


def find_awaited(transaction: Transaction, webhooks: Sequence[int]) -> dict[bytes, Sequence[KnownConversion]]:
    """What is known under each key that these webhooks wait for, also where nothing is."""
    keys = recall_waits.read_waits(transaction, webhooks)
    found = recall_conversions(transaction.db, keys) if keys else {}
    return {key: found.get(key, ()) for key in keys}


def _by_key(
    db: psycopg.Connection[Any],
    keys: Sequence[bytes],
    targets: Mapping[bytes, Sequence[bytes]],
    entries: Mapping[bytes, int],
) -> dict[bytes, Sequence[KnownConversion]]:
    every = list(dict.fromkeys([*keys, *(key for each in targets.values() for key in each)]))
    by_number = _read_conversions(db, set(entries.values()))
    return gather_known(keys, targets, entries=entries, by_number=by_number, deferred=_read_deferred(db, every))


def _read_conversions(db: psycopg.Connection[Any], numbers: Iterable[int]) -> dict[int, KnownConversion]:
    """The conversions with these numbers; of a duplicate the one that it repeats."""
    wanted = set(numbers)
    found, originals = _read_told(db, {number for number in wanted if number > 0})
    first, _ = _read_told(db, set(originals.values()) - found.keys())
    told = {
        number: structs.replace((first | found).get(originals.get(number, number), one), number=number)
        for number, one in found.items()
    }
    return told | _read_remembered(db, [-number for number in wanted if number < 0])


def _read_told(db: psycopg.Connection[Any], numbers: set[int]) -> tuple[dict[int, KnownConversion], dict[int, int]]:
    """Events by number, and the number of the original of each that is a duplicate."""
    found: dict[int, KnownConversion] = {}
    originals: dict[int, int] = {}
    if not numbers:
        return found, originals
    for number, name, text, webhook, rank, original in select(
        db, "SELECT number, id, text, webhook, rank, duplicate_of FROM events WHERE number = ANY(%s)", (list(numbers),)
    ):
        by = name if webhook is None else f"wh_{webhook}"
        found[number] = KnownConversion(text, by=by, rank=rank, webhook=webhook or 0, number=number)
        if original is not None:
            originals[number] = original
    if missing := numbers - found.keys():
        _add_purged(db, missing, found, originals)
    return found, originals


def _add_purged(
    db: psycopg.Connection[Any], numbers: set[int], found: dict[int, KnownConversion], originals: dict[int, int]
) -> None:
    for number, name, *about, webhook, rank, original in select(
        db,
        """
        SELECT number, id, event_type, order_id, value, currency, webhook, rank, duplicate_of FROM purged_events
        WHERE number = ANY(%s)
        """,
        (list(numbers),),
    ):
        by = name if webhook is None else f"wh_{webhook}"
        found[number] = KnownConversion(purged_text(*about), by=by, rank=rank, webhook=webhook or 0, number=number)
        if original is not None:
            originals[number] = original


def _read_remembered(db: psycopg.Connection[Any], numbers: Sequence[int]) -> dict[int, KnownConversion]:
    if not numbers:
        return {}
    rows = select(
        db, "SELECT number, webhook, reason, rank, lends FROM remembered WHERE number = ANY(%s)", (list(numbers),)
    )
    return {
        -number: KnownConversion(lends, ConversionState.REMEMBERED, f"wh_{webhook}", reason, rank, webhook, -number)
        for number, webhook, reason, rank, lends in rows
    }


def _read_deferred(db: psycopg.Connection[Any], keys: Sequence[bytes]) -> list[tuple[bytes, KnownConversion]]:
    rows = select(
        db,
        "SELECT w.key, d.webhook, d.rank, d.lends FROM waiting AS w JOIN deferred AS d ON d.webhook = w.webhook "
        "WHERE w.key = ANY(%s)",
        (to_keys(keys),),
    )
    return [
        (key, KnownConversion(lends, ConversionState.DEFERRED, f"wh_{webhook}", rank=rank, webhook=webhook))
        for key, webhook, rank, lends in rows
    ]


# ------------------------------------------------------------------------------------------------------- effects


def apply_effects(transaction: Transaction, ledger: Ledger, told: Sequence[tuple[int, LedgerEffects]]) -> list[bytes]:
    """Write what webhooks, given by number, tell the ledger beside their events; returns the keys that are known by it.

    A webhook that waits for one of them is to be made due once the ledger has it.
    """
    aliases = [alias for _, effects in told for alias in effects.aliases]
    woken = [key for key, _ in aliases]
    ledger.await_keys(woken)  # so that a webhook that waits for the first key and this alias find each other
    for webhook, effects in told:
        for remembered in effects.remembered:
            woken += _remember(transaction, ledger, webhook, remembered)
    if aliases:
        keys, others = zip(*aliases, strict=True)
        transaction.execute(
            "INSERT INTO aliases SELECT k, other, %s FROM unnest(%s::uuid[], %s::uuid[]) AS new (k, other) "
            "ORDER BY k, other ON CONFLICT DO NOTHING",
            (transaction.at, to_keys(keys), to_keys(others)),
        )
    woken += _add_links(ledger, [link for _, effects in told for link in effects.links], at=transaction.at)
    _note_belonging(ledger, aliases, at=transaction.at)
    for _, effects in told:
        if effects.aliases:
            doubles.note_doubles(transaction, ledger, effects.aliases)
    revisits = [(key, webhook) for webhook, effects in told for key in effects.revisit]
    if revisits:
        keys, webhooks = zip(*revisits, strict=True)
        ledger.await_keys(keys)
        transaction.execute(
            "INSERT INTO revisits SELECT k, webhook FROM unnest(%s::uuid[], %s::bigint[]) AS new (k, webhook) "
            "ORDER BY k, webhook ON CONFLICT DO NOTHING",
            (to_keys(keys), list(webhooks)),
        )
    return woken


def revisit_told(transaction: Transaction, ledger: Ledger, told: Sequence[tuple[int, LedgerEffects]]) -> None:
    """Make webhooks received again whose sale was told since it was looked up."""
    for _, effects in told:
        if effects.revisit and _is_told(transaction, ledger, effects.revisit):
            recall_waits.revisit_webhooks(transaction, dict.fromkeys(effects.revisit, transaction.at))


def _remember(transaction: Transaction, ledger: Ledger, webhook: int, one: RememberedConversion) -> list[bytes]:
    """Returns the keys that are known as remembered now: those of a conversion that was told stay."""
    told = {key for key, (number, _) in ledger.find_keys(one.keys).items() if number > 0}
    keys = [key for key in one.keys if key not in told]
    if not keys:
        return []
    (number,) = transaction.draw_numbers(1)
    transaction.execute(
        "INSERT INTO remembered (number, webhook, reason, rank, lends, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (number, webhook, one.reason, one.rank, one.text, transaction.at),
    )
    ledger.add_entries([(key, -number, transaction.at) for key in keys])
    return keys


def _add_links(ledger: Ledger, links: Sequence[tuple[bytes, int]], *, at: int) -> list[bytes]:
    """Returns the keys that lead to a told conversion now."""
    if not links:
        return []
    known = {key: number for key, (number, _) in ledger.find_keys([key for key, _ in links]).items()}
    new: dict[bytes, int] = {}
    for key, number in links:
        if number > 0 and known.get(key, -1) < 0:
            known[key] = new[key] = number
    ledger.add_entries([(key, number, at) for key, number in new.items()])
    return list(new)


def _note_belonging(ledger: Ledger, aliases: Sequence[tuple[bytes, bytes]], *, at: int) -> None:
    """Note at keys what was told under one that belongs to them: the first stays."""
    if not aliases:
        return
    owners = [(key, dedupe_keys.belonging_key(other)) for key, other in aliases]
    known = {key: number for key, (number, _) in ledger.find_keys([key for one in owners for key in one]).items()}
    new = {owner: known[key] for key, owner in reversed(owners) if known.get(key, -1) > 0 and owner not in known}
    ledger.add_entries([(owner, number, at) for owner, number in new.items()])


def _is_told(transaction: Transaction, ledger: Ledger, keys: Sequence[bytes]) -> bool:
    found = find_conversions(transaction, ledger, keys)
    return any(one.state == ConversionState.TOLD for each in found.values() for one in each)
