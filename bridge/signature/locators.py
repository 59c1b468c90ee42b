"""Places in a request: `header:NAME`, `query:NAME`, `form:NAME`, `json:/pointer`. Reading them never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import Request

MAX_NAME = 1024
"""Characters of an id or a topic; what is longer is none."""
MAX_FIELDS = 10_000
"""Fields of a form; a body with more is read as no form."""


class LocatorRoot(StrEnum):
    """The part of a request that a locator looks in."""

    HEADER = "header"
    QUERY = "query"
    FORM = "form"
    JSON = "json"
    SIGNATURE = "signature"
    BODY_SHA256 = "body_sha256"


IN_HEAD = frozenset({LocatorRoot.HEADER, LocatorRoot.QUERY})
"""The parts that are there before a body is."""


@dataclass(frozen=True, slots=True)
class Locator:
    """One place in a request. `name` is lower-case for headers; `written` is the name as the recipe spells it."""

    root: LocatorRoot
    name: str = ""
    pointer: tuple[str, ...] = ()
    written: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.root}:{self.written}" if self.written else str(self.root)


class NothingFound:
    """What is where there is nothing; JSON's null is something else."""


NOTHING: Final = NothingFound()


def parse_locator(text: str) -> Locator:
    """The place that `text` names. Raises ValueError with a sentence that says what a locator looks like."""
    if text == LocatorRoot.BODY_SHA256:
        return Locator(LocatorRoot.BODY_SHA256)
    root, colon, name = text.partition(":")
    if not colon or root not in _NAMED:
        raise ValueError(
            f"{text!r} is no place in a request; write header:NAME, query:NAME, form:NAME or json:/pointer"
        )
    if root == LocatorRoot.JSON:
        return Locator(LocatorRoot.JSON, pointer=parse_pointer(name), written=name)
    if not name or (root == LocatorRoot.HEADER and not _HEADER_NAME.fullmatch(name)):
        raise ValueError(f"{text!r} names no {root}; write {root}:NAME")
    return Locator(LocatorRoot(root), name.lower() if root == LocatorRoot.HEADER else name, written=name)


def parse_pointer(text: str) -> tuple[str, ...]:
    """The steps of a JSON pointer (RFC 6901). Raises ValueError for text that is none, or that names no field."""
    if not text.startswith("/") or text == "/":
        raise ValueError(f"{text!r} is no JSON pointer to a field; write it like /data/id")
    if _BAD_ESCAPE.search(text):
        raise ValueError(f"{text!r} is no JSON pointer: ~ stands only in ~0 (for ~) and ~1 (for /)")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def format_pointer(steps: tuple[str | int, ...]) -> str:
    """The JSON pointer of `steps`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def value_at(document: Json, steps: tuple[str, ...]) -> Json:
    """The value at a pointer of a document, or NOTHING."""
    for step in steps:
        if isinstance(document, dict):
            document = document.get(step, NOTHING)
        elif isinstance(document, list) and _INDEX.fullmatch(step) and int(step) < len(document):
            document = document[int(step)]
        else:
            return NOTHING
    return document


def scalar_text(value: Json) -> str | None:
    """A JSON scalar as text: integers in decimal, booleans `true` and `false`. None for null and everything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case _:
            return None


class RequestView:
    """A request that is being looked into. Its body is parsed at most once, and only when somebody asks.

    `headers` are the request's by lower-case name, those that are several times joined.
    """

    __slots__ = ("_document", "_form", "headers", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.headers = dict(request.headers)
        if len(self.headers) < len(request.headers):
            self.headers = _join_headers(request.headers)
        self._document: Json = _UNREAD
        self._form: list[tuple[str, str]] | None = None

    @property
    def json_document(self) -> Json:
        """The body as JSON, NOTHING where it is none."""
        if self._document is _UNREAD:
            try:
                self._document = json_text.parse_json(self.request.body, strict=False)
            except ValueError:
                self._document = NOTHING
        return self._document

    @property
    def form_fields(self) -> list[tuple[str, str]]:
        """The body's form fields in order; bytes that are no UTF-8 are in them as surrogate escapes."""
        if self._form is None:
            text = self.request.body.decode("utf-8", "surrogateescape")
            try:
                fields = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS)
            except ValueError:
                fields = []
            self._form = fields
        return self._form

    def values_at(self, place: Locator, within: Json = NOTHING) -> list[str]:
        """Every text at a place: several where a header or a field is more than once.

        A JSON place is looked for `within` an item where one is given, else in the whole body.
        """
        match place.root:
            case LocatorRoot.HEADER:
                return self._header_values(place.name)
            case LocatorRoot.QUERY:
                return [value for name, value in self.request.query if name == place.name]
            case LocatorRoot.FORM:
                return [value for name, value in self.form_fields if name == place.name]
            case LocatorRoot.JSON:
                text = scalar_text(self.json_at(place, within))
                return [] if text is None else [text]
            case LocatorRoot.SIGNATURE | LocatorRoot.BODY_SHA256:
                return []

    def json_at(self, place: Locator, within: Json = NOTHING) -> Json:
        """The value at a JSON place, `within` an item where one is given."""
        return value_at(self.json_document if within is NOTHING else within, place.pointer)

    def _header_values(self, name: str) -> list[str]:
        if len(self.headers) < len(self.request.headers):
            return [value for key, value in self.request.headers if key == name]
        return [self.headers[name]] if name in self.headers else []

    def name_at(self, place: Locator, within: Json = NOTHING, *, trim: bool = False) -> str | None:
        """The text at a place if it can name something: not blank, not endless, no control characters, no surrogates.

        A header that is several times is joined as HTTP allows; of a field that does, the first counts. With
        `trim`, blanks around the text are no part of it.
        """
        if place.root is LocatorRoot.HEADER:
            text = self.headers.get(place.name)
        else:
            text = next(iter(self.values_at(place, within)), None)
        if trim and text:
            text = text.strip()
        return text if text and _can_name(text) else None


def raw_bytes(place: Locator, text: str) -> bytes:
    """The bytes as which a text arrived at a place: what a signature covers."""
    if place.root is LocatorRoot.HEADER:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "surrogateescape" if place.root is LocatorRoot.FORM else "surrogatepass")


_NAMED = (LocatorRoot.HEADER, LocatorRoot.QUERY, LocatorRoot.FORM, LocatorRoot.JSON, LocatorRoot.SIGNATURE)
_UNREAD: Final = NothingFound()
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_ESCAPE = re.compile(r"~(?![01])")
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def _join_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: ", ".join(texts) for name, texts in values.items()}


def _can_name(text: str) -> bool:
    return len(text) <= MAX_NAME and not text.isspace() and _UNFIT.search(text) is None
