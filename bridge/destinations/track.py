"""The kind `track`: any endpoint of the track API, which takes events in batches. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from bridge.core import json_text
from bridge.core.delivery import Delivered, Delivery, Misconfigured, Outcome, Outgoing, Rejected, Response, Retryable
from bridge.core.errors import SettingsError
from bridge.core.model import Event
from bridge.destinations import retry_after
from bridge.destinations.answer_words import cut_words, status_text
from bridge.destinations.option_values import read_number, read_switch
from bridge.destinations.protocol import MOST_RETRY_AFTER

PATH = "/v1/track/batch"
MOST_EVENTS = 100
MOST_BYTES = 1_048_576
MOST_LANES = 64

_HEAD, _TAIL = b'{"events":[', b"]}"
_REFUSED = frozenset({400, 413, 422})
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class TrackDestination:
    """One endpoint of the track API. `url` is its address, with or without `/v1/track`.

    A `test` destination takes test events and nothing else. Raises SettingsError for what cannot be used.
    """

    name: str
    url: str
    api_key: str = field(repr=False)
    rate: int = 1000
    test: bool = False
    batch: int = MOST_EVENTS
    concurrency: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _batch_url(self.name, self.url))
        if not re.fullmatch(r"[!-~]+", self.api_key):
            raise SettingsError(
                f"destination `{self.name}`: api_key must be visible ASCII without blanks; copy it again"
            )
        self._bounded_option("rate", self.rate, least=0, most=1_000_000)
        self._bounded_option("batch", self.batch, least=1, most=MOST_EVENTS)
        self._bounded_option("concurrency", self.concurrency, least=1, most=MOST_LANES)

    @classmethod
    def from_options(cls, name: str, options: Mapping[str, object]) -> TrackDestination:
        """One from options as settings hold them, mostly text. Raises SettingsError."""
        for option in ("url", "api_key"):
            if not str(options.get(option) or "").strip():
                raise SettingsError(f"destination `{name}` needs `{option}`; set it")
        return cls(
            name=name,
            url=str(options["url"]).strip(),
            api_key=str(options["api_key"]).strip(),
            rate=read_number(name, "rate", options.get("rate", 1000)),
            test=read_switch(name, "test", options.get("test", False)),
            batch=read_number(name, "batch", options.get("batch", MOST_EVENTS)),
            concurrency=read_number(name, "concurrency", options.get("concurrency", 1)),
        )

    @property
    def is_costly(self) -> bool:
        """A batch is put together in a moment."""
        return False

    @property
    def quotes_answers(self) -> bool:
        """It is paused for reasons in words of this file."""
        return False

    @property
    def address(self) -> str:
        """Where it posts to; holds neither key nor query."""
        return self.url

    def skip_reason(self, event: Event) -> str | None:
        """Why this event is not for it, or None where it is."""
        if event.test == self.test:
            return None
        return "test event" if event.test else "not a test event"

    def make_requests(
        self,
        deliveries: Sequence[Delivery],
        *,
        now: datetime,  # noqa: ARG002  a batch does not depend on the time
    ) -> tuple[Outgoing, ...]:
        """The requests that carry these, in order, each within the upstream's limits.

        An event that is too large by itself goes alone, so that the upstream refuses it and no other.
        """
        return tuple(
            Outgoing(self.url, self._headers(), _batch_body(group), tuple(group))
            for group in _pack_requests(deliveries, self.batch)
        )

    def check_request(self) -> Outgoing:
        """An empty batch: 400 means that the key is good, 401 that it is not."""
        return Outgoing(self.url, self._headers(), _HEAD + _TAIL, ())

    def _headers(self) -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.api_key}",
            "content-type": "application/json",
            "accept": "application/json",
        }

    def read_response(self, response: Response, *, sent: int, now: datetime) -> Outcome:  # noqa: ARG002  one event or many: the answers mean the same
        """What an answer means. A reason is a few words that begin with the status.

        | answer | meaning |
        |---|---|
        | 2xx with a JSON object | Delivered; Rejected if it says `"success": false`; Misconfigured if it is no object |
        | 400, 413, 422 | Rejected: sending the same again would not help |
        | 408, 425, 429 | Retryable, after `Retry-After` if it is given |
        | 5xx | the same, and it counts for the circuit breaker |
        | none | Retryable, and it counts for the circuit breaker |
        | any other, such as 401, 403, 404 and 3xx | Misconfigured: the destination is paused |
        """
        status = response.status
        if status is None:
            return Retryable(response.failure or "no answer", breaks=True)
        told = status_text(status)
        if status in _LATER or 500 <= status < 600:  # noqa: PLR2004  the class of server errors
            wait = retry_after.read_retry_after(response.headers.get("retry-after"), now=now, most=MOST_RETRY_AFTER)
            return Retryable(told, wait, breaks=status not in _LATER)
        if status in _REFUSED:
            return Rejected(_with_words(told, response.text))
        if 200 <= status < 300:  # noqa: PLR2004  the class of success
            return _read_success(told, response.text)
        return Misconfigured(f"{told}: {_remedy_for(status)}")

    def _bounded_option(self, option: str, value: int, *, least: int, most: int) -> None:
        if not least <= value <= most:
            raise SettingsError(f"destination `{self.name}`: {option} must be from {least} to {most}")


# -------------------------------------------------------------------------------------------------------- options


def _batch_url(name: str, url: str) -> str:
    """The address that batches are posted to. No message repeats the url: it may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError(f"destination `{name}`: url must begin with https:// or http:// and name a host")
    if "@" in parts.netloc:
        raise SettingsError(f"destination `{name}`: url must hold no user or password; set the key as api_key")
    if "?" in url or "#" in url:
        raise SettingsError(f"destination `{name}`: url must have no query and no fragment; set the key as api_key")
    root = re.sub(r"/+(?:v1/track(?:/batch)?/*)?$", "", f"{parts.path}/".replace("//", "/"))
    whole = f"{parts.scheme}://{parts.netloc}{root}{PATH}"
    try:
        fits = bool(httpx.URL(whole).host) and parts.port != 0 and not re.search(r"[\s\\]", whole)
    except (httpx.InvalidURL, ValueError):
        fits = False
    if not fits:
        raise SettingsError(f"destination `{name}`: url names no host or port that there could be; check it")
    return whole


# ------------------------------------------------------------------------------------------------------- requests


def _pack_requests(deliveries: Sequence[Delivery], most: int) -> Iterator[list[Delivery]]:
    group: list[Delivery] = []
    size = len(_HEAD) + len(_TAIL)
    for delivery in deliveries:
        more = len(delivery.text) + bool(group)  # the comma
        if group and (len(group) == most or size + more > MOST_BYTES):
            yield group
            group, size, more = [], len(_HEAD) + len(_TAIL), len(delivery.text)
        group.append(delivery)
        size += more
    if group:
        yield group


def _batch_body(group: Sequence[Delivery]) -> bytes:
    """The batch's JSON, put together in one go: each copy of some 200 KB costs as much as all else here."""
    texts = [delivery.text for delivery in group]
    texts[0] = _HEAD + texts[0]
    texts[-1] += _TAIL
    return b",".join(texts)


# -------------------------------------------------------------------------------------------------------- answers


def _read_success(told: str, text: str) -> Outcome:
    document = _parse_document(text)
    if not isinstance(document, dict):
        return Misconfigured(f"{told} without a JSON object: no answer of the track API; check url")
    if document.get("success") is False:
        return Rejected(_with_words(f"{told} with success false", text))
    return Delivered()


def _remedy_for(status: int) -> str:
    match status:
        case 401 | 403:
            return "the key is not accepted; check api_key"
        case _ if 300 <= status < 400:  # noqa: PLR2004  the class of redirects
            return "a redirect, which is never followed; set the final url"
        case 404 | 405 | 410:
            return "there is no track API at this address; check url"
        case _:
            return "the destination is not set as it should be"


def _with_words(told: str, text: str) -> str:
    """What the destination says is wrong: its `error`, or the beginning of its answer; nothing unprintable."""
    document = _parse_document(text)
    words = _error_of(document) if isinstance(document, dict) else text
    seen = cut_words(words)
    return f"{told}: {seen}" if seen else told


def _error_of(document: json_text.Json) -> str:
    """The error of the one event, where the answer has one for each, else that of the request."""
    errors = document.get("errors")
    if isinstance(errors, list) and len(errors) == 1 and isinstance(errors[0], dict):
        document = {"error": document.get("error")} | errors[0]
    error = document.get("error")
    return error if isinstance(error, str) else _spell_document(document if error is None else error)


def _spell_document(document: json_text.Json) -> str:
    try:
        return json_text.write_json(document).decode()
    except ValueError:
        return ""


def _parse_document(text: str) -> json_text.Json:
    try:
        return json_text.parse_json(text.removeprefix("\ufeff"), strict=False)
    except ValueError:
        return None
