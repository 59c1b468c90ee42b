"""Deliveries and their attempts as the pages show them: what upstreams wrote is masked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bridge.core import json_text
from bridge.core.delivery import Attempt
from bridge.http.console.masking import mask_document, mask_text, shown_answer_reason, shown_reason
from bridge.http.console.words import local_time, state_tone, state_word
from bridge.status.kept_request import KeptRequest, MakeMasked, rebuild_request
from bridge.store.protocol import DeliveryDetail


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One attempt of a delivery, with the upstream's answer masked."""

    at: str
    status: str
    took: str
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """A delivery with its attempts."""

    id: str
    event: str
    destination: str
    state: str
    tone: str
    reason: str
    request: str
    """What carried it, and by which file that is made again; below it address and body, masked."""
    attempts: tuple[ShownAttempt, ...]


async def show_delivery(one: DeliveryDetail, make_masked: MakeMasked) -> ShownDelivery:
    """A delivery as the pages show it."""
    row, made = one.row, await asyncio.to_thread(rebuild_request, one, make_masked)  # reading a file takes some 30 ms
    return ShownDelivery(
        row.id, row.event, row.destination, state_word(row.state.value), state_tone(row.state.value),
        shown_answer_reason(row.reason), _request_text(made), tuple(map(_shown_attempt, one.attempts)),
    )  # fmt: skip


def _request_text(made: KeptRequest | None) -> str:
    if made is None:
        return ""
    if made.request is None:
        return f"It cannot be made again: {shown_reason(made.missing)}"
    body = json_text.indent_json(json_text.write_json(mask_document(made.request["body"])))
    return "\n".join(
        (
            f"With this event alone, {made.headline}.",
            *made.notes,
            "",
            f"{made.request['method']} {made.address}",
            "",
            body,
        )
    )


def _shown_attempt(attempt: Attempt) -> ShownAttempt:
    return ShownAttempt(
        at=local_time(attempt.started_at),
        status=str(attempt.status or "no answer"),
        took=f"{attempt.took.total_seconds() * 1000:.0f} ms",
        outcome=attempt.outcome,
        answer=shown_answer(attempt.answer),
    )


def shown_answer(answer: str | None) -> str:
    """An upstream's answer: JSON with its values masked, and the form of anything else."""
    if not answer:
        return ""
    try:
        document = json_text.parse_json(answer)
    except ValueError:
        return mask_text(answer)
    return json_text.indent_json(json_text.write_json(mask_document(document)))
