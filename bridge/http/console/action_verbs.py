"""Dry runs of what the console can do: retry, replay, release, resume. The doing itself is `bridge.store.by_hand`.

Those that try a source or a destination are in `trial_verbs.py`, and drafts are discarded in `kept_drafts.py`.

What is named may be one thing (`id`), a group of failures with one reason (`group`), or all that failed at one
destination or of one source (`all`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from bridge.core.errors import BodyGone, NotFound
from bridge.core.local_time import format_local
from bridge.core.model import Ignored, Routed, SetAside, Translated, WebhookState
from bridge.http.console.action_plan import (
    MOST_LISTED,
    MOST_ROWS,
    ActionPlan,
    ActionRefused,
    PlanRow,
    describe_state,
)
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.kept_drafts import plan_discard
from bridge.http.console.masking import shown_answer_reason, shown_order, shown_reason, shown_word
from bridge.http.console.trial_verbs import plan_test_event, plan_test_webhook
from bridge.http.console.words import state_word, value_words
from bridge.status.kept_explanation import translate_kept
from bridge.status.report import count_words
from bridge.store.by_hand import ActingPerson, release_by_hand, replay_by_hand, resume_by_hand, retry_by_hand
from bridge.store.protocol import DeliveryRow, EventRow, RowFilter, WebhookDetail, WebhookRow
from bridge.store.views import DuplicateEvent, FailureGroup

VERBS = ("retry", "replay", "release", "resume", "test-webhook", "test-event", "discard")
_REPLAYED = {WebhookState.SET_ASIDE, WebhookState.IGNORED}


def name_group(one: FailureGroup) -> str:
    """What addresses and forms call a group: nothing of its reason can be read from it."""
    return hashlib.sha256(f"{one.state}\0{one.name}\0{one.reason}".encode()).hexdigest()[:20]


async def plan_action(  # noqa: PLR0911  one case for each verb
    deps: ConsoleDeps, verb: str, asked: Mapping[str, str]
) -> ActionPlan:
    """What an action would do now. Raises ActionRefused, and NotFound for an id that nothing has."""
    match verb:
        case "retry":
            return await _plan_retry(deps, asked)
        case "replay":
            return await _plan_replay(deps, asked)
        case "release":
            return await _plan_release(deps, asked)
        case "resume":
            return await _plan_resume(deps, asked)
        case "test-webhook":
            return await plan_test_webhook(deps, asked)
        case "test-event":
            return await plan_test_event(deps, asked)
        case "discard":
            return await plan_discard(deps, asked)
        case _:
            raise ActionRefused(f"There is no such action; there are {', '.join(VERBS)}.")


async def _plan_retry(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    which, subject = await _read_which(deps, asked, state="dead", all_of="destination")
    would = await deps.store.would_retry(which, now=deps.clock(), newest=MOST_ROWS)
    rows = [row for row in would.newest if isinstance(row, DeliveryRow)]
    ids = RowFilter(ids=tuple(row.id for row in rows))
    done = f"Retry {count_words(len(rows), 'delivery', 'deliveries')}"
    text = "They are sent again as they are; their event ids stay, so that the destination knows a double."
    return ActionPlan(
        verb="retry",
        asked=asked,
        title=f"{done}?",
        done=done,
        text=text + _rest_words(would.count, len(rows)),
        subject=subject,
        rows=tuple(map(_delivery_row, rows)),
        count=len(rows),
        state=describe_state([(row.id, row.state, row.reason, row.attempts) for row in rows]),
        run=lambda by: retry_by_hand(deps.store, ids, by, subject=subject),
    )


def _delivery_row(row: DeliveryRow) -> PlanRow:
    now = " ".join(filter(None, (state_word(row.state), shown_answer_reason(row.reason))))
    return PlanRow(row.event, row.destination, now, "sent again", path=f"/events/{row.event}")


async def _plan_replay(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    which, subject = await _read_which(deps, asked, state="set_aside", all_of="source")
    try:
        would = await deps.store.would_replay(which, newest=MOST_ROWS)
    except BodyGone as error:
        raise ActionRefused(f"{error}.") from None
    rows = [row for row in would.newest if isinstance(row, WebhookRow)]
    if any(row.state not in _REPLAYED for row in rows):
        raise ActionRefused(
            f"{rows[0].id} made events. `trackbridge replay {rows[0].id} --dry-run` compares them with what its "
            "mapping makes now."
        )
    shown = [await _replayed_row(deps, row) for row in rows[:MOST_LISTED]]
    rest = [_webhook_row(row, "") for row in rows[MOST_LISTED:]]
    ids = (RowFilter(ids=tuple(row.id for row in rows)),)
    done = f"Replay {count_words(len(rows), 'webhook')}"
    text = "They are translated again by the mappings in use. Below is what each becomes now."
    return ActionPlan(
        verb="replay",
        asked=asked,
        title=f"{done}?",
        done=done,
        text=text + _rest_words(would.count, len(rows)),
        subject=subject,
        rows=(*shown, *rest),
        count=len(rows),
        state=describe_state([(row.id, row.state, row.reason) for row in rows], [one.then for one in shown]),
        run=lambda by: replay_by_hand(deps.store, ids, by, subject=subject),
    )


async def _replayed_row(deps: ConsoleDeps, row: WebhookRow) -> PlanRow:
    found = (await deps.store.show_detail(row.id))[0]
    source = deps.sources().get(row.source)
    if source is None:
        return _webhook_row(row, f"set aside: there is no source {row.source}", "bad")
    if not isinstance(found, WebhookDetail) or found.body_gone:
        return _webhook_row(row, "nothing: its body is gone", "bad")
    match await translate_kept(deps.store, source, found.webhook):
        case Translated(events=events):
            made = (
                " ".join(filter(None, (shown_word(one.event_type), value_words(one.value, one.currency))))
                for one in events
            )
            return _webhook_row(row, ", ".join(made) or "no event", "good")
        case Ignored(reason=reason):
            return _webhook_row(row, f"ignored: {shown_reason(reason)}")
        case SetAside(reason=reason):
            return _webhook_row(row, f"set aside: {shown_reason(reason)}", "bad")


def _webhook_row(row: WebhookRow, then: str, tone: str = "") -> PlanRow:
    now = f"{state_word(row.state)}: {shown_reason(row.reason)}"
    return PlanRow(row.id, row.source, now, then, tone, f"/webhooks/{row.id}")


async def _plan_release(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    found = (await deps.store.find_duplicates((asked.get("id", ""),))).duplicates
    if not found:
        raise NotFound("it is no duplicate: it was told")
    to = {f"source:{one.name}": one.to for one in deps.sources().values()}
    chosen = [Routed(one.event, deps.route(one.event, to.get(one.event.origin))) for one in found]
    goes = [
        ", ".join(f"{each.destination} ({each.skip})" if each.skip else each.destination for each in one.routes)
        for one in chosen
    ]
    return ActionPlan(
        verb="release",
        asked=asked,
        title="Release a duplicate?",
        done="Release it",
        text="It was taken for a duplicate, and is told as a conversion of its own. That cannot be taken back.",
        subject=found[0].event.id,
        rows=tuple(_duplicate_row(one, where) for one, where in zip(found, goes, strict=True)),
        count=len(found),
        state=describe_state([(one.event.id, one.row.duplicate_of) for one in found], goes),
        run=lambda by: release_by_hand(deps.store, chosen, by),
    )


def _duplicate_row(one: DuplicateEvent, where: str) -> PlanRow:
    original = _event_words(one.original) if one.original else "an event that was deleted since"
    goes = f"delivered to {where}" if where else "kept; there is no destination"
    return PlanRow(one.row.id, _event_words(one.row), f"a duplicate of {original}", goes, path=f"/events/{one.row.id}")


def _event_words(row: EventRow) -> str:
    order = f"order {shown_order(row.order_id)}" if row.order_id else ""
    return " ".join(filter(None, (shown_word(row.event_type), order, value_words(row.value, row.currency))))


async def _plan_resume(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    name = asked.get("id", "")
    state = await deps.store.destination_state(name, now=deps.clock())
    if state.paused is None:
        raise ActionRefused("This destination is not paused.")

    async def run(by: ActingPerson) -> int:
        return int(await resume_by_hand(deps.store, name, by))

    probe = f"; without you it is tried {format_local(state.probe_at)}" if state.probe_at else ""
    row = PlanRow(name, name, f"paused: {shown_answer_reason(state.paused)}", "one delivery is sent now, as a probe")
    return ActionPlan(
        verb="resume",
        asked=asked,
        title=f"Resume {name}?",
        done="Try it now",
        text=f"If the probe is taken, all that waits is delivered; else it stays paused{probe}.",
        subject=name,
        rows=(row,),
        count=1,
        state=describe_state(state.paused, state.paused_at, state.probe_at, state.probes),
        run=run,
    )


async def _read_which(deps: ConsoleDeps, asked: Mapping[str, str], *, state: str, all_of: str) -> tuple[RowFilter, str]:
    """What was named, and what the record calls it."""
    match asked:
        case {"id": one}:
            return RowFilter(ids=(one,)), one
        case {"group": group}:
            failed = await deps.store.group_failures(most=MOST_ROWS)
            found = next((one for one in failed.groups if one.state == state and name_group(one) == group), None)
            if found is None:
                raise ActionRefused("Nothing is in this group any more. Others may have mended it.")
            return RowFilter(ids=found.ids), f"a group, state {state}, {all_of} {found.name}"
        case {"all": name}:
            which = RowFilter(state=state)
            named = replace(which, source=name) if all_of == "source" else replace(which, destination=name)
            return named, f"state {state}, {all_of} {name}"
        case _:
            raise ActionRefused("This address names nothing to act on.")


def _rest_words(count: int, shown: int) -> str:
    return f" These are the newest {shown:,} of {count:,}; ask again for the rest." if count > shown else ""
