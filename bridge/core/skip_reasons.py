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
TEST, NO_TEST = "test event", "not a test event"
_AMISS = {CONSENT_UNKNOWN, NO_IDENTIFIERS, NO_RULE, TOO_OLD, TOO_OLD_WAITING, TOO_FAR_AHEAD, "other"}


def is_meant(reason: str) -> bool:
    """Whether a skip is as it should be: not for this destination, a test, refused by its person or by the operator."""
    return reason not in _AMISS and not reason.startswith(LACKS)


def is_routed_elsewhere(reason: str) -> bool:
    """Whether an event was never for this destination, by its type or because it is a test."""
    return reason in {NOT_AMONG, TEST, NO_TEST}
