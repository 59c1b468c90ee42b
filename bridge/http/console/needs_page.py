"""GET /ui/needs: what needs a person, as `status` names it; failures by reason, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from bridge.http.console.action_pages import read_done
from bridge.http.console.action_verbs import name_group
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.home import GROUPED, group_words, other_needs, shown_group_reason
from bridge.http.console.masking import shown_answer_reason
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time, span_words
from bridge.status.read import read_status
from bridge.store.views import DeliveryDetail, FailureGroup

_DEAD = (
    "If the destination refuses the events themselves, mend that first: as they are, they are refused again. Show "
    "personal data on the page of an event shows what the destination answered."
)
_ASIDE = "Mend the mapping, or what the reason names; then replay them. The dry run shows what each becomes now."
_BY_DRAFT = (
    "Mend the mapping in a draft, which is tried on these webhooks, and put it into use; then replay them. The dry run "
    "shows what each becomes."
)


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Failures with one reason, and what can be done: `verb` with `asked`.

    `look` is where they are listed, or the newest of them; `draft` is where a draft of the mapping that set them aside
    is tried, empty where none did.
    """

    words: str
    reason: str
    span: str
    advice: str
    verb: str
    asked: str
    count: int
    look: str
    draft: str = ""


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
            here="needs", done=read_done(dict(request.query_params.items())), local=local_time,
            needs=other_needs(report, failed),
            groups=[await self._shown_group(one) for one in failed.groups], complete=failed.complete,
            differing=summary.differing_ids,
            paused=[(one, shown_answer_reason(one.paused)) for one in paused],
            every=[one for one in every if _is_several(one, failed.groups)],
        )  # fmt: skip

    async def _shown_group(self, one: FailureGroup) -> ShownGroup:
        if one.state == "dead":
            newest = next(iter(await self._deps.store.show_detail(one.newest_id)), None)
            look = f"/events/{quote(newest.row.event)}" if isinstance(newest, DeliveryDetail) else ""
            return _dead_group(one, look)
        return _aside_group(one, self._mapping_name(one))

    def _mapping_name(self, one: FailureGroup) -> str:
        """What addresses call the mapping that a reason names a place in; empty where it names none in use."""
        source = self._deps.sources().get(one.name)
        text = source.mapping_text if source else None
        return text.name.removesuffix(".yaml") if text and one.reason.startswith(f"{text.name}:") else ""


def _is_several(named: tuple[str, str], groups: tuple[FailureGroup, ...]) -> bool:
    """Whether one name has several groups, so that a button for all of them says something new."""
    return len([one for one in groups if (one.state, one.name) == named]) > 1


def _dead_group(one: FailureGroup, look: str) -> ShownGroup:
    return ShownGroup(
        words=group_words(one),
        reason=shown_group_reason(one),
        span=span_words(one.first_at, one.last_at),
        advice=_DEAD,
        verb="retry",
        asked=name_group(one),
        count=one.count,
        look=look,
    )


def _aside_group(one: FailureGroup, mapping: str) -> ShownGroup:
    listed = {"state": "set_aside", "source": one.name}
    return ShownGroup(
        words=group_words(one),
        reason=shown_group_reason(one),
        span=span_words(one.first_at, one.last_at),
        advice=_BY_DRAFT if mapping else _ASIDE,
        verb="replay",
        asked=name_group(one),
        count=one.count,
        look=f"/webhooks?{urlencode(listed)}",
        draft=f"/mappings/{quote(mapping)}/try?{urlencode(listed | {'on': one.newest_id})}" if mapping else "",
    )
