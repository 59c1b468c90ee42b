"""GET /ui/needs: what needs a person, as `status` names it; failures by reason, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from bridge.http.console.action_pages import read_done
from bridge.http.console.action_verbs import name_group
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.home import GROUPED, group_words, shown_group_reason
from bridge.http.console.masking import shown_answer_reason
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.status.read import read_status
from bridge.store.views import FailureGroup


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Failures with one reason, and what can be done: `verb` with `asked`. `look` is where they are listed."""

    words: str
    reason: str
    span: str
    advice: str
    verb: str
    asked: str
    count: int
    look: str


class NeedsPage:
    """The handler."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_needs(self, request: HttpRequest) -> Response:
        """The page."""
        store, now = self._deps.store, self._deps.clock()
        report = await read_status(store, self._deps.configured(), now=now)
        failed, summary = await store.group_failures(most=GROUPED), await store.status_summary(now=now)
        paused = [one for one in report.destinations if one.paused is not None]
        every = sorted({(one.state, one.name) for one in failed.groups})
        return render_page(
            self._deps, request, "needs.html",
            here="needs", done=read_done(dict(request.query_params.items())), report=report, local=local_time,
            groups=list(map(_shown_group, failed.groups)), complete=failed.complete, differing=summary.differing_ids,
            paused=[(one, shown_answer_reason(one.paused)) for one in paused],
            every=[one for one in every if _is_several(one, failed.groups)],
        )  # fmt: skip


def _is_several(named: tuple[str, str], groups: tuple[FailureGroup, ...]) -> bool:
    """Whether one name has several groups, so that a button for all of them says something new."""
    return len([one for one in groups if (one.state, one.name) == named]) > 1


def _shown_group(one: FailureGroup) -> ShownGroup:
    is_dead, first, last = one.state == "dead", local_time(one.first_at), local_time(one.last_at)
    advice = (
        "If the destination refuses the events themselves, mend that first: as they are, they are refused again."
        if is_dead
        else "Mend the mapping, or what the reason names; then replay them. The dry run shows what each becomes now."
    )
    look = "" if is_dead else f"/webhooks?{urlencode({'state': 'set_aside', 'source': one.name})}"
    return ShownGroup(
        words=group_words(one),
        reason=shown_group_reason(one),
        span=last if one.count == 1 else f"{first} to {last}",
        advice=advice,
        verb="retry" if is_dead else "replay",
        asked=name_group(one),
        count=one.count,
        look=look,
    )
