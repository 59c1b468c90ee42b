"""Why a delivery is skipped, in the words that are kept with it, and which of them say that something is amiss."""

from __future__ import annotations

NO_CONSENT, CONSENT_UNKNOWN, OPTED_OUT = "no consent", "consent unknown", "sale opted out"
NO_IDENTIFIERS = "no identifiers"
NO_RULE = "no entry of `send` takes it"
TOO_OLD, TOO_FAR_AHEAD = "too old", "dated too far ahead"
TOO_OLD_WAITING = "too old while it waited"
"""How too old events are counted that waited here for over an hour, as in a pause."""
LACKS = "lacks "
"""How the reason begins where an item has not all that the platform requires; the path follows."""
NOT_AMONG = "not among its events"
"""How events of a type that a destination does not take are counted."""
NO_ORDER = f"{LACKS}an order id"
NOT_SENT_HERE, WAS_SKIPPED, WAS_DEAD = "was not sent here", "was skipped", "was refused or given up"
MAYBE_REFUSED = "may have been refused later"
VERDICT_UNKNOWN = "nobody knows what became of"
SEVERAL_PAYMENTS = "is one of several payments of its order"
OTHER_CURRENCY = "has another currency"
"""Why an event that follows another is not sent: `its purchase` stands before or behind."""
_STILL_COUNTED = (MAYBE_REFUSED, SEVERAL_PAYMENTS, OTHER_CURRENCY)
"""How the reason ends where the platform goes on counting what was refunded."""
TEST, NO_TEST = "test event", "not a test event"
_AMISS = {CONSENT_UNKNOWN, NO_IDENTIFIERS, NO_RULE, TOO_OLD, TOO_OLD_WAITING, TOO_FAR_AHEAD, "other"}


def is_meant(reason: str) -> bool:
    """Whether a skip is as it should be: not for this destination, a test, refused by its person or by the operator."""
    if reason.startswith((LACKS, VERDICT_UNKNOWN)) or reason.endswith(_STILL_COUNTED):
        return False
    return reason not in _AMISS


def is_routed_elsewhere(reason: str) -> bool:
    """Whether an event was never for this destination, by its type or because it is a test."""
    return reason in {NOT_AMONG, TEST, NO_TEST}
