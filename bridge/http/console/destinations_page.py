"""GET /ui/destinations: each destination's state, where it really sends to, what became of its events, and resume.

The counts are those of `trackbridge coverage`, for the last seven UTC days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core.instants import format_instant
from bridge.http.console.action_pages import read_done
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.home import destination_words
from bridge.http.console.masking import shown_answer_reason
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.status.read import read_status
from bridge.status.report import DestinationOutcomes, DestinationStatus, OutcomeReport, StatusReport


@dataclass(frozen=True, slots=True)
class ShownDestination:
    """A destination, masked. `rejected` and `skipped` are reasons with their counts, the most frequent first."""

    status: DestinationStatus
    state: str
    tone: str
    paused: str
    delivered: int
    waiting: int
    rejected: tuple[tuple[str, int], ...]
    skipped: tuple[tuple[str, int], ...]
    reached: str

    def as_json(self) -> dict[str, object]:
        """The destination for programs, masked as on the page."""
        one = self.status
        return {
            "name": one.name, "host": one.host, "state": self.state, "paused": self.paused or None,
            "paused_at": None if one.paused_at is None else format_instant(one.paused_at),
            "probe_at": None if one.probe_at is None else format_instant(one.probe_at),
            "pending": one.pending, "dead": one.dead, "delivered": self.delivered, "waiting": self.waiting,
            "rejected": dict(self.rejected), "skipped": dict(self.skipped), "reached": self.reached,
        }  # fmt: skip


class DestinationsPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_destinations(self, request: HttpRequest) -> Response:
        """The page."""
        report = await self._read()
        return render_page(
            self._deps, request, "destinations.html",
            here="destinations", done=read_done(dict(request.query_params.items())), local=local_time,
            destinations=_shown_destinations(report), outcomes=report.outcomes, keys=_known_keys(report.outcomes),
        )  # fmt: skip

    async def destinations_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        report = await self._read()
        return JSONResponse(
            {
                "destinations": [one.as_json() for one in _shown_destinations(report)],
                "known": dict(report.outcomes.known) if report.outcomes else {},
                "known_of": report.outcomes.known_of if report.outcomes else 0,
            }
        )

    async def _read(self) -> StatusReport:
        return await read_status(self._deps.store, self._deps.configured(), now=self._deps.clock())


def _shown_destinations(report: StatusReport) -> list[ShownDestination]:
    counted = {one.name: one for one in report.outcomes.destinations} if report.outcomes else {}
    return [_shown_destination(one, counted.get(one.name)) for one in report.destinations]


def _shown_destination(one: DestinationStatus, counted: DestinationOutcomes | None) -> ShownDestination:
    state, tone = destination_words(one)
    counts = counted or DestinationOutcomes(one.name, 0, 0, {}, {})
    return ShownDestination(
        status=one,
        state=state,
        tone=tone,
        paused=shown_answer_reason(one.paused),
        delivered=counts.delivered,
        waiting=counts.waiting,
        rejected=_reasons(counts.rejected),
        skipped=_reasons(counts.skipped),
        reached="" if counts.reached is None else f"{counts.reached:.1%}",
    )


def _reasons(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Reasons as they are shown; those that look the same are added up."""
    shown: dict[str, int] = {}
    for reason, count in counts.items():
        words = shown_answer_reason(reason) or "no reason given"
        shown[words] = shown.get(words, 0) + count
    return tuple(shown.items())


def _known_keys(found: OutcomeReport | None) -> list[tuple[str, str]]:
    """Each match key with the share of events that have it."""
    if found is None or not found.known_of:
        return []
    return [(key.replace("_", " "), f"{count / found.known_of:.0%}") for key, count in found.known.items()]
