"""What a platform says later of a request that it took, by the `verdict` of a destination file. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from bridge.core.delivery import Response
from bridge.core.json_text import Json
from bridge.core.verdict import RequestVerdict
from bridge.destinations.answer_words import cut_words, status_text
from bridge.destinations.engine.answers import answer_root, parse_body
from bridge.destinations.language.program import PlatformFrame, PlatformProgram
from bridge.mapping.expressions.runtime import CannotEvaluate

_FAULTS = (CannotEvaluate, ValueError, ArithmeticError, RecursionError, LookupError, TypeError, AttributeError)


def read_verdict(
    program: PlatformProgram, response: Response, *, make_frame: Callable[[Json], PlatformFrame]
) -> RequestVerdict:
    """The meaning of an answer to `verdict.url`. `make_frame` takes the root `response`."""
    verdict = program.verdict
    if response.status is None or verdict is None:
        return RequestVerdict(failure=response.failure or "no answer")
    body = parse_body(response.text)
    if not 200 <= response.status < 300 or body is None or response.cut:  # noqa: PLR2004  the class of success
        return RequestVerdict(failure=cut_words(f"{status_text(response.status)}: {response.text}"))
    frame = make_frame(answer_root(response, body, sent=0))
    refused: Counter[str] = Counter()
    try:
        if verdict.is_pending(frame):
            return RequestVerdict(is_pending=True)
        for reason, count in verdict.refused(frame):
            refused[cut_words(str(reason or "no reason"))] += _read_count(count)
        is_success = verdict.is_success(frame)
    except _FAULTS:
        return RequestVerdict(failure="the answer is not as `verdict` of the destination file reads it")
    return RequestVerdict(refused=dict(refused), is_success=is_success)


def _read_count(value: Json) -> int:
    """A number, also written as text, as Google's JSON has 64-bit numbers."""
    try:
        return int(Decimal(str(value)))
    except InvalidOperation:
        raise ValueError("no number") from None
