"""The nouns: request, webhook, event, delivery, attempt and their outcomes. All are frozen values.

Nouns that are made for every webhook or delivery are msgspec structs, which are made in a tenth of the time of a
dataclass. Instants are aware UTC datetimes named `…_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from bridge.core.conversions import NO_EFFECTS, Deferral, LedgerEffects
from bridge.core.visible_text import make_visible

# ---------------------------------------------------------------------------------------------- places and problems


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A spot in a mapping file; line and column count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem of a mapping, as a value: where, how bad, and what, with its remedy.

    `text` may quote the file with whatever it holds; as a string the problem is one line. `details` are lines to be
    read below it.
    """

    place: SourceLocation
    severity: Severity
    text: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return make_visible(f"{self.place}: {self.severity}: {self.text}")


@dataclass(frozen=True, slots=True)
class EventProblem:
    """One problem of an event. `path` is where: `("properties", "value")`; `text` names it and what it held."""

    path: tuple[str | int, ...]
    text: str


# -------------------------------------------------------------------------------------------------- received


class Request(msgspec.Struct, frozen=True):
    """One HTTP request as it arrived, before anything is known about it.

    `headers` are in order of arrival with lower-case names, values decoded as Latin-1; a name may occur twice.
    `query` is decoded, `query_string` as received. `url` is the address the provider was given (the operator's
    `public_url` and the query string), or None where the operator set none: it is never taken from `Host`. A request's
    head is the same without its body.
    """

    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    query: tuple[tuple[str, str], ...] = ()
    query_string: str = ""
    url: str | None = None

    def header_value(self, name: str) -> str | None:
        """The values of the lower-case `name`, joined by `, ` as HTTP allows; None where it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


class WebhookState(StrEnum):
    """The state of a kept webhook."""

    RECEIVED = "received"
    TRANSLATED = "translated"
    IGNORED = "ignored"
    SET_ASIDE = "set_aside"


class Webhook(msgspec.Struct, frozen=True):
    """One genuine request, or one item of a batch, named and ready to be kept.

    `id` is what the provider calls it, or the SHA-256 of its bytes in hex. `identity` holds 16-byte ledger keys: a
    webhook with a key that the ledger knows is a redelivery; empty for one that is recognised by its bytes, until it is
    applied. `body` is always the whole request's bytes; `item` is the JSON pointer of this webhook's own part, None
    where it is the whole, "" for a batch without items. `headers` have lower-case names and no credentials.
    `unsigned_facts` is what its unsigned headers say of its account and of its being a test, as the mapping reads them.
    `same_bytes` is the ledger key of its bytes alone, empty if its signature covers its id, and before it is applied.
    `number` is the store's (its public form is `wh_<number>`), 0 before it is applied. `waited` is whether it has
    waited for an earlier event, or deferred to richer webhooks, as long as it may; `looked_until` is the time before
    which all that was received had been looked at when it was claimed; None where that is not known.
    """

    source: str
    id: str
    topic: str | None
    received_at: datetime
    body: bytes
    identity: tuple[bytes, ...]
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    item: str | None = None
    unsigned_facts: str = ""
    same_bytes: bytes = b""
    number: int = 0
    waited: bool = False
    looked_until: datetime | None = None


class Kept(msgspec.Struct, frozen=True):
    """A store's answer for one webhook: its number, and whether the webhook is a redelivery of a known one.

    `source` and `topic` are those that it came with. `same_bytes_as` is the number of the first webhook that came with
    the same bytes under another topic, account or test flag, or at another source; None where there was none.
    """

    number: int
    is_known: bool
    source: str
    topic: str | None
    same_bytes_as: int | None = None


# ---------------------------------------------------------------------------------------------- what it becomes


class Event(msgspec.Struct, frozen=True):
    """One track event, checked against the contract.

    `text` is the JSON that is sent, byte for byte. `origin` is who gave it: `source:<name>` or `key:<name>`. `id` is
    its event_id: within `id_scope` (within the origin where that is empty) the same id is the same event.
    `conversion_keys` are the 16-byte ledger keys of its conversion: the `dedupes` first ones those of its mapping's
    `dedupe`, of which the first decides whether it is a duplicate, then that of its order id. `mapping` is the provider
    whose mapping made it, empty for a caller's; `rank` how rich its webhook is among those of one conversion, 0 where
    its rule says nothing. `order_id`, `value` and `currency` are those of `text`, to compare duplicates. `notes` name
    the fields that were left out and where, never a value. `hashed` names the user_data fields that arrived as SHA-256.
    `number` is the store's, 0 before it is kept. `scope` is the ledger's, of which its conversion keys are made; a
    store does not keep it.
    """

    id: str
    origin: str
    event_type: str
    test: bool
    text: bytes
    occurred_at: datetime
    conversion_keys: tuple[bytes, ...] = ()
    order_id: str | None = None
    value: str | None = None
    currency: str | None = None
    notes: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    number: int = 0
    id_scope: str = ""
    dedupes: int = 0
    mapping: str = ""
    rank: int = 0
    scope: str = ""


class Route(msgspec.Struct, frozen=True):
    """Where an event goes: a destination by name, and why it is skipped there, if it is.

    `follows` are the conversion keys of the events that it follows there, of which one is that of its order.
    """

    destination: str
    skip: str | None = None
    follows: tuple[bytes, ...] = ()


class Routed(msgspec.Struct, frozen=True):
    """An event and where it goes, as the store takes it."""

    event: Event
    routes: tuple[Route, ...]


class Translated(msgspec.Struct, frozen=True):
    """A webhook became these events. `after` has how long each that defers to richer webhooks waits, by its place."""

    events: tuple[Event, ...]
    effects: LedgerEffects = NO_EFFECTS
    after: Mapping[int, Deferral] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ignored:
    """A webhook is rightly no event."""

    reason: str
    effects: LedgerEffects = NO_EFFECTS


@dataclass(frozen=True, slots=True)
class SetAside:
    """A webhook could not be mapped; the reason begins with file:line:column where there is one."""

    reason: str


Translation = Translated | Ignored | SetAside


@dataclass(frozen=True, slots=True)
class EventNeeded:
    """A webhook can be translated only after an earlier event was looked up by `keys`, conversion keys of that event.

    If no event has one of them, the webhook waits until `until`, and is translated without it afterwards. `event_type`
    is the type of that event. `is_looked_up`: nothing was found by the keys. `lends` is given where the webhook defers
    to richer ones: what it lends to the one that tells the conversion, and `rank` how rich it is itself. `seen` are the
    ledger's numbers of what was found by the keys, and is not what it waits for. `unfinished` is the source's own: what
    it goes on from once the keys were looked up.
    """

    keys: tuple[bytes, ...]
    event_type: str
    until: datetime
    is_looked_up: bool = False
    lends: bytes | None = None
    rank: int = 0
    seen: tuple[int, ...] = ()
    unfinished: object = None


class Accepted(msgspec.Struct, frozen=True):
    """What a store answers for an event that it was given: its id, and of which event it is a duplicate, if it is.

    `event_id` goes upstream. `given_event_id` is the id that it was given, where that one names another event already
    and the store made this one; else None.
    """

    event_id: str
    duplicate_of: str | None = None
    given_event_id: str | None = None
