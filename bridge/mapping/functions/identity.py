"""Personal identifiers as ad platforms want them before they are hashed: one table of rules, and the hash. Pure.

Platforms differ in which rule they name, never in the hash: SHA-256 of the UTF-8 text, in lower-case hex, without
a salt. Where pages, SDKs and pixels of one platform disagree, the rule's comment says which one it follows.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from bridge.mapping.functions.phone import format_possible_e164
from bridge.mapping.functions.regions import COUNTRIES, STATES, STATES_BY_NAME

_META = "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters"
_GOOGLE = "https://developers.google.com/data-manager/api/devguides/concepts/formatting"
_MICROSOFT = "https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration?view=bingads-13"
_REDDIT = "https://ads-api.reddit.com/docs/v3/guides/programs/capi/direct-integration"
_TIKTOK = "https://business-api.tiktok.com/portal/docs?id=1771100865818625"

_LONGEST = 1_000
_half_character = re.compile("[\ud800-\udfff]").search
_is_sha256 = re.compile(r"[0-9a-fA-F]{64}").fullmatch
_is_email = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+").fullmatch
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_TITLE = re.compile(r"(?:^|\s)(?:mr|mrs|ms|dr)\.(?=\s|$)")
_SUFFIX = re.compile(r"(?:^|[\s,])(?:jr|sr|2nd|3rd|ii|iii|iv|v|vi|cpa|dc|dds|vm|jd|md|phd)\.?$")
_KEPT = frozenset("LMN")
_SHORTEST_ZIP = 2


@dataclass(frozen=True, slots=True)
class IdentityRule:
    """One way to write an identifier: what it does, whose page says so, and the code.

    `normalise` takes a trimmed text in NFC and a country, and returns "" for what is no such identifier.
    """

    help: str
    source: str
    normalise: Callable[[str, str | None], str]


def normalise_identifier(value: str | int | Decimal, rule: str, country: str | None = None) -> str | None:
    """The identifier in clear as the rule wants it; None for what is none, and for a SHA-256.

    `country` is ISO 3166-1 alpha-2 in any case; rules that do not need it pass over it.
    """
    text = _read_text(value)
    return None if text is None or _is_sha256(text) else _apply_rule(text, rule, country)


def hash_identifier(value: str | int | Decimal, rule: str, country: str | None = None) -> str | None:
    """The SHA-256 of the identifier as the rule wants it; None for what is none. A SHA-256 comes out as it is."""
    text = _read_text(value)
    if text is None:
        return None
    if _is_sha256(text):
        return text.lower()
    normal = _apply_rule(text, rule, country)
    return hashlib.sha256(normal.encode()).hexdigest() if normal else None


def _read_text(value: str | float | Decimal) -> str | None:
    """The value as trimmed text in NFC; None where it is empty, too long for an identifier, or half a character."""
    if not isinstance(value, str):
        value = format(value, "f") if isinstance(value, Decimal) else str(value)
    if len(value) > _LONGEST:
        return None
    text = unicodedata.normalize("NFC", value).strip()
    return None if not text or _half_character(text) else text


def _apply_rule(text: str, rule: str, country: str | None) -> str | None:
    """Removing signs can leave a letter beside an accent of its own: the result is composed again."""
    return unicodedata.normalize("NFC", RULES[rule].normalise(text, country)).strip() or None


# ------------------------------------------------------------------------------------------------------------ e-mail


def _email(text: str, _country: str | None) -> str:
    lower = text.lower()
    return lower if _is_email(lower) else ""


def _email_google(text: str, country: str | None) -> str:
    local, _, domain = _email(text, country).rpartition("@")
    return _join_address(_without_tag(local).replace(".", "") if domain in _GMAIL else local, domain)


def _email_microsoft(text: str, country: str | None) -> str:
    local, _, domain = _email(text, country).rpartition("@")
    return _join_address(_without_tag(local).replace(".", ""), domain)


def _email_reddit(text: str, country: str | None) -> str:
    local, _, domain = _email(text, country).rpartition("@")
    return _join_address("".join(filter(str.isalnum, _without_tag(local))), domain)


def _without_tag(local: str) -> str:
    return local.partition("+")[0]


def _join_address(local: str, domain: str) -> str:
    return f"{local}@{domain}" if local else ""


# ------------------------------------------------------------------------------------------------------------- phone


def _phone(text: str, country: str | None) -> str:
    return format_possible_e164(text, _country(country, None) if country else None) or ""


def _phone_digits(text: str, country: str | None) -> str:
    return _phone(text, country).removeprefix("+")


# ------------------------------------------------------------------------------------------------------------- names


def _letters_and_digits(text: str, _country: str | None) -> str:
    """What has neither a letter nor a digit, only marks, is nothing.

    Digits stay and punctuation goes, as in the code of Meta's pixel; accents stay, as in its SDKs; dashes and signs of
    any script go, as its page asks, where that code keeps some.
    """
    kept = "".join(sign for sign in text.lower() if unicodedata.category(sign)[0] in _KEPT)
    return kept if any(map(str.isalnum, kept)) else ""


def _name_google(text: str, _country: str | None) -> str:
    """What a title or a suffix is, only the tests of Google's own libraries say: hyphens and apostrophes stay."""
    lower = text.lower().strip(" ,")
    while True:
        shorter = _SUFFIX.sub("", _TITLE.sub("", lower)).strip(" ,\t")
        if shorter == lower:
            return lower
        lower = shorter


def _name_joined(text: str, _country: str | None) -> str:
    return _without_blanks(text.lower())


# ------------------------------------------------------------------------------------------------------------ places


def _state(text: str, country: str | None) -> str:
    """The code of a state of the US or a province of Canada, also where the country is not known."""
    place = _letters_and_digits(text, country)
    home = _country(country, None) if country else ""
    code = place if place in STATES else STATES_BY_NAME.get(place, "")
    return code if code and home in ("", STATES[code]) else place


def _zip(text: str, _country: str | None) -> str:
    """Cut at the first dash in every country, as the tests of Meta's PHP and Java SDKs have it."""
    code = _without_blanks(text.lower()).partition("-")[0]
    return code if len(code) >= _SHORTEST_ZIP else ""


def _country(text: str, _country: str | None) -> str:
    """Names and codes of three letters are not translated: they are no country."""
    lower = text.strip().lower()
    lower = "gb" if lower == "uk" else lower
    return lower if lower in COUNTRIES else ""


def _id(text: str, _country: str | None) -> str:
    """Its case stays: it must be what the platform's pixel sends."""
    return text


def _without_blanks(text: str) -> str:
    return "".join(text.split())


RULES: Mapping[str, IdentityRule] = MappingProxyType(
    {
        "email": IdentityRule("trimmed, lower case; null where it is no `x@y.z`", _META, _email),
        "email_google": IdentityRule(
            "`email`, and of gmail.com and googlemail.com without dots and cut at `+`", _GOOGLE, _email_google
        ),
        "email_microsoft": IdentityRule("`email`, without dots and cut at `+`", _MICROSOFT, _email_microsoft),
        "email_reddit": IdentityRule(
            "`email`, cut at `+`, only letters and digits before the `@`", _REDDIT, _email_reddit
        ),
        "phone": IdentityRule(
            "`+` and digits (E.164) where the number is possible; without `+` it needs the country", _GOOGLE, _phone
        ),
        "phone_digits": IdentityRule("`phone` without the `+`", _META, _phone_digits),
        "name": IdentityRule("lower case, only letters and digits of any script", _META, _letters_and_digits),
        "name_google": IdentityRule(
            "trimmed, lower case, without titles (`Dr.`) and suffixes (`Jr.`)", _GOOGLE, _name_google
        ),
        "name_joined": IdentityRule("lower case, without blanks", _TIKTOK, _name_joined),
        "place": IdentityRule("a city: lower case, only letters and digits of any script", _META, _letters_and_digits),
        "state": IdentityRule("the two letters of a state of the US or Canada, any other as `place`", _META, _state),
        "zip": IdentityRule("lower case, without blanks, cut at the first `-`", _META, _zip),
        "country": IdentityRule("the two letters of ISO 3166 in lower case; `UK` is `gb`", _META, _country),
        "id": IdentityRule("trimmed; its case stays", _META, _id),
    }
)
"""The rules by name. `check` knows no others."""
