"""GET /ui/: whether everything is as it should be, what needs a person, and each source and destination."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core.instants import format_instant
from bridge.core.local_time import format_span
from bridge.http.console.charts import HEIGHT, SPANS, WIDTH, Chart, chart_edges, draw_chart
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.masking import shown_answer_reason, shown_reason
from bridge.http.console.render import render_page
from bridge.http.console.start_page import StartPage
from bridge.http.console.words import local_time, span_words, value_words
from bridge.status.read import read_status
from bridge.status.report import DestinationStatus, Finding, SourceStatus, StatusReport, count_words
from bridge.store.row_filter import RowFilter
from bridge.store.views import FailureGroup, FailureGroups

GROUPED = 1000
"""Failures of each kind that are read for the groups: some 4 ms."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first line of the page, its tone, and what stands below it."""

    tone: str
    text: str
    more: str


class HomePage:
    """The handlers of the first page."""

    def __init__(self, deps: ConsoleDeps, start: StartPage) -> None:
        self._deps = deps
        self._start = start

    async def show_home(self, request: HttpRequest) -> Response:
        """The page; while nothing has come in, that of the first run."""
        failed, report = await self._read()
        if not await self._has_begun(report):
            return await self._start.show_start(request)
        span, charts = await self._draw_charts(request.query_params.get("span", ""))
        return render_page(
            self._deps, request, "home.html",
            here="home", verdict=make_verdict(report), report=report, local=local_time, between=span_words,
            needs=other_needs(report, failed),
            span=span, spans=SPANS, charts=charts, width=WIDTH, height=HEIGHT,
            groups=[(one, group_words(one), shown_group_reason(one)) for one in failed.groups[:SHOWN]], failed=failed,
            sources=[(one, self._last_words(one)) for one in report.sources],
            destinations=[(one, *destination_words(one)) for one in report.destinations],
        )  # fmt: skip

    async def home_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        failed, report = await self._read()
        verdict = make_verdict(report)
        return JSONResponse(
            {
                "verdict": verdict.text,
                "needs": [_finding_json(one) for one in report.needs],
                "notes": [_finding_json(one) for one in report.notes],
                "failures": [_group_json(one) for one in failed.groups],
            }
        )

    async def _read(self) -> tuple[FailureGroups, StatusReport]:
        """What failed, then how all is: so that no failure stands below a first line that knows nothing of it."""
        failed = await self._deps.store.group_failures(most=GROUPED)
        return failed, await read_status(self._deps.store, self._deps.configured(), now=self._deps.clock())

    async def _has_begun(self, report: StatusReport) -> bool:
        """Whether anything came in that is still kept, or was delivered."""
        if _has_begun(report):
            return True
        store, newest = self._deps.store, RowFilter(limit=1)
        return bool(
            (await store.search_webhooks(newest, most=1)).rows or (await store.search_events(newest, most=1)).rows
        )

    async def _draw_charts(self, span: str) -> tuple[str, tuple[Chart, ...]]:
        """The time that is shown, and what was decided in it."""
        span = span if span in SPANS else next(iter(SPANS))
        edges = chart_edges(span, now=self._deps.clock())
        counts = await self._deps.store.read_quarters(since=edges[0])
        return span, (
            draw_chart("Webhooks", "webhook", counts, edges),
            draw_chart("Deliveries", "delivery", counts, edges),
        )

    def _last_words(self, source: SourceStatus) -> str:
        if source.last_webhook_at is None:
            return "none yet"
        return f"{format_span(self._deps.clock() - source.last_webhook_at)} ago"


def make_verdict(report: StatusReport) -> Verdict:
    """Everything is as it should be, something needs a person, or nothing gets through."""
    stopped = [one for one in report.destinations if one.paused is not None and not one.resumes_itself]
    more = ""
    if report.coverage and report.coverage.total:
        cover = report.coverage
        ignored = f" and {cover.ignored} ignored on purpose" if cover.ignored else ""
        newest = count_words(cover.total, "conversion")
        more = f"Of the newest {newest}, {cover.delivered} were delivered{ignored}: {cover.share:.1%}."
        if cover.on_their_way:
            more += f" {cover.on_their_way} {'is on its' if cover.on_their_way == 1 else 'are on their'} way."
    if not report.needs and not _has_begun(report):
        return Verdict("quiet", "Nothing has come in yet.", more)
    if not report.needs:
        return Verdict("good", "Everything is getting through." if report.destinations else "Nothing needs you.", more)
    needs = f"{count_words(len(report.needs), 'thing needs', 'things need')} you."
    if report.destinations and len(stopped) == len(report.destinations):
        return Verdict("bad", f"Nothing is getting through. {needs}", more)
    return Verdict("wait", needs, more)


def other_needs(report: StatusReport, failed: FailureGroups) -> list[Finding]:
    """What needs a person without the failures that stand below by their reasons, with buttons."""
    grouped = {(one.state, one.name) for one in failed.groups}
    return [one for one in report.needs if (one.cause, one.subject) not in grouped]


def _has_begun(report: StatusReport) -> bool:
    """Whether anything ever came in."""
    return any(one.last_webhook_at for one in report.sources) or any(
        one.delivered or one.pending or one.dead for one in report.destinations
    )


def destination_words(one: DestinationStatus) -> tuple[str, str]:
    """What a destination does now, and its tone."""
    if one.paused is None:
        return "takes events", "good"
    since = f" since {local_time(one.paused_at)}" if one.paused_at else ""
    probe = f", tried again {local_time(one.probe_at)}" if one.probe_at else ""
    return f"paused{since}{probe}", "wait" if one.resumes_itself else "bad"


def group_words(one: FailureGroup) -> str:
    """What failed, how often, and the sums."""
    sums = ", ".join(value_words(str(amount), currency) for currency, amount in sorted(one.value.items()))
    what = "dead at" if one.state == "dead" else "set aside of"
    return f"{one.count} {what} {one.name}" + (f", {sums}" if sums else "")


def _finding_json(one: Finding) -> dict[str, str | None]:
    since = None if one.since is None else format_instant(one.since)
    return {"cause": one.cause, "text": one.text, "remedy": one.remedy, "subject": one.subject, "since": since}


def _group_json(one: FailureGroup) -> dict[str, str | int]:
    return {
        "state": one.state, "name": one.name, "reason": shown_group_reason(one), "count": one.count,
        "first_at": format_instant(one.first_at), "last_at": format_instant(one.last_at), "newest": one.newest_id,
    }  # fmt: skip


def shown_group_reason(one: FailureGroup) -> str:
    """Why a group failed; what an upstream wrote is masked."""
    return shown_answer_reason(one.reason) if one.state == "dead" else shown_reason(one.reason)
