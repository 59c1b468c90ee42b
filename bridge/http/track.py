"""POST /v1/track and /v1/track/batch: find the API key, check its rate, validate the events, keep them, answer.

Nothing is answered 200 before it is on disk, and nothing of a batch is kept when one of its events is invalid.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from time import monotonic, perf_counter
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import ExceptionHandler

from bridge import contract
from bridge.core import dedupe_keys, json_text, log
from bridge.core.errors import IdempotencyConflict, NotAnEvent, StoreUnavailable, error_location
from bridge.core.json_text import Json
from bridge.core.model import Accepted, Event, Route, Routed
from bridge.http import body
from bridge.http.api_keys import ApiKeys, Caller
from bridge.http.body_budget import BodyBudget, BudgetExceeded
from bridge.http.track_endpoints import BATCH, ONE, TrackEndpoint, TrackRefusal
from bridge.status import refusal_remedies
from bridge.store.protocol import Idempotency, Store

__all__ = [
    "EXCEPTION_HANDLERS",
    "ApiKeys",
    "Caller",
    "TrackMetrics",
    "track_routes",
]

TOLD = 5
"""Problems of one event that its message lists; the rest are counted."""
IN_LOOP = 128 * 1024
"""Bytes of a body that is read in the event loop: 2 ms for a hundred ordinary events, 10 ms for the slowest body.

With threads for batches of that size, half as many events were taken."""
COME_AGAIN = 5
"""Seconds after which a caller may send again where the store gives none."""

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


class TrackMetrics(Protocol):
    """Counts requests to the track API."""

    def count_track_request(self, endpoint: str, status: int, *, key: str | None, events: int, seconds: float) -> None:
        """A request to an endpoint was answered with a status; `events` of it were taken.

        `key` is the name of the caller's API key, None for an unknown caller.
        """
        ...


def track_routes(  # noqa: PLR0913  what it knows of the world, all by name
    *,
    store: Store,
    api_keys: ApiKeys,
    route: Callable[[Event, Caller], tuple[Route, ...]],
    clock: Callable[[], datetime],
    nonce: Callable[[], str],
    notify: Callable[[], None],
    metrics: TrackMetrics,
    budget: BodyBudget | None = None,
    ticks: Callable[[], float] = monotonic,
    patience: float = body.PATIENCE,
) -> list[HttpRoute]:
    """Both endpoints.

    `route` decides where a caller's event goes, `nonce` makes 12 random letters of [a-z0-9], `notify` is called when
    events were taken. `budget` is what bodies of all endpoints hold together. `ticks` is a clock in seconds that never
    goes back, for the rate; `patience` is how many seconds a body may take.
    """
    track = TrackHandler(store, api_keys, route, clock, nonce, notify, metrics, budget or BodyBudget(), ticks, patience)
    return [
        HttpRoute(ONE.path, track.handle_event, methods=["POST"]),
        HttpRoute(BATCH.path, track.handle_batch, methods=["POST"]),
    ]


# ---------------------------------------------------------------------------------------------------- one request


@dataclass(slots=True)
class TrackHandler:
    """Answers both endpoints; `track_routes` describes its parts."""

    store: Store
    callers: ApiKeys
    route: Callable[[Event, Caller], tuple[Route, ...]]
    clock: Callable[[], datetime]
    nonce: Callable[[], str]
    notify: Callable[[], None]
    metrics: TrackMetrics
    budget: BodyBudget
    ticks: Callable[[], float]
    patience: float
    seldom: log.RateLimitedLog = field(default_factory=log.RateLimitedLog)
    reading_large: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def handle_event(self, http: HttpRequest) -> Response:
        """POST /v1/track."""
        return await self._answer_request(http, ONE)

    async def handle_batch(self, http: HttpRequest) -> Response:
        """POST /v1/track/batch."""
        return await self._answer_request(http, BATCH)

    async def _answer_request(self, http: HttpRequest, endpoint: TrackEndpoint) -> Response:
        """The answer to one request, whatever it is."""
        began = perf_counter()
        accepted: Sequence[Accepted] = ()
        caller: Caller | None = None
        try:
            caller = self._find_caller(http)
            accepted = await self._accept_request(http, endpoint, caller)
            response = _json_response(200, endpoint.answer(accepted))
        except TrackRefusal as refusal:
            response = _json_response(refusal.status, refusal.answer, refusal.headers)
            response = body.answer_unread(http.headers, response) if refusal.reason else response
            self._tell_refused(refusal.reason, caller)
        except body.BodyError as error:
            if isinstance(error, BudgetExceeded):
                self.seldom.warn("track.no_room", now=self.clock(), why=error.why)
            self._tell_refused(error.reason, caller)
            response = body.answer_unread(http.headers, _error_response(error.status, str(error), error.headers))
        except Exception as error:  # noqa: BLE001  a caller gets JSON, whatever is wrong with us
            response = await _fault_response(http, error)
        seconds = perf_counter() - began
        name = caller.name if caller else None
        self.metrics.count_track_request(
            endpoint.path, response.status_code, key=name, events=len(accepted), seconds=seconds
        )  # fmt: skip
        return response

    async def _accept_request(self, http: HttpRequest, endpoint: TrackEndpoint, caller: Caller) -> Sequence[Accepted]:
        self._check_rate(caller)
        body.require_unencoded(http.headers)
        with self.budget.claim_for() as claim:  # a caller with a key has no share
            content = await body.read_body(
                http.receive, http.scope, claim=claim, limit=contract.REQUEST_BYTES, seconds=self.patience
            )
            return await self._keep_events(http, endpoint, caller, content)

    async def _keep_events(
        self, http: HttpRequest, endpoint: TrackEndpoint, caller: Caller, content: bytes
    ) -> Sequence[Accepted]:
        idempotency = _read_idempotency(http, caller, endpoint, content)
        now = self.clock()
        events = await self._read_body_events(content, caller, endpoint, now)
        routed = [Routed(event, self.route(event, caller)) for event in events]
        try:
            accepted = await self.store.accept_events(routed, now=now, idempotency=idempotency)
        except IdempotencyConflict:
            raise TrackRefusal(422, "this Idempotency-Key was sent with another body before; use a new key") from None
        except StoreUnavailable as error:
            raise self._unavailable_response(error, now) from None
        self.notify()
        log.log_lines(
            "event.taken",
            [
                {
                    "id": one.event_id, "key": caller.name, "type": log.mask_event_type(event.event_type),
                    "test": event.test or None, "duplicate_of": one.duplicate_of, "given": one.given_event_id,
                }
                for event, one in zip(events, accepted, strict=True)
            ],
        )  # fmt: skip
        return accepted

    def _find_caller(self, http: HttpRequest) -> Caller:
        key = _api_key_of(http)
        caller = self.callers.find_caller(key) if key is not None else None
        if caller is None:
            error = "Invalid API key" if key is not None else "no API key; send it as `Authorization: Bearer KEY`"
            reason = "wrong_key" if key is not None else "no_key"
            raise TrackRefusal(401, error, headers={"WWW-Authenticate": "Bearer"}, reason=reason)
        return caller

    def _check_rate(self, caller: Caller) -> None:
        wait = ceil(caller.window.acquire(self.ticks()))
        if wait:
            error = f"over the rate of requests a minute; send it again in {wait} s"
            raise TrackRefusal(429, error, headers={"Retry-After": str(wait)}, reason="rate")

    async def _read_body_events(
        self, content: bytes, caller: Caller, endpoint: TrackEndpoint, now: datetime
    ) -> list[Event]:
        """The events of a body; a large one is read in a thread, so that other requests are answered meanwhile.

        1 MB of many small values takes 30 to 500 ms. Beside two callers who send nothing else, a small request is
        answered within 60 to 200 ms (95th percentile, by what they send); without the thread it takes 120 to 1400 ms.
        One body at a time: each thread more would let the event loop wait for another 5 ms, Python's switch interval,
        whenever it goes on.
        """
        if len(content) <= IN_LOOP:
            return self._read_events(content, caller, endpoint, now)
        async with self.reading_large:
            return await asyncio.to_thread(self._read_events, content, caller, endpoint, now)

    def _read_events(self, content: bytes, caller: Caller, endpoint: TrackEndpoint, now: datetime) -> list[Event]:
        documents = endpoint.documents(_parse_content(content))
        plain = contract.is_plain(content)
        origin = caller.origin
        events: list[Event] = []
        wrong: dict[int, str] = {}
        for index, document in enumerate(documents):
            named = isinstance(document, dict) and document.get("event_id")
            try:
                events.append(
                    contract.validate_event(
                        document, origin=origin, scope=caller.scope, received_at=now,
                        default_id=named or contract.new_id(now, self.nonce()), plain=plain,
                    )
                )  # fmt: skip
            except NotAnEvent as error:
                wrong[index] = _problem_list(error)
        if wrong:
            raise endpoint.refusal(wrong, len(documents))
        return events

    def _tell_refused(self, reason: str | None, caller: Caller | None) -> None:
        if reason in refusal_remedies.TRACK:
            key = caller.name if caller else None
            self.seldom.warn(
                "track.refused", now=self.clock(), key=key, reason=reason, mend=refusal_remedies.TRACK[reason]
            )

    def _unavailable_response(self, error: StoreUnavailable, now: datetime) -> TrackRefusal:
        self.seldom.warn("track.unavailable", now=now, why=str(error))
        wait = COME_AGAIN if error.retry_after is None else ceil(error.retry_after.total_seconds())
        return TrackRefusal(503, "cannot be kept now; send it again later", headers={"Retry-After": str(max(1, wait))})


def _api_key_of(http: HttpRequest) -> bytes | None:
    """The API key of a request, None for none. Two headers of a kind are no valid key."""
    bearers = [word for header in http.headers.getlist("authorization") if (word := _bearer_token(header)) is not None]
    given = bearers or [value.encode() for value in http.query_params.getlist("api_key")]
    return given[0] if len(given) == 1 else b"" if given else None


def _bearer_token(header: str) -> bytes | None:
    scheme, _, word = header.partition(" ")
    return word.strip().encode("latin-1") if scheme.lower() == "bearer" else None


def _read_idempotency(http: HttpRequest, caller: Caller, endpoint: TrackEndpoint, content: bytes) -> Idempotency | None:
    keys = http.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise TrackRefusal(400, "an Idempotency-Key is one header of 1 to 255 visible ASCII characters")
    return Idempotency(
        key=dedupe_keys.idempotency_key(dedupe_keys.scope_name(caller.scope), endpoint.path, keys[0]),
        body_hash=hashlib.sha256(content).digest(),
        former=dedupe_keys.idempotency_key(caller.origin, endpoint.path, keys[0]),
    )


def _parse_content(content: bytes) -> Json:
    if not content:
        raise TrackRefusal(400, "the body is empty; send JSON")
    try:
        return json_text.parse_json(content)
    except ValueError as error:
        raise TrackRefusal(400, f"the body is no JSON that can be taken: {error}") from None


def _problem_list(error: NotAnEvent) -> str:
    texts = [problem.text for problem in error.problems]
    return "; ".join(texts[:TOLD] + ([f"and {len(texts) - TOLD} more"] if len(texts) > TOLD else []))


# -------------------------------------------------------------------------------------------------------- answers


async def no_route(http: HttpRequest, error: Exception) -> Response:
    """The answer where no route takes the request: an unknown path, another method."""
    if not isinstance(error, HTTPException):
        return await _fault_response(http, error)
    headers = dict(error.headers or {})
    words = {404: "there is nothing at this address", 405: f"this address takes {headers.get('Allow', 'POST')}"}
    return body.answer_unread(
        http.headers, _error_response(error.status_code, words.get(error.status_code, error.detail), headers)
    )


async def _fault_response(_http: HttpRequest, error: Exception) -> Response:
    """The answer when the fault is ours: no detail to the caller, the kind of it in the log, once a minute.

    Callers can repeat one: such as an answer to a connection that they closed in the middle of pipelined requests.
    """
    _faults.warn("http.fault", now=datetime.now(UTC), error=type(error).__name__, at=error_location(error))
    return _error_response(500, "a fault of ours; send it again later")


EXCEPTION_HANDLERS: Mapping[type[Exception], ExceptionHandler] = {HTTPException: no_route, Exception: _fault_response}
"""What a Starlette application needs so that every answer is JSON of the contract's shape."""


_faults = log.RateLimitedLog()


def _error_response(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json_response(status, {"success": False, "error": error}, headers)


def _json_response(status: int, document: Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json_text.write_json(document), status, headers, media_type="application/json")
