"""What the ledger knows of a conversion, and what a webhook tells it beside its events. All are frozen values."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import msgspec


class ConversionState(StrEnum):
    """What the store knows of a conversion.

    Told: an event was made for it. Remembered: a webhook of it was understood, and on purpose made no event. Deferred:
    a webhook of it waits whether a richer one comes.
    """

    TOLD = "told"
    REMEMBERED = "remembered"
    DEFERRED = "deferred"


class KnownConversion(msgspec.Struct, frozen=True):
    """A conversion that the store finds under a ledger key.

    `text` is the JSON that it lends: the event's, without personal fields once the event was purged. `by` is the public
    id of the webhook, or else the event, that it is known by, `webhook` the webhook's number, `number` the ledger's.
    `reason` says why it was remembered only.
    """

    text: bytes
    state: ConversionState = ConversionState.TOLD
    by: str = ""
    reason: str = ""
    rank: int = 0
    webhook: int = 0
    number: int = 0


class Deferral(msgspec.Struct, frozen=True):
    """How long an event waits for a richer webhook, and by which types of event that would tell its conversion."""

    wait: timedelta
    event_types: tuple[str, ...]


class RememberedConversion(msgspec.Struct, frozen=True):
    """A conversion of which a webhook makes no event on purpose: its ledger keys, why, and what it lends."""

    keys: tuple[bytes, ...]
    reason: str
    text: bytes
    rank: int = 0


class LedgerEffects(msgspec.Struct, frozen=True):
    """What a webhook tells the ledger beside its events.

    `aliases` are pairs of keys: the first belongs to the second. `links` are keys of a conversion that another webhook
    told, with the ledger's number of it. With one of the keys in `revisit`, a webhook that was ignored since its sale
    is not told becomes due again when that sale is told.
    """

    remembered: tuple[RememberedConversion, ...] = ()
    aliases: tuple[tuple[bytes, bytes], ...] = ()
    links: tuple[tuple[bytes, int], ...] = ()
    revisit: tuple[bytes, ...] = ()


NO_EFFECTS = LedgerEffects()
