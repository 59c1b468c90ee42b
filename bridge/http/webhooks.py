"""POST /webhooks/{source}: verify, keep, answer. Nothing is answered 200 before it is on disk.

A genuine webhook is never answered with an error because of a mapping, unless the mapping cannot say what is genuine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Protocol
from urllib.parse import parse_qsl

from msgspec.structs import replace
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.core import json_text, log
from bridge.core.errors import HeadersTooLarge, NotGenuine, StoreUnavailable
from bridge.core.model import Request, Webhook
from bridge.core.source import DefectEffect, Source
from bridge.http import body
from bridge.http.body_budget import BodyBudget, BudgetExceeded
from bridge.http.refusals import RefusalCounter
from bridge.status import refusal_remedies

PATH = "/webhooks/{source}"
COME_AGAIN = timedelta(minutes=1)
"""What a provider is asked to wait while a source has no secret; its own schedule decides all the same."""


class WebhookMetrics(Protocol):
    """Counts webhook requests: kept, challenge, refused:REASON, no_secret, mapping_broken, method, no_room, …."""

    def count_webhook_request(self, source: str, outcome: str, *, seconds: float) -> None:
        """One request to a source was answered with this outcome."""
        ...


class WebhookKeeper(Protocol):
    """Where webhooks are kept: a store, or what keeps them elsewhere while its server is away."""

    async def keep(self, webhooks: Sequence[Webhook]) -> None:
        """Keep the webhooks of one request, durably. Raises StoreUnavailable."""
        ...


class WebhookReceiver:
    """The endpoint of all sources."""

    def __init__(  # noqa: PLR0913  what it knows of the world, all by name
        self,
        *,
        sources: Callable[[], Mapping[str, Source]],
        store: WebhookKeeper,
        limit: int,
        budget: BodyBudget,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
        metrics: WebhookMetrics,
        refusals: RefusalCounter,
    ) -> None:
        self._refusals = refusals
        self._sources = sources
        self._store = store
        self._limit = limit
        self._budget = budget
        self._clock = clock
        self._notify = notify
        self._metrics = metrics
        self._seldom = log.RateLimitedLog()

    def webhook_routes(self) -> list[Route]:
        """The one route."""
        return [Route(PATH, self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever it is: an ASGI application, as the thinnest that a route can lead to."""
        began = perf_counter()
        source = self._sources().get(scope["path_params"]["source"])
        outcome, answer = (
            await self._judge_request(scope, receive, source)
            if source
            else ("unknown_source", _refuse_unread(scope, 404, _UNKNOWN))
        )
        await answer(scope, receive, send)
        self._metrics.count_webhook_request(source.name if source else "", outcome, seconds=perf_counter() - began)
        reason = outcome.removeprefix("refused:")
        if (
            reason in refusal_remedies.WEBHOOK
        ):  # without the name of an unknown source: any text, and each would be a kind
            self._seldom.warn(
                "webhook.refused", now=self._clock(), source=source.name if source else None,
                reason=reason, mend=refusal_remedies.WEBHOOK[reason],
            )  # fmt: skip
            if not source:
                self._refusals.count_unknown_path(scope)
            elif source.defect is None and (source.has_secret or _may_be_signed(scope, source)):
                self._refusals.count_refused(source.name, reason)

    async def _judge_request(self, scope: Scope, receive: Receive, source: Source) -> tuple[str, ASGIApp]:
        if source.defect is not None and source.defect.effect is DefectEffect.REFUSED:
            return "mapping_broken", _refuse_unread(scope, 503, _BROKEN, _retry_after(COME_AGAIN))
        method = scope["method"]
        if method != "POST" and not (method == "GET" and source.takes_get):
            allowed = "GET, POST" if source.takes_get else "POST"
            return "method", _refuse_unread(scope, 405, f"this address takes {allowed}", {"Allow": allowed})
        if not source.has_secret:
            return "no_secret", _refuse_unread(scope, 503, _NO_SECRET, _retry_after(COME_AGAIN))
        head = _request_head(scope)
        try:
            source.verify_head(head)
        except NotGenuine as error:
            outcome, answer = _refuse_request(error)
            return outcome, body.answer_unread(Headers(scope=scope), answer)
        return await self._read_and_judge(scope, receive, source, head)

    async def _read_and_judge(
        self, scope: Scope, receive: Receive, source: Source, head: Request
    ) -> tuple[str, ASGIApp]:
        """The answer to a request whose body must be read first."""
        now = self._clock()
        try:
            with self._budget.claim_for(scope) as claim:  # until it is kept: what waits for the disk is held, too
                content = await body.read_body(receive, scope, claim=claim, limit=self._limit)
                return await self._take_request(replace(head, body=content), source, now=now)
        except body.BodyError as error:
            return self._not_read(error, source), body.answer_unread(
                Headers(scope=scope), _error_response(error.status, str(error), error.headers)
            )
        except NotGenuine as error:
            self._refusals.note_skew(source.name, error.skew)
            return _refuse_request(error)
        except HeadersTooLarge as error:
            return "refused:headers", _error_response(431, str(error))
        except StoreUnavailable as error:
            self._seldom.warn("receive.unavailable", now=self._clock(), why=str(error))
            return "unavailable", _error_response(
                503, "cannot be kept now; send it again", _retry_after(error.retry_after)
            )

    def _not_read(self, error: body.BodyError, source: Source) -> str:
        if not isinstance(error, BudgetExceeded):
            return f"refused:{error.reason}"
        self._seldom.warn("receive.no_room", now=self._clock(), source=source.name, why=error.why)
        return "no_room"

    async def _take_request(self, request: Request, source: Source, *, now: datetime) -> tuple[str, ASGIApp]:
        reply = source.answer_challenge(request, now=now)
        if reply is not None:
            return "challenge", Response(reply.body, media_type=reply.content_type)
        if request.method == "GET":
            return "method", _error_response(405, "this address takes POST", {"Allow": "GET, POST"})
        webhooks = source.read_webhooks(request, now=now)
        await self._store.keep(webhooks)
        self._notify()
        return "kept", _send_kept


class DirectRoute:
    """Middleware that leads requests of one route to its endpoint, past what the routes behind it need.

    The router asks one route after the other, and those that Starlette wraps raise errors that it answers. This
    endpoint does not; an error that it raises all the same is answered outside of all middleware.
    """

    def __init__(self, app: ASGIApp, route: Route) -> None:
        self._app = app
        self._endpoint = route.app
        self._match = route.path_regex.match

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let others answer it."""
        found = self._match(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
        else:
            scope["path_params"] = found.groupdict()
            await self._endpoint(scope, receive, send)


async def _send_kept(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The answer to a webhook that is on disk."""
    await send(_KEPT_HEAD)
    await send(_KEPT_BODY)


_KEPT = json_text.write_json({"success": True})
_KEPT_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", str(len(_KEPT)).encode()), (b"content-type", b"application/json")],
}
_KEPT_BODY: Message = {"type": "http.response.body", "body": _KEPT}
_UNKNOWN = "no source of that name; see the addresses that serve prints at its start"
_BROKEN = "the mapping of this source has errors; the operator must mend it"
_NO_SECRET = "this source has no secret yet; the operator must set it"  # noqa: S105  a sentence, no secret


def _may_be_signed(scope: Scope, source: Source) -> bool:
    """Whether the head has what its provider sends, so that a stranger's request for no reason counts for nothing."""
    try:
        source.verify_head(_request_head(scope))
    except NotGenuine as error:
        return error.reason != "missing"
    return True


def _request_head(scope: Scope) -> Request:
    """The request without its body; ASGI gives names of headers in lower case."""
    query = scope["query_string"].decode("latin-1")
    return Request(
        method=scope["method"],
        headers=tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]),
        query=tuple(parse_qsl(query, keep_blank_values=True)) if query else (),
        query_string=query,
    )


def _refuse_unread(scope: Scope, status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal before the body was read."""
    return body.answer_unread(Headers(scope=scope), _error_response(status, error, headers))


def _refuse_request(error: NotGenuine) -> tuple[str, Response]:
    return f"refused:{error.reason}", _error_response(401, "not genuine")


def _error_response(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        json_text.write_json({"success": False, "error": error}), status, headers, media_type="application/json"
    )


def _retry_after(wait: timedelta | None) -> dict[str, str]:
    return {"Retry-After": str(max(1, round((wait or timedelta(seconds=5)).total_seconds())))}
