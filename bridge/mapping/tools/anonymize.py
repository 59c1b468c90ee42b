"""Replaces the personal data in a webhook by invented values of the same shape, so that it can be kept as an example.

Equal values become equal invented ones, so that relations hold. The invented value depends only on the order in which
values appear, so nothing of the person is left in it. Money, currencies, times, ids of orders and the structure stay.
`personal_data` recognises personal values by keys and by their looks, so read the result before you publish it.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from bridge.core.json_text import Json
from bridge.mapping.functions.phone import format_e164
from bridge.mapping.functions.phone import invent_number as invented_phone
from bridge.mapping.tools.personal_data import EMAIL, NAMED_BY, PersonalKind, is_impersonal, kind_of, regions_in

_FIRST = ("Alma", "Bodo", "Cleo", "Dara", "Edda", "Falk", "Gesa", "Hana", "Ivar", "Jona")
_LAST = ("Muster", "Ejemplo", "Esempio", "Voorbeeld", "Primer", "Contoh", "Beispiel", "Eksempel", "Namn", "Paraiska")
_SUFFIX = ("", "a", "en", "o", "is", "ke", "lo", "mi", "nu", "ra")
_PREFIX = re.compile(r"[a-z]+_(?:(?:live|test)_)?|gid://[a-z]+/[A-Za-z]+/|(?:Bearer|Basic) ")
_OPAQUE = re.compile(r"(?=[^/]*[0-9])[A-Za-z0-9_-]{16,}")
_WHOLE = 4
_WITHIN = 6


@dataclass(slots=True)
class Anonymizer:
    """Replaces, and remembers what by what. `met` is how many values of each kind were replaced."""

    regions: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    phones: dict[str, int] = field(default_factory=dict)
    met: Counter[PersonalKind] = field(default_factory=Counter)

    def learn_values(self, document: Json) -> None:
        """Meet every personal value of a document."""
        self.regions += regions_in(document)
        self._walk_values(document, (), CollectPass(self), {})

    def replace_values(self, document: Json) -> Json:
        """The document with every value that was met replaced, wherever it is."""
        return self._walk_values(document, (), ReplacePass(self), {})

    def replacement_of(self, kind: PersonalKind, text: str) -> str:
        """What is for a value."""
        if text not in self.known:
            self.met[kind] += 1
            self.known[text] = self._fresh_value(kind, text)
        return self.known[text]

    def _fresh_value(self, kind: PersonalKind, text: str) -> str:
        taken = {*self.known, *self.known.values(), text}
        made = text
        for attempt in range(100):
            made = self._make_value(kind, text, self.met[kind] + 100 * attempt)
            if made not in taken:
                break
        return made

    def _make_value(self, kind: PersonalKind, text: str, number: int) -> str:
        match kind:
            case PersonalKind.PHONE:
                return self._make_phone(text, number) or _make_shaped(text, _seed_of(kind, number))
            case PersonalKind.NAME:
                return " ".join(self._make_word(word, place) for place, word in enumerate(text.split()))
            case PersonalKind.EMAIL | PersonalKind.IP | PersonalKind.AGENT | PersonalKind.WORDS | PersonalKind.SPOT:
                return _make_words(kind, text, number)
            case PersonalKind.BIRTH if re.match(r"\d{4}-\d\d-\d\d", text):
                return f"{1950 + number % 50}-01-01{text[10:]}"
            case _:
                return _make_shaped(text, _seed_of(kind, number))

    def _make_phone(self, text: str, number: int) -> str | None:
        """The same invented number for one number in two spellings."""
        plain = next((found for region in (None, *self.regions) if (found := format_e164(text, region))), text)
        return invented_phone(text, self.regions, _seed_of(PersonalKind.PHONE, self.phones.setdefault(plain, number)))

    def _make_word(self, word: str, place: int) -> str:
        """The same invented word for one word of a name, in the same case."""
        number = len(self.words)
        fresh = (_FIRST if place == 0 else _LAST)[number % len(_FIRST)] + _SUFFIX[number // len(_FIRST) % len(_SUFFIX)]
        made = self.words.setdefault(word.casefold(), fresh)
        return made.upper() if word.isupper() and len(word) > 1 else made.lower() if word.islower() else made

    def _walk_values(
        self, value: Json, path: tuple[str, ...], how: CollectPass | ReplacePass, around: Mapping[str, Json]
    ) -> Json:
        match value:
            case dict():
                named = _named_element(value)
                return {
                    key: self._walk_values(below, (*path, named if key == "value" and named else key), how, value)
                    for key, below in value.items()
                }
            case list():
                return [self._walk_values(below, path, how, around) for below in value]
            case bool() | None:
                return value
            case str():
                return how.visit_text(value, kind_of(path, value, around), path)
            case _:
                return how.visit_number(value, kind_of(path, value, around))


@dataclass(frozen=True, slots=True)
class CollectPass:
    """The first look: personal values are met, nothing changes."""

    inventor: Anonymizer

    def visit_text(self, text: str, kind: PersonalKind | None, path: tuple[str, ...]) -> str:
        """Meet a text."""
        if kind is not None and text.strip():
            self.inventor.replacement_of(kind, text)
        else:
            for found in EMAIL.findall(text):
                self.inventor.replacement_of(PersonalKind.EMAIL, found)
            _anonymize_url(text, path, self)
        return text

    def visit_number(self, number: int | Decimal, kind: PersonalKind | None) -> int | Decimal:
        """Meet a number."""
        if kind is not None and number:
            self.inventor.replacement_of(kind, str(number))
        return number


@dataclass(frozen=True, slots=True)
class ReplacePass:
    """The second look: what was met is replaced, also where nothing but its look says that it is the same."""

    inventor: Anonymizer

    def visit_text(self, text: str, kind: PersonalKind | None, path: tuple[str, ...]) -> str:
        """A text, its replacement, or the text with parts of it replaced."""
        known = self.inventor.known
        if text in known and (kind is not None or (len(text) >= _WHOLE and not is_impersonal(path))):
            return known[text]
        if kind is not None:
            return self.inventor.replacement_of(kind, text) if text.strip() else text
        if is_impersonal(path):
            return text
        return self._replace_within(_anonymize_url(text, path, self))

    def visit_number(self, number: int | Decimal, kind: PersonalKind | None) -> int | Decimal:
        """A number, or its replacement."""
        text = str(number)
        if text not in self.inventor.known or (kind is None and (isinstance(number, Decimal) or len(text) < _WITHIN)):
            return number
        return type(number)(self.inventor.known[text])

    def _replace_within(self, text: str) -> str:
        parts = [known for known in self.inventor.known if len(known) >= _WITHIN and known in text]
        for known in sorted(parts, key=len, reverse=True):
            made = self.inventor.known[known].replace("\\", r"\\")
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(known)}(?![A-Za-z0-9])", made, text)
        return text


def _named_element(element: Mapping[str, Json]) -> str | None:
    """The name that an element of a list of names and values says for its value."""
    return next((name for key in NAMED_BY if isinstance(name := element.get(key), str)), None)


def _anonymize_url(text: str, path: tuple[str, ...], how: CollectPass | ReplacePass) -> str:
    """An address with what is personal in its path and query replaced; any other text as it is."""
    if not (text.startswith(("http://", "https://")) or (text.startswith("/") and "?" in text)):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    query = [
        (name, how.visit_text(value, kind_of((*path, name), value, {}, opaque=True), (*path, name)))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    told = "&".join(f"{quote(name)}={quote(value)}" for name, value in query)
    steps = [
        how.visit_text(step, PersonalKind.SECRET if _OPAQUE.fullmatch(step) else None, path)
        for step in unquote(parts.path).split("/")
    ]
    same = query == parse_qsl(parts.query, keep_blank_values=True)
    where = parts.path if steps == unquote(parts.path).split("/") else quote("/".join(steps))
    return urlunsplit((parts.scheme, parts.netloc, where, parts.query if same else told, parts.fragment))


def anonymize_form(text: str, inventor: Anonymizer) -> str:
    """The body of a form with every value that was met replaced."""
    fields = parse_qsl(text, keep_blank_values=True)
    for name, value in fields:
        inventor.learn_values({name: value})
    return urlencode([(name, str(inventor.replace_values({name: value})[name])) for name, value in fields])


# --------------------------------------------------------------------------------------------------------- invention


def _seed_of(kind: PersonalKind, number: int) -> Random:
    return Random(f"{kind} {number}")  # noqa: S311  nothing here has to be hard to guess


def _make_words(kind: PersonalKind, text: str, number: int) -> str:
    match kind:
        case PersonalKind.EMAIL:
            return f"{_FIRST[number % len(_FIRST)].lower()}.{number}@example.com"
        case PersonalKind.IP:
            return _make_ip(text, number)
        case PersonalKind.AGENT:
            return f"Mozilla/5.0 (example {number})"
        case PersonalKind.SPOT:
            return _make_coordinate(text, number)
        case _:
            return " ".join(["example"] * min(len(text.split()), 8)) + f" {number}"


def _make_ip(text: str, number: int) -> str:
    if ipaddress.ip_address(text).version == 4:  # noqa: PLR2004  the version's name
        return f"203.0.113.{number}" if number < 255 else f"198.51.100.{number % 255}"  # noqa: PLR2004  the last of a /24
    return f"2001:db8::{number:x}"


def _make_coordinate(text: str, number: int) -> str:
    """A coordinate with as many digits behind the point."""
    return f"{10 + number % 10}.{'123456789' * 3}"[: 3 + len(text.partition(".")[2])] if "." in text else str(number)


def _make_shaped(text: str, seed: Random) -> str:
    """Letters for letters, digits for digits; what begins an id stays."""
    found = _PREFIX.match(text)
    kept = found[0] if found and found.end() < len(text) else ""
    rest = [_make_character(each, seed, first=place == 0 and not kept) for place, each in enumerate(text[len(kept) :])]
    return kept + "".join(rest)


def _make_character(each: str, seed: Random, *, first: bool) -> str:
    if each.isdecimal():
        return seed.choice("123456789") if first else seed.choice("0123456789")
    if each.isalpha():
        letter = seed.choice("abcdefghijklmnopqrstuvwxyz")
        return letter.upper() if each.isupper() else letter
    return each
