"""GET /ui/actions/{verb}: the dry run of an action; POST: does it, if the dry run still fits.

GET /ui/actions is the log of actions taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, RedirectResponse, Response

from bridge.core import log
from bridge.core.instants import format_instant
from bridge.http.console.action_plan import MOST_LISTED, ActionAnswer, ActionRefused, is_same_plan, sign_plan
from bridge.http.console.action_verbs import plan_action
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.login import read_form
from bridge.http.console.masking import mask_text, shown_word
from bridge.http.console.render import render_page
from bridge.http.console.words import local_time
from bridge.http.console_keys import ConsoleKey
from bridge.store.by_hand import ActingPerson
from bridge.store.status_views import ActionTaken

MOST_ACTIONS = 200
_FIELDS = ("id", "group", "all", "type", "of")
CHANGED = "What this would do is different by now, so nothing was done. Look at it again."
_MAY_LOOK = "Your key may look, and change nothing. Somebody whose key may change can do this."


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action taken, as the log shows it."""

    at: str
    iso: str
    who: str
    what: str
    subject: str
    count: int


class ActionPages:
    """The handlers. `back` says where an action leads when it is done, by its verb, below the console's root."""

    def __init__(self, deps: ConsoleDeps, back: Mapping[str, str]) -> None:
        self._deps = deps
        self._back = back

    async def show_plan(self, request: HttpRequest) -> Response:
        """What would be done; nothing is."""
        return await self._render(request, dict(request.query_params.items()))

    async def run_plan(self, request: HttpRequest) -> Response:
        """Do what the dry run showed. If that no longer fits, show it again and do nothing."""
        form, verb = await read_form(request) or {}, request.path_params["verb"]
        person = acting_person(request)
        try:
            plan = await plan_action(self._deps, verb, _named(form))
        except ActionRefused as error:
            return self._refuse(request, verb, str(error), status=409)
        if plan.only_shown or not is_same_plan(
            form.get("token", ""), plan, person, await self._deps.store.console_secret()
        ):
            return await self._render(request, form, status=409, wrong=CHANGED)
        done = await plan.run(ActingPerson(person.name, self._deps.clock()))
        count = done.count if isinstance(done, ActionAnswer) else done
        log.log_line("console.action", who=person.name, action=verb, subject=plan.subject, count=count)
        if isinstance(done, ActionAnswer):
            here = self._back[verb].strip("/")
            return render_page(
                self._deps, request, "answer.html", here=here, plan=plan, answer=done, back=self._back[verb]
            )
        return RedirectResponse(f"{self._deps.root}{self._back[verb]}?did={verb}-{count}", 303)

    async def show_actions(self, request: HttpRequest) -> Response:
        """Who did what by hand, and when."""
        taken = await self._deps.store.newest_actions(most=MOST_ACTIONS)
        return render_page(self._deps, request, "actions.html", here="actions", taken=list(map(_shown_action, taken)))

    async def actions_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        taken = map(_shown_action, await self._deps.store.newest_actions(most=MOST_ACTIONS))
        rows = [
            {"at": one.iso, "who": one.who, "what": one.what, "subject": one.subject, "count": one.count}
            for one in taken
        ]
        return JSONResponse({"actions": rows})

    async def _render(
        self, request: HttpRequest, given: Mapping[str, str], *, status: int = 200, wrong: str = ""
    ) -> Response:
        verb, person = request.path_params["verb"], acting_person(request)
        try:
            plan = await plan_action(self._deps, verb, _named(given))
        except ActionRefused as error:
            return self._refuse(request, verb, str(error), status=409)
        may = person.may_change and not plan.only_shown
        token = sign_plan(plan, person, await self._deps.store.console_secret()) if may else ""
        return render_page(
            self._deps, request, "action.html",
            status=status, here=self._back[verb].strip("/"), plan=plan, token=token, most=MOST_LISTED,
            back=self._back[verb], wrong=wrong or ("" if person.may_change else _MAY_LOOK),
        )  # fmt: skip

    def _refuse(self, request: HttpRequest, verb: str, text: str, *, status: int) -> Response:
        return render_page(
            self._deps, request, "action.html",
            status=status, here=self._back.get(verb, "/needs").strip("/"), plan=None, token="", most=0,
            back=self._back.get(verb, "/"), wrong=text,
        )  # fmt: skip


def read_done(asked: Mapping[str, str]) -> str:
    """What an address says was done just now; empty for an address that says nothing."""
    found = re.fullmatch(r"(retry|replay|release|resume|discard)-([0-9]{1,6})", asked.get("did", ""))
    if found is None:
        return ""
    count = int(found[2])
    match found[1]:
        case "retry":
            return f"{_count_of(count, 'delivery is', 'deliveries are')} due now: see on Home what comes of it."
        case "replay":
            return (
                f"{_count_of(count, 'webhook is', 'webhooks are')} translated again now: see on Home what comes of it."
            )
        case "release":
            return f"{_count_of(count, 'event is', 'events are')} told now: see on Home what comes of it."
        case "discard":
            return "The draft is discarded."
        case _:
            return "The destination is tried now, by a running serve. Open this page again to see how it went."


def _count_of(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _named(given: Mapping[str, str]) -> dict[str, str]:
    """The fields that name what is acted on."""
    return {name: value for name in _FIELDS if (value := given.get(name))}


def acting_person(request: HttpRequest) -> ConsoleKey:
    """Who has logged in."""
    person = request.scope["state"]["person"]
    assert isinstance(person, ConsoleKey), "the guard lets nobody else in"  # noqa: S101  a fault of ours
    return person


def _shown_action(one: ActionTaken) -> ShownAction:
    return ShownAction(
        local_time(one.at), format_instant(one.at), one.who, one.what, shown_subject(one.subject), one.count
    )


def shown_subject(subject: str) -> str:
    """What something was done to: ids and names; a reason that somebody typed is masked."""
    named, said, reason = subject.partition("reason ")
    parts = re.split(r"([ ,]+)", named)
    return (
        "".join(part if place % 2 else shown_word(part) for place, part in enumerate(parts)) + said + mask_text(reason)
    )
