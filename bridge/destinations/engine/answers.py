"""What an answer means by the `answers` of a destination file, or by its status where no rule holds. Pure.

A reason may be long and hold what the upstream repeated: who keeps it removes secrets and cuts it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from bridge.core import json_text
from bridge.core.delivery import Delivered, Misconfigured, Mixed, Outcome, Rejected, Resend, Response, Retryable
from bridge.core.json_text import Json
from bridge.destinations.answer_words import status_text
from bridge.destinations.language.program import AnswerCode, PlatformFrame, PlatformProgram
from bridge.destinations.protocol import MOST_RETRY_AFTER
from bridge.destinations.retry_after import read_retry_after

_REJECTED = frozenset({400, 413, 422})
_LATER = frozenset({408, 425, 429})
_LONGEST = 16_384
_MOST_SECONDS = MOST_RETRY_AFTER.total_seconds()
_Entry = tuple[Json, Json, Json]
_Single = Delivered | Rejected | Retryable | Resend


def read_answer(
    program: PlatformProgram,
    response: Response,
    *,
    sent: int,
    now: datetime,
    make_frame: Callable[[Json], PlatformFrame],
) -> Outcome:
    """The meaning of an answer to a request of `sent` deliveries. `make_frame` takes the root `response`."""
    status = response.status
    if status is None:
        return Retryable(response.failure or "no answer", breaks=True)
    items_told = any(answer.each is not None for answer in program.answers)
    success = 200 <= status < 300  # noqa: PLR2004  the class of success
    if response.cut and (success or items_told):
        return Retryable(f"{status_text(status)}, but its answer was cut short", breaks=True)
    body = parse_body(response.text)
    frame = make_frame(answer_root(response, body, sent=sent))
    reader = _AnswerReader(response, status, sent, now)
    for answer in program.answers:
        if answer.holds(frame):
            return reader.read_rule(answer, frame)
    if success and items_told and body is None:
        return Retryable(f"{status_text(status)} with an answer that is no JSON", breaks=True)
    return reader.by_status()


def answer_root(response: Response, body: Json, *, sent: int) -> dict[str, Json]:
    """The root `response` of an answer to a request of `sent` deliveries, whose JSON is `body`."""
    text, headers = response.text[:_LONGEST], dict(response.headers)
    return {"status": response.status, "headers": headers, "body": body, "text": text, "sent": sent}


class _AnswerReader:
    def __init__(self, response: Response, status: int, sent: int, now: datetime) -> None:
        self._response = response
        self._status = status
        self._sent = sent
        self._now = now

    def by_status(self) -> Outcome:
        """What the status says. What follows from it, such as a pause, is decided in `pipeline/retry_policy`.

        | status | meaning |
        |---|---|
        | 2xx | Delivered |
        | 400, 413, 422 | Rejected: a dead letter |
        | 408, 425, 429, 5xx | Retryable |
        | 3xx | Misconfigured: the destination is paused; no redirect is followed |
        | any other, such as 401, 403, 404 | Misconfigured: the destination is paused |

        Of a destination with tokens, `pipeline/access_tokens` renews the token after a 401 and sends once more first.
        """
        status, told = self._status, status_text(self._status)
        if status in _LATER or 500 <= status < 600:  # noqa: PLR2004  the class of server errors
            return self._retry(told)
        if 200 <= status < 300:  # noqa: PLR2004  the class of success
            return Delivered()
        words = f"{told}: {self._response.text[:_LONGEST]}" if self._response.text.strip() else told
        if status in _REJECTED:
            return Rejected(words)
        if 300 <= status < 400:  # noqa: PLR2004  the class of redirects
            return Misconfigured(f"{told}: a redirect, which is never followed; set the final address")
        return Misconfigured(words)

    def read_rule(self, answer: AnswerCode, frame: PlatformFrame) -> Outcome:
        """What a rule that holds says."""
        if answer.each is not None:
            return self._read_items(answer, answer.each(frame))
        reason = _as_words(answer.reason(frame)) or self._own_words()
        word = answer.outcome(frame) if answer.outcome is not None else None
        match word:
            case "delivered":
                return Delivered(_as_words(answer.note(frame)) or None)
            case "rejected":
                return Rejected(reason)
            case "retry":
                return self._retry(reason, _as_seconds(answer.after(frame)))
            case "pause":
                return Misconfigured(reason)
            case _:
                return self._retry(f"{status_text(self._status)}: `is` at {answer.place} gave no known word")

    def _retry(self, reason: str, after: timedelta | None = None) -> Retryable:
        header = self._response.headers.get("retry-after")
        wait = after or read_retry_after(header, now=self._now, most=MOST_RETRY_AFTER)
        return Retryable(reason, wait, breaks=self._status >= 500)  # noqa: PLR2004  the class of server errors

    def _own_words(self) -> str:
        text = self._response.text[:_LONGEST]
        return f"{status_text(self._status)}: {text}" if text.strip() else status_text(self._status)

    # ------------------------------------------------------------------------------------------- item by item

    def _read_items(self, answer: AnswerCode, entries: list[_Entry]) -> Outcome:
        told: dict[int, _Single | Misconfigured] = {}
        for at, word, reason in entries:
            place = _as_place(at, self._sent)
            if place is None:
                return self._not_understood(answer)
            if not isinstance(told.get(place), Rejected):
                told[place] = self._read_entry(answer, word, _as_words(reason))
        paused = [one for one in told.values() if isinstance(one, Misconfigured)]
        if len(paused) == self._sent:
            return paused[0]
        rest = self._rest_of(answer, named=bool(told))
        outcomes = [
            Retryable(one.reason) if isinstance(one, Misconfigured) else one
            for one in (told.get(place, rest) for place in range(self._sent))
        ]
        if len(outcomes) > 1:
            return Mixed(tuple(outcomes))
        return Retryable(outcomes[0].reason) if isinstance(outcomes[0], Resend) else outcomes[0]

    def _read_entry(self, answer: AnswerCode, word: Json, reason: str) -> _Single | Misconfigured:
        told = reason or status_text(self._status)
        match word:
            case "delivered":
                return Delivered()
            case "rejected":
                return Rejected(told)
            case "retry":
                return self._retry(told)
            case "pause":
                return Misconfigured(told)
            case _:
                return self._retry(f"{status_text(self._status)}: `is` at {answer.place} gave no known word")

    def _rest_of(self, answer: AnswerCode, *, named: bool) -> _Single:
        """What the items are that no entry names."""
        told = status_text(self._status)
        match answer.rest:
            case "delivered":
                return Delivered()
            case "resend" if named:
                return Resend(f"{told}: refused with others, goes again without them")
            case _:
                return self._retry(f"{told}: the answer does not say what became of it")

    def _not_understood(self, answer: AnswerCode) -> Outcome:
        """An entry names no item of the request: nothing that it says can be held against one."""
        told = f"{status_text(self._status)}: the answer names an item that was not sent"
        if 200 <= self._status < 300 and answer.rest == "delivered":  # noqa: PLR2004  the class of success
            return Delivered(told)
        return Rejected(told)


def parse_body(text: str) -> Json:
    """The JSON of an answer; None where it is none."""
    try:
        return json_text.parse_json(text.removeprefix("\ufeff"), strict=False)
    except ValueError:
        return None


def _as_words(value: Json) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value[:_LONGEST]
    try:
        return json_text.write_json(value).decode()[:_LONGEST]
    except ValueError:
        return ""


def _as_place(at: Json, sent: int) -> int | None:
    if isinstance(at, bool) or not isinstance(at, int | Decimal) or at != int(at) or not 0 <= at < sent:
        return None
    return int(at)


def _as_seconds(value: Json) -> timedelta | None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | Decimal)
        or not 0 < value <= MOST_RETRY_AFTER.days * 86400
    ):
        return None
    return timedelta(seconds=float(value))
