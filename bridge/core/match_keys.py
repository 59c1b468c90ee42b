"""By what the person of an event may be recognised at a platform: which match keys its text has. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

ALL = ""
"""The key under which all events are counted."""
CONSENT = "consent"


class _Person(msgspec.Struct):
    email: object = None
    phone: object = None


class _Context(msgspec.Struct):
    fbc: object = None
    fbclid: object = None
    fbp: object = None
    user_agent: object = None
    ip: object = None
    gclid: object = None
    gbraid: object = None
    wbraid: object = None
    ga_client_id: object = None


class _Consent(msgspec.Struct):
    ads: object = None
    analytics: object = None


class _MatchedParts(msgspec.Struct):
    """The parts of an event that match keys are in, and of each only what makes one: all else is read past."""

    user_data: _Person | None = None
    context: _Context | None = None
    consent: _Consent | None = None


_NO_PERSON, _NO_CONTEXT, _NO_CONSENT = _Person(), _Context(), _Consent()
_DECODER = msgspec.json.Decoder(_MatchedParts)
_MAKES: dict[str, Callable[[_Person, _Context, _Consent], bool]] = {
    "email": lambda person, _, __: _is_given(person.email),
    "phone": lambda person, _, __: _is_given(person.phone),
    "fbc": lambda _, context, __: _is_given(context.fbc) or _is_given(context.fbclid),
    "fbp": lambda _, context, __: _is_given(context.fbp),
    "browser and address": lambda _, context, __: _is_given(context.user_agent) and _is_given(context.ip),
    "gclid": lambda _, context, __: _is_given(context.gclid) or _is_given(context.gbraid) or _is_given(context.wbraid),
    "ga client": lambda _, context, __: _is_given(context.ga_client_id),
    CONSENT: lambda _, __, consent: _is_given(consent.ads) or _is_given(consent.analytics),
}
"""Each key, and whether the person, the context and the consent of an event make it."""
MATCH_KEYS = tuple(_MAKES)
"""The keys in the order in which people read them."""


def find_match_keys(text: bytes) -> tuple[str, ...]:
    """The match keys that an event has, by its text as JSON; none of what is no event."""
    try:
        found = _DECODER.decode(text)
    except msgspec.DecodeError:
        return ()
    parts = found.user_data or _NO_PERSON, found.context or _NO_CONTEXT, found.consent or _NO_CONSENT
    return tuple([key for key, is_made in _MAKES.items() if is_made(*parts)])


def _is_given(value: object) -> bool:
    return value is not None and not (type(value) is str and not value.strip())
