"""The two addresses of the track API: how each splits a body, names what is wrong in it, and answers what was kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge import contract
from bridge.core.json_text import Json
from bridge.core.model import Accepted


class TrackRefusal(Exception):
    """A request is answered with an error; `reason` is why it was refused before its body was read, in one word."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        errors: Sequence[Json] = (),
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.answer: dict[str, Json] = {"success": False, "error": error} | ({"errors": errors} if errors else {})
        self.headers = headers
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TrackEndpoint:
    """What one of the two addresses does in its own way.

    `documents` splits a body, `refusal` names the documents that are wrong, `answer` lists what was kept.
    """

    path: str
    documents: Callable[[Json], list[Json]]
    refusal: Callable[[Mapping[int, str], int], TrackRefusal]
    answer: Callable[[Sequence[Accepted]], dict[str, Json]]


def _one_document(document: Json) -> list[Json]:
    return [document]


def _one_refusal(wrong: Mapping[int, str], _total: int) -> TrackRefusal:
    return TrackRefusal(400, wrong[0])


def _one_answer(accepted: Sequence[Accepted]) -> dict[str, Json]:
    (one,) = accepted
    return {"success": True} | _event_answer(one)


def _batch_documents(document: Json) -> list[Json]:
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        hint = "; a single event goes to /v1/track" if isinstance(document, dict) and "event_type" in document else ""
        raise TrackRefusal(400, f'the body must be {{"events": [event, …]}}{hint}')
    if not 1 <= len(events) <= contract.BATCH_EVENTS:
        raise TrackRefusal(400, f"events must hold 1 to {contract.BATCH_EVENTS} events, got {len(events)}")
    return events


def _batch_refusal(wrong: Mapping[int, str], total: int) -> TrackRefusal:
    first, text = next(iter(wrong.items()))
    error = f"{len(wrong)} of {total} events cannot be taken, so none was; events[{first}]: {text}"
    return TrackRefusal(400, error, errors=[{"index": index, "error": text} for index, text in wrong.items()])


def _batch_answer(accepted: Sequence[Accepted]) -> dict[str, Json]:
    """The ids in order. Beside them, by index, the duplicates and the events that got another id, if any."""
    said = [{"index": index} | _event_answer(one) for index, one in enumerate(accepted)]
    answer = {"success": True, "event_ids": [one.event_id for one in accepted]}
    lists = {
        "duplicates": [one for one in said if "duplicate_of" in one],
        "given_event_ids": [one for one in said if "given_event_id" in one],
    }
    return answer | {name: some for name, some in lists.items() if some}


def _event_answer(one: Accepted) -> dict[str, Json]:
    """What is answered of one event that was taken."""
    more = {"duplicate_of": one.duplicate_of, "given_event_id": one.given_event_id}
    return {"event_id": one.event_id} | {name: value for name, value in more.items() if value is not None}


ONE = TrackEndpoint("/v1/track", _one_document, _one_refusal, _one_answer)
BATCH = TrackEndpoint("/v1/track/batch", _batch_documents, _batch_refusal, _batch_answer)
