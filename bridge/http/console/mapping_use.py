"""POST /ui/actions/use: puts a draft of a mapping into use, after a dry run over the newest webhooks.

The draft is written to the operator's folder, the text from before is kept beside it, and serve is asked to reload. A
draft that changes how webhooks are verified is not put into use from here: whoever holds a key of the console could
else make the bridge take what nobody signed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from bridge.core import log
from bridge.http.console.action_pages import CHANGED, acting_person
from bridge.http.console.action_plan import (
    MOST_LISTED,
    ActionPlan,
    ActionRefused,
    PlanRow,
    describe_state,
    is_same_plan,
    sign_plan,
)
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.draft_trials import Draft, DraftTrial, TriedWebhook, try_on_webhooks
from bridge.http.console.mapping_files import MappingFile, MappingFiles
from bridge.http.console.mapping_process import TrialFailed
from bridge.http.console.playground_page import read_draft_form, summarize_trial
from bridge.http.console.render import render_page
from bridge.http.console.trial_view import describe_now, describe_outcome
from bridge.status.report import count_words
from bridge.store.by_hand import ActingPerson
from bridge.store.protocol import RowFilter
from bridge.store.status_views import ActionTaken

WHAT = "put a mapping into use"
"""What the record of actions calls it."""
BACKUP = ".bak"
"""What is added to the name of the file from before."""
_NO_FOLDER = (
    "There is no folder to write it to. Set `BRIDGE_MAPPINGS` to one, and restart; or download the draft, and put it "
    "where `serve` reads it."
)


class MappingUse:
    """The handler."""

    def __init__(self, deps: ConsoleDeps, files: MappingFiles) -> None:
        self._deps = deps
        self._files = files

    async def use_draft(self, request: HttpRequest) -> Response:
        """Without a token the dry run; with one of a dry run that still fits, it is done."""
        form, person = await read_draft_form(request), acting_person(request)
        file = await self._files.require_file(form.get("id", ""))
        back = f"/mappings/{file.name}"
        try:
            plan = await self._plan_use(Draft(file, form["draft"]))
            secret = await self._deps.store.console_secret()
            is_fitting = is_same_plan(form.get("token", ""), plan, person, secret)
            if is_fitting:
                await plan.run(ActingPerson(person.name, self._deps.clock()))
        except (ActionRefused, TrialFailed) as error:
            return self._render(request, None, "", back, wrong=str(error))
        if not is_fitting:
            wrong = CHANGED if form.get("token") else ""
            return self._render(request, plan, sign_plan(plan, person, secret), back, wrong=wrong)
        log.log_line("console.action", who=person.name, action="use", subject=plan.subject, count=1)
        return RedirectResponse(f"{self._deps.root}{back}?did=use", 303)

    def _render(self, request: HttpRequest, plan: ActionPlan | None, token: str, back: str, *, wrong: str) -> Response:
        return render_page(
            self._deps, request, "action.html",
            status=409 if wrong else 200, here="mappings", plan=plan, token=token, most=MOST_LISTED, back=back,
            wrong=wrong,
        )  # fmt: skip

    async def _plan_use(self, draft: Draft) -> ActionPlan:
        """What putting it into use would do. Raises ActionRefused where it may not be."""
        file, folder = draft.file, self._deps.mappings_folder()
        if folder is None:
            raise ActionRefused(_NO_FOLDER)
        target = folder / file.path.name
        before = await asyncio.to_thread(_read_target, target, file)
        names = file.sources or (file.checked.provider,)
        trials = [
            await try_on_webhooks(self._deps, self._files.process, draft, RowFilter(source=name), shown=None)
            for name in names
        ]
        _require_usable(draft, trials[0])
        changed = [one for trial in trials for one in trial.tried if one.becomes_events or one.is_changed]
        rows = (_file_row(draft, before), *map(_changed_row, changed))
        counted = "; ".join(filter(None, map(summarize_trial, trials)))
        done = f"Put {file.path.name} into use"

        async def run(by: ActingPerson) -> int:
            await asyncio.to_thread(write_mapping, target, draft.text.encode())
            await self._deps.store.record_action(ActionTaken(by.now, by.who, WHAT, target.name))
            await self._deps.store.drop_draft(file.name, who=by.who)
            self._deps.reload()
            return 1

        return ActionPlan(
            verb="use",
            asked={"id": file.name, "draft": draft.text},
            title=f"{done}?",
            done="Put it into use",
            text=f"It is written to {target}, and serve reloads. "
            + (f"The text from before is kept as {target.name}{BACKUP}. " if before is not None else "")
            + (f"Of the newest webhooks, {counted}. " if counted else "")
            + "No webhook is translated again by this: replay what was set aside afterwards.",
            subject=target.name,
            rows=rows,
            count=len(rows),
            state=describe_state(before, file.text.digest.hex(), [(row.id, row.now, row.then) for row in rows]),
            run=run,
        )


def _read_target(target: Path, file: MappingFile) -> str | None:
    """The digest of what is there now, None for nothing. Raises ActionRefused where it may not be replaced."""
    if not os.access(target.parent, os.W_OK):
        raise ActionRefused(f"The folder {target.parent} may not be written to. Download the draft instead.")
    if target.is_symlink():
        raise ActionRefused(f"{target} is a link. Download the draft, and put it where the link leads.")
    if not target.exists():
        return None
    if target != file.path:
        raise ActionRefused(f"{target} is there already, and is of another provider. Download the draft instead.")
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _require_usable(draft: Draft, trial: DraftTrial) -> None:
    """Raise ActionRefused for a draft that has errors, changes nothing, or changes what only a file may."""
    answer = trial.answer
    if errors := [one for one in answer.problems if one.severity == "error"]:
        raise ActionRefused(f"The draft has {count_words(len(errors), 'error')}; the first: {errors[0]}.")
    if answer.provider != draft.file.checked.provider:
        raise ActionRefused("The draft is for another provider. Download it, and put it into a file of its own.")
    if answer.unlike:
        raise ActionRefused(
            "The draft changes how webhooks are verified or named: something under `webhook`. That is not done from "
            "here. Download it, read it again, and put it where `serve` reads it."
        )
    if draft.file.is_in_use and draft.text.encode() == draft.file.text.text:
        raise ActionRefused("This text is in use already.")


def _file_row(draft: Draft, before: str | None) -> PlanRow:
    now = f"digest {draft.file.text.digest.hex()[:12]}" + ("" if before is not None else ", shipped")
    lines = draft.text.count("\n")
    return PlanRow(
        draft.file.path.name, draft.file.checked.provider, now, f"the draft, {count_words(lines, 'line')}",
        path=f"/mappings/{draft.file.name}",
    )  # fmt: skip


def _changed_row(one: TriedWebhook) -> PlanRow:
    row, then = one.kept.row, describe_outcome(one.then)
    now = describe_now(one).text
    same = " (other fields)" if then.text == now else ""
    return PlanRow(row.id, row.source, now, f"{then.text}{same}", then.tone, f"/webhooks/{row.id}")


def write_mapping(target: Path, content: bytes) -> None:
    """Replace a file by one with this content, as a whole or not at all; the one from before is kept beside it.

    Raises ActionRefused where the disk does not let it.
    """
    fresh = target.with_name(f".{target.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, fresh)
            shutil.copy2(target, target.with_name(f"{target.name}{BACKUP}"))
        fresh.replace(target)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ActionRefused(f"{target} cannot be written: {error.strerror}. Nothing was changed.") from None
