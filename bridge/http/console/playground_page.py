"""GET and POST /ui/mappings/NAME/try: a draft of a mapping tried on kept webhooks, with what it makes beside each body.

GET tries the draft that was kept for who may change, or that of another person (`of`), else the file as it is. POST
tries a draft, keeps it, and needs a key that may change: who writes expressions could find out by them what is masked.
Neither makes an event or changes a webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from bridge.core import log
from bridge.http.console.action_pages import acting_person
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.draft_trials import Draft, DraftTrial, try_on_webhooks
from bridge.http.console.kept_drafts import KeptDraft, find_draft, save_draft
from bridge.http.console.list_pages import SPANS, WEBHOOK_STATES, read_row_filter
from bridge.http.console.login import read_form
from bridge.http.console.mapping_files import MappingFile, MappingFiles
from bridge.http.console.mapping_process import TrialFailed
from bridge.http.console.mappings_page import decode_text, use_words
from bridge.http.console.personal_pages import WHAT
from bridge.http.console.render import render_page
from bridge.http.console.trial_view import view_trial
from bridge.http.console.words import state_word
from bridge.store.protocol import RowFilter
from bridge.store.status_views import ActionTaken

MOST_DRAFT = 256 * 1024
"""Bytes of a draft."""
_MOST_FORM = 3 * MOST_DRAFT + 8192
"""Bytes of a form with one: each may be written as three."""


class PlaygroundPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps, files: MappingFiles) -> None:
        self._deps = deps
        self._files = files

    async def show_playground(self, request: HttpRequest) -> Response:
        """The draft that is kept, or the file as it is, tried on what is asked for."""
        file, person = await self._files.require_file(request.path_params["name"]), acting_person(request)
        asked = dict(request.query_params.items())
        kept = None
        if person.may_change:
            kept = await find_draft(self._deps, file, who=asked.get("of") or person.name)
        return await self._render(request, file, kept.text if kept else decode_text(file.text.text), asked, kept=kept)

    async def try_draft(self, request: HttpRequest) -> Response:
        """A draft, tried on the same; with `clear` the webhook is shown in clear, which is written down first."""
        file, form = await self._files.require_file(request.path_params["name"]), await read_draft_form(request)
        draft, who, kept = form["draft"], acting_person(request).name, None
        if draft != decode_text(file.text.text):
            kept = await save_draft(self._deps, file, draft, who=who)
        elif form.get("kept") == who:  # the draft that was shown is the file's own text again
            await self._deps.store.drop_draft(file.name, who=who)
        return await self._render(request, file, draft, form, kept=kept, clear=bool(form.get("clear")))

    async def download_draft(self, request: HttpRequest) -> Response:
        """The draft as a file."""
        file, form = await self._files.require_file(request.path_params["name"]), await read_draft_form(request)
        headers = {"Content-Disposition": f'attachment; filename="{file.name}.yaml"'}
        return Response(form["draft"].encode(), media_type="application/yaml", headers=headers)

    async def _render(  # noqa: PLR0913  what is tried, and how it is shown
        self,
        request: HttpRequest,
        file: MappingFile,
        draft: str,
        asked: Mapping[str, str],
        *,
        kept: KeptDraft | None,
        clear: bool = False,
    ) -> Response:
        which = chosen_webhooks(self._deps, file, asked)
        failed, trial = "", None
        try:
            shown = asked.get("pick") or asked.get("on") or None
            trial = await try_on_webhooks(self._deps, self._files.process, Draft(file, draft), which, shown=shown)
        except TrialFailed as error:
            failed = str(error)
        if clear and trial is not None and trial.shown is not None:
            await self._record_look(acting_person(request).name, trial.shown.row.id)
        chosen = {"source": which.source or "", "state": which.state or ""}
        chosen |= {name: asked.get(name, "") for name in ("topic", "since")}
        may_use = self._deps.mappings_folder() is not None

        def render() -> Response:
            return render_page(
                self._deps, request, "playground.html",
                here="mappings", file=file, use=use_words(file), draft=draft, failed=failed, trial=trial, clear=clear,
                view=view_trial(trial, draft, name=file.path.name, clear=clear), chosen=chosen,
                query=urlencode(chosen), states=WEBHOOK_STATES, spans=tuple(SPANS), state_word=state_word,
                summary=summarize_trial(trial), is_draft=draft != decode_text(file.text.text), may_use=may_use,
                kept=kept,
            )  # fmt: skip

        return await asyncio.to_thread(render)  # some 80 ms for a hundred webhooks, for which others would wait

    async def _record_look(self, who: str, subject: str) -> None:
        await self._deps.store.record_action(ActionTaken(self._deps.clock(), who, WHAT, subject))
        log.log_line("console.action", who=who, action=WHAT, subject=subject, count=1)


async def read_draft_form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form with a draft, whose lines end as files' lines do. Raises HTTPException for a large one."""
    form = await read_form(request, most=_MOST_FORM)
    draft = "" if form is None else form.get("draft", "").replace("\r\n", "\n").replace("\r", "\n")
    content = draft.encode("utf-8", "replace")
    if form is None or len(content) > MOST_DRAFT:
        raise HTTPException(413)
    return form | {"draft": content.decode()}


def chosen_webhooks(deps: ConsoleDeps, file: MappingFile, asked: Mapping[str, str]) -> RowFilter:
    """Which webhooks a draft is tried on: of one of the mapping's sources; those set aside, unless others are asked."""
    sources = file.sources or (file.checked.provider,)
    source = asked.get("source", "")
    given = {"source": source if source in sources else sources[0], "state": asked.get("state", "set_aside")}
    given |= {name: asked.get(name, "") for name in ("topic", "since")}
    return read_row_filter(QueryParams(given), WEBHOOK_STATES, now=deps.clock())


def summarize_trial(trial: DraftTrial | None) -> str:
    """How many webhooks that made no event would make one, and how many others would change."""
    if trial is None or not trial.fitting or not trial.answer.then:
        return ""
    others = trial.fitting - trial.without_events
    parts = [f"{trial.become_events} of {trial.without_events} now become events"] if trial.without_events else []
    parts += [f"{trial.changed} of {others} others change" if parts else f"{trial.changed} of {others} change"]
    return ", ".join(parts if others or not trial.without_events else parts[:1])
