"""Dry runs of what tries a source or a destination: a signed test webhook, a test event.

What would count as real is shown, and never sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlencode

from bridge.core import json_text
from bridge.core.delivery import Outgoing
from bridge.core.errors import NotAnEvent, NotFound, SettingsError
from bridge.core.model import Event
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.described import describe_request
from bridge.destinations.tools.trial import TEST_EVENT, make_event, make_trial_request
from bridge.http.console.action_plan import ActionAnswer, ActionPlan, ActionRefused, PlanRow, describe_state
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.masking import mask_document, shown_answer_reason, shown_word
from bridge.http.console.shown_deliveries import shown_answer
from bridge.http.console.words import value_words
from bridge.mapping.tools.sample_webhook import SampleWebhook
from bridge.store.by_hand import ActingPerson
from bridge.store.row_filter import RowFilter
from bridge.store.status_views import ActionTaken

SUCCESS = range(200, 300)
EVENT_TYPES = ("purchase", "refund", "lead", "registration", "add_to_cart", "begin_checkout", "page_view")
"""Types to choose from; any other can be asked for by its name in the address."""


async def plan_test_webhook(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    """What sending a signed test webhook to a source would do."""
    name = asked.get("id", "")
    source = deps.sources().get(name)
    if source is None:
        raise NotFound("there is no such source")
    if not source.has_secret:
        raise ActionRefused(f"{name} has no secret yet, so that nothing can be signed. Set it first.")
    try:
        sample = await asyncio.to_thread(deps.make_sample, source)
    except SettingsError as error:
        raise ActionRefused(f"{error}.") from None
    if sample is None:
        raise ActionRefused(f"No example beside the mapping of {name} becomes an event. Let the provider send a test.")

    async def run(by: ActingPerson) -> ActionAnswer:
        return await _send_sample(deps, name, sample, by)

    body = json_text.write_json(mask_document(json_text.parse_json(sample.signed.body)))
    return ActionPlan(
        verb="test-webhook",
        asked=asked,
        title=f"Send a test webhook to {name}?",
        done="Send it",
        text=f"It is the example {sample.name} with ids of its own, signed with the secret of {name}, and is received "
        "as one of the provider is.",
        subject=name,
        rows=tuple(_event_row(name, event) for event in sample.events),
        count=len(sample.events),
        state=describe_state(sample.name, [(one.event_type, one.test) for one in sample.events]),
        run=run,
        only_shown="" if sample.is_test else f"No example of {name} is one that its mapping takes for a test: what "
        "this one becomes would count as real. So it is shown, and not sent. Let the provider send a test.",
        detail=json_text.indent_json(body),
    )  # fmt: skip


def _event_row(source: str, event: Event) -> PlanRow:
    made = " ".join(filter(None, (shown_word(event.event_type), value_words(event.value, event.currency))))
    goes = "a test: destinations that take real events skip it" if event.test else "counts as real"
    return PlanRow(made, source, "is not there", goes, "good" if event.test else "bad")


async def _send_sample(deps: ConsoleDeps, name: str, sample: SampleWebhook, by: ActingPerson) -> ActionAnswer:
    before = (await deps.store.search_webhooks(RowFilter(limit=1), most=1)).newest or "~0"
    answer = await deps.post_webhook(name, sample.signed)
    await deps.store.record_action(ActionTaken(by.now, by.who, "send test webhook", name))
    is_taken = answer.status in SUCCESS
    text = "It is on disk, and appears below within a second." if is_taken else "It was not taken."
    live = f"/webhooks/new?{urlencode({'source': name, 'after': before})}" if is_taken else ""
    return ActionAnswer(1, f"{name} answered {answer.status}", is_taken, text, answer.text, live)


async def plan_test_event(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    """What sending a test event to a destination would do: the request. A destination of real events gets none."""
    destination = deps.destinations().get(asked.get("id", ""))
    if destination is None:
        raise NotFound("there is no such destination")
    try:
        made, is_live = _make_request(deps, destination, asked.get("type") or EVENT_TYPES[0])
    except NotAnEvent as error:
        raise ActionRefused(f"{error.problems[0].text}.") from None
    if isinstance(made, str):
        raise ActionRefused(f"{destination.name} would get no request: {shown_answer_reason(made)}.")

    async def run(by: ActingPerson) -> ActionAnswer:
        return await _send_event(deps, destination, made, by)

    row = PlanRow(destination.name, destination.address, "not sent", "nothing is sent" if is_live else "one request")
    return ActionPlan(
        verb="test-event",
        asked=asked,
        title=f"Send a test event to {destination.name}?",
        done="Send it",
        text="It is invented, goes to this destination alone, and is not kept. Below is the request, without headers.",
        subject=destination.name,
        rows=(row,),
        count=1,
        state=describe_state(destination.address, is_live),
        run=run,
        only_shown=f"{destination.name} takes real events, and this one would count. So the request is shown, and not "
        "sent. A destination with `test: true` takes test events." if is_live else "",
        detail=_request_text(destination, made),
        choices=tuple((one, f"/actions/test-event?{urlencode({**asked, 'type': one})}") for one in EVENT_TYPES),
    )  # fmt: skip


def _make_request(deps: ConsoleDeps, destination: Destination, event_type: str) -> tuple[Outgoing | str, bool]:
    """The request or why there is none, and whether the destination takes real events."""
    now, nonce = deps.clock(), deps.nonce()
    event = make_event(event_type, now=now, test=True, nonce=nonce)
    reason = destination.skip_reason(event)
    if reason == TEST_EVENT:
        real = make_event(event_type, now=now, test=False, nonce=nonce)
        reason = destination.skip_reason(real)
        return (f"skipped: {reason}" if reason else make_trial_request(destination, real, now=now)), True
    return (f"skipped: {reason}" if reason else make_trial_request(destination, event, now=now)), False


def _request_text(destination: Destination, made: Outgoing) -> str:
    described = describe_request(made)["body"]
    body = json_text.indent_json(json_text.write_json(mask_document(described))) if described else ""
    return f"{made.method} {destination.address}\n\n{body}"


async def _send_event(deps: ConsoleDeps, destination: Destination, made: Outgoing, by: ActingPerson) -> ActionAnswer:
    told = await deps.send_trial(destination, made)
    await deps.store.record_action(ActionTaken(by.now, by.who, "send test event", destination.name))
    status = "nothing" if told.status is None else str(told.status)
    words = told.words if told.is_delivered else shown_answer_reason(told.words)
    return ActionAnswer(
        1,
        f"{destination.name} answered {status}",
        told.is_delivered,
        f"That means: {words}.",
        shown_answer(told.answer),
    )
