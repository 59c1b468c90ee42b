"""Builds the request around items: address, headers, body, authentication, and the secrets that are in any of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx

from bridge.core import json_text
from bridge.core.access_token import RotatingTokenSource, TokenSource
from bridge.core.delivery import Delivery, Outgoing
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.masked import masked_headers
from bridge.destinations.engine.oauth2_tokens import TokenOwner
from bridge.destinations.engine.options import DeclaredOptions, check_address
from bridge.destinations.engine.signing import SignedHeaders, Unsigned, sign_request
from bridge.destinations.language import Platform
from bridge.destinations.language.program import PlatformFrame
from bridge.mapping.expressions.runtime import CannotEvaluate

MOST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read: one that tells of each of some thousand items has no place in less."""
_UNSEEN = re.compile(r"[^ -~]")
_ORIGIN = re.compile(r"https?://[^/'{}]+")
_READS_DATA = re.compile(r"\b(?:items|event)\b")
_VARS = re.compile(r"\bdestination\.vars\.(\w+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_FAULTS = (CannotEvaluate, ValueError, ArithmeticError, RecursionError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Item:
    """What an event became for a platform; `event` is what it was made from, `notes` name fields that were left out."""

    content: dict[str, Json]
    event: dict[str, Json]
    rule: int = 0
    """The place of the entry of `send` that made it."""
    together: Json = None
    notes: tuple[str, ...] = ()


class RequestFault(Exception):
    """A request cannot be built; the text says why and holds no value."""


class RequestBuilder:
    """Builds the requests of one destination."""

    def __init__(
        self,
        platform: Platform,
        name: str,
        options: DeclaredOptions,
        root: dict[str, Json],
        *,
        masked: bool = False,
    ) -> None:
        self._name = name
        self._text = platform.text
        self._program = platform.program
        self._code = platform.program.request
        self._options = options
        self._root = root
        self._masked = masked
        request = platform.parts.request
        self._method = request.method if request is not None else "POST"
        self._format = request.format if request is not None else "json"
        self._url_text = request.url.text if request is not None else ""
        self._secrets = tuple((key, value) for key, value in options.secrets.items() if value)
        self._fixed_headers = {"content-type": _TYPES[self._format], "accept": "application/json"}
        self.address = self._public_address()

    def note_text(self, field: str, error: Exception) -> str:
        """Where and why a value cannot be worked out; never the value."""
        reason = error.text if isinstance(error, CannotEvaluate) else f"cannot be worked out ({type(error).__name__})"
        spot = self._program.compiled.find_place(error.__traceback__)
        place = f"{spot[0].location_at(spot[1])}: " if spot is not None else ""
        return f"{place}{reason}; {field} is left out" if field != "item" else f"{place}{reason}"

    def check_start(self) -> None:
        """Refuse what no request could be made with: an address, a secret. Raises SettingsError."""
        check_address(self._name, self.address, insecure_http=self._options.insecure_http)
        try:
            self.read_token_source()
        except SettingsError as error:
            raise SettingsError(f"destination `{self._name}`: {error}") from None
        except _FAULTS as error:
            raise SettingsError(f"destination `{self._name}`: {self.note_text('item', error)}") from None

    def read_token_source(self) -> TokenSource | RotatingTokenSource | None:
        """Where the access token of its requests comes from. Raises what a request with a wrong secret would raise."""
        unsigned = Unsigned(self._method, self.address, b"", ("evt_0",))
        return self._sign(self._code.auth(self._frame(())), unsigned, _EPOCH).token_source

    def build_request(self, group: Sequence[tuple[Delivery, Item]], *, now: datetime) -> Outgoing:
        """The request that carries a group. Raises RequestFault."""
        try:
            return self._build(group, now)
        except (*_FAULTS, SettingsError) as error:
            told = str(error) if isinstance(error, SettingsError) else self.note_text("item", error)
            raise RequestFault(f"the request cannot be built: {told}") from None

    def _build(self, group: Sequence[tuple[Delivery, Item]], now: datetime) -> Outgoing:
        frame = self._frame([item.content for _, item in group], event=group[0][1].event)
        url = _as_address(self._code.url(frame))
        body = self._write_body(self._code.body(frame))
        unsigned = Unsigned(self._method, url, body, [one.event_id for one, _ in group])
        signed = self._sign(self._code.auth(frame), unsigned, now)
        given = _clean_headers(self._code.headers(frame))
        return Outgoing(
            self._replace_origin(url),
            {**self._fixed_headers, **given, **signed.headers},
            body,
            tuple(delivery for delivery, _ in group),
            method=self._method,
            secrets=(*self._secrets, *signed.secrets),
            most_answer=MOST_ANSWER,
            token_source=signed.token_source,
            made_by=self._text,
        )

    def build_verdict_request(self, note: str, *, now: datetime) -> Outgoing:
        """The question what became of the request whose answer left this note. Raises RequestFault."""
        verdict = self._program.verdict
        if verdict is None:
            raise RequestFault("its destination file has no `verdict`")
        try:
            frame = self._frame((), event={}, note=note)
            url = _as_address(verdict.url(frame))
            signed = self._sign(self._code.auth(frame), Unsigned("GET", url, b"", (note,)), now)
            headers = {**self._fixed_headers, **_clean_headers(self._code.headers(frame)), **signed.headers}
        except (*_FAULTS, SettingsError) as error:
            told = str(error) if isinstance(error, SettingsError) else self.note_text("item", error)
            raise RequestFault(f"the question cannot be built: {told}") from None
        secrets = (*self._secrets, *signed.secrets)
        return Outgoing(
            self._replace_origin(url), headers, b"", (), method="GET", secrets=secrets, most_answer=MOST_ANSWER,
            token_source=signed.token_source,
        )  # fmt: skip

    def _frame(
        self,
        items: Sequence[Json],
        *,
        event: Json = None,
        secrets: Mapping[str, str | None] | None = None,
        note: str = "",
    ) -> PlatformFrame:
        return PlatformFrame(
            destination=self._root,
            names=self._program.names,
            teller=self,
            event=event,
            items=items,
            secrets=self._options.secrets if secrets is None else secrets,
            note=note,
        )

    def _sign(self, parameters: dict[str, Json], request: Unsigned, now: datetime) -> SignedHeaders:
        if self._masked:
            return masked_headers(self._code.auth_kind, parameters or {}, request.ids)
        owner = TokenOwner(self._name, self._options.token_origin)
        return sign_request(self._code.auth_kind, parameters or {}, request, now=now, token_owner=owner)

    def _write_body(self, body: Json) -> bytes:
        if self._format == "json":
            return json_text.write_json(body)
        if not isinstance(body, dict):
            raise CannotEvaluate("a form's body must come out as an object")
        pairs = {key: value if isinstance(value, str) else json_text.write_json(value) for key, value in body.items()}
        return urlencode(pairs).encode()

    def _replace_origin(self, url: str) -> str:
        if self._options.origin is None:
            return url
        parts, origin = urlsplit(url), urlsplit(self._options.origin)
        return urlunsplit((origin.scheme, origin.netloc, parts.path, parts.query, ""))

    def _public_address(self) -> str:
        """Where it sends to, for people: no query, and secrets as their names."""
        masked = {key: f"[{key}]" for key in self._options.secrets}
        try:
            url = self._replace_origin(_as_address(self._code.url(self._frame((), event={}, secrets=masked))))
        except _FAULTS:
            origin = _ORIGIN.search(self._url_text)
            if origin is None or not _READS_DATA.search(self._url_text):
                names = ", ".join(dict.fromkeys(_VARS.findall(self._url_text))) or "url"
                raise SettingsError(
                    f"destination `{self._name}`: no address can be made of {names}; check how it is written"
                ) from None
            url = self._replace_origin(origin[0])  # behind the host it depends on each event
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _as_address(url: Json) -> str:
    """An address that a request can go to. Raises CannotEvaluate, and never repeats it."""
    if not isinstance(url, str) or re.search(r"[\s\\]", url.strip()):
        raise CannotEvaluate("the address must come out as a text without blanks")
    try:
        fits = bool(httpx.URL(url.strip()).host)
    except (httpx.InvalidURL, ValueError):
        fits = False
    if not fits:
        raise CannotEvaluate("the address must come out with https:// and a host")
    return url.strip()


def _clean_headers(headers: Mapping[str, Json] | None) -> dict[str, str]:
    """Headers with lower-case names; a value is cut to visible ASCII, and left out where nothing is left."""
    cleaned: dict[str, str] = {}
    for name, value in (headers or {}).items():
        text = value if isinstance(value, str) else json_text.write_json(value).decode()
        seen = _UNSEEN.sub("", text).strip()
        if seen:
            cleaned[name.lower()] = seen
    return cleaned
