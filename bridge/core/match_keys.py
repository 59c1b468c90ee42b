"""By what the person of an event may be recognised at a platform: which match keys its text has. Pure."""

from __future__ import annotations

import msgspec

ALL = ""
"""The key under which all events are counted."""
CONSENT = "consent"
_NAMES: dict[str, tuple[str, tuple[frozenset[str], ...]]] = {
    "email": ("user_data", (frozenset({"email"}),)),
    "phone": ("user_data", (frozenset({"phone"}),)),
    "fbc": ("context", (frozenset({"fbc"}), frozenset({"fbclid"}))),
    "fbp": ("context", (frozenset({"fbp"}),)),
    "browser and address": ("context", (frozenset({"user_agent", "ip"}),)),
    "gclid": ("context", (frozenset({"gclid"}), frozenset({"gbraid"}), frozenset({"wbraid"}))),
    "ga client": ("context", (frozenset({"ga_client_id"}),)),
    CONSENT: ("consent", (frozenset({"ads"}), frozenset({"analytics"}))),
}
"""Each key by the part of an event that has it, and the names in it that make it: all names of any of the sets."""
MATCH_KEYS = tuple(_NAMES)
"""The keys in the order in which people read them."""
_Part = dict[str, object] | None


class _MatchedParts(msgspec.Struct):
    """The parts of an event that match keys are in."""

    user_data: _Part = None
    context: _Part = None
    consent: _Part = None


_DECODER = msgspec.json.Decoder(_MatchedParts)


def find_match_keys(text: bytes) -> tuple[str, ...]:
    """The match keys that an event has, by its text as JSON; none of what is no event."""
    try:
        found = _DECODER.decode(text)
    except msgspec.DecodeError:
        return ()
    known = {
        "user_data": _known_names(found.user_data),
        "context": _known_names(found.context),
        "consent": _known_names(found.consent),
    }
    return tuple([key for key, (part, sets) in _NAMES.items() if any(map(known[part].issuperset, sets))])


def _known_names(part: _Part) -> set[str]:
    if not part:
        return set()
    return {
        name for name, value in part.items() if value is not None and not (type(value) is str and not value.strip())
    }
