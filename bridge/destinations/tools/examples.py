"""Examples of a destination file: given events and the request they must become, or an answer and what it must mean.

An example with another outcome is a problem at its `expect`, with the difference. Secrets are their names in brackets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from bridge import contract
from bridge.core import json_text
from bridge.core.delivery import Delivery, DeliveryState, FollowedEvent, Outgoing, Response
from bridge.core.errors import NotAnEvent, SettingsError
from bridge.core.json_text import Json
from bridge.core.model import Event, SourceLocation
from bridge.destinations.engine.declared import DeclaredDestination, make_declared
from bridge.destinations.language import Platform
from bridge.destinations.tools.described import describe_outcome, describe_request, describe_unsent
from bridge.mapping.expressions.runtime import are_equal
from bridge.mapping.object_reader import ObjectReader
from bridge.mapping.tools.examples import diff_documents
from bridge.yaml import document
from bridge.yaml.document import MappingNode
from bridge.yaml.problems import Problems

EXAMPLES_NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""When the events of examples are sent."""
GIVEN = ("events", "options", "of_order", "followed", "response", "sent")
FOLLOWED = ("event_type", "value", "currency", "told")
RESPONSE = ("status", "headers", "body", "text")
_PARTS = ("method", "url", "headers", "body")


@dataclass(frozen=True, slots=True)
class DestinationExample:
    """One example. With `response` it is an answer to a request of `sent` events, else events to be sent.

    `of_order`: which one of its order each event is. `followed`: what they follow, which was delivered and is sure.
    """

    name: str
    expect: Json
    events: Sequence[Json] = ()
    options: Mapping[str, Json] = field(default_factory=dict)
    response: Response | None = None
    sent: int = 1
    of_order: int = 1
    followed: Mapping[str, Json] | None = None
    places: Mapping[str, SourceLocation] = field(default_factory=dict)


def read_destination_example(text: str | bytes, *, name: str, problems: Problems) -> DestinationExample | None:
    """The example in a text; None, with problems, where it is none."""
    root = document.read_document(text, name=name, problems=problems)
    if root is None:
        return None
    before = len(problems.errors)
    reader = ObjectReader.read_object(root, ("given", "expect"), problems, what="an example")
    given, expect = reader.read_node("given", needed=True), reader.read_node("expect", needed=True)
    if given is None or expect is None or not isinstance(root, MappingNode) or not isinstance(given, MappingNode):
        return None
    below = ObjectReader.read_object(given, GIVEN, problems, what="given")
    events, options = below.read_node("events"), below.read_node("options")
    response, sent = below.read_node("response"), below.read_scalar("sent")
    of_order = below.read_scalar("of_order")
    if (events is None) == (response is None):
        problems.add_error(given.place, "given needs `events` to be sent, or a `response` that was answered")
    wanted = expect.get_value("request") if isinstance(expect, MappingNode) else None
    if wanted is not None and (not isinstance(wanted, MappingNode) or "body" not in wanted.entries):
        problems.add_error(wanted.place, "the expected request needs `body`, else the example holds nothing against it")
    followed = below.read_node("followed")
    if followed is not None:
        ObjectReader.read_object(followed, FOLLOWED, problems, what="followed")
    if response is not None:
        ObjectReader.read_object(response, RESPONSE, problems, what="response")
    if len(problems.errors) > before:
        return None
    return DestinationExample(
        name,
        document.plain_value(expect),
        events=tuple(document.plain_value(node) for node in below.read_items("events")),
        options=document.plain_value(options) if options is not None else {},
        response=None if response is None else _make_response(document.plain_value(response)),
        sent=int(sent.value) if sent is not None and isinstance(sent.value, int) else 1,
        of_order=of_order.value if of_order is not None and isinstance(of_order.value, int) else 1,
        followed=None if followed is None else document.plain_value(followed),
        places={key: entry.key.place for key, entry in root.entries.items()}
        | {key: entry.key.place for key, entry in given.entries.items()},
    )


def _make_response(given: dict[str, Json]) -> Response:
    text = given.get("text")
    if text is None:
        text = json_text.write_json(given["body"]).decode() if "body" in given else ""
    headers = {str(name).lower(): str(value) for name, value in (given.get("headers") or {}).items()}
    return Response(int(given.get("status", 200)), headers, str(text))


def run_destination_example(platform: Platform, example: DestinationExample, problems: Problems) -> None:
    """Run one example, and tell where it becomes something else."""
    try:
        destination = example_destination(platform, example.options)
        told = _outcome_of(destination, example)
    except SettingsError as error:
        problems.add_error(example.places.get("options", example.places["given"]), str(error))
        return
    except NotAnEvent as error:
        problems.add_error(example.places["events"], error.problems[0].text)
        return
    seen = _shown_like(told, example.expect)
    if not are_equal(seen, example.expect):
        different = diff_documents(example.expect, seen).split("\n")
        problems.add_error(example.places["expect"], "comes to something else:", different)


def example_destination(platform: Platform, options: Mapping[str, Json]) -> DeclaredDestination:
    """A destination for people to read, with what an example or a dry run leaves out filled in."""
    filled: dict[str, Json] = {name: f"[{name}]" for name, var in platform.parts.vars.items() if var.needed}
    if platform.parts.purpose != "own":
        filled["without_consent"] = "send"
    if "url" in filled:
        filled["url"] = "https://example.com"
    if not platform.parts.names_events:
        filled["events"] = {"purchase": "[purchase]"}
    return make_declared(platform, "example", filled | dict(options), masked=True)


def make_deliveries(
    events: Sequence[Json], *, of_order: int = 1, followed: Mapping[str, Json] | None = None
) -> list[Delivery]:
    """Deliveries of events, each held to the contract. Raises NotAnEvent."""
    deliveries = []
    for number, event in enumerate(events, start=1):
        made = contract.validate_event(
            event, origin="example", scope="", received_at=EXAMPLES_NOW, default_id=f"evt_{number}", dedupe=()
        )
        other = None if followed is None else _followed_event(followed, made)
        deliveries.append(Delivery(number, "example", made.id, made.text, 0, of_order=of_order, followed=other))
    return deliveries


def _followed_event(given: Mapping[str, Json], follower: Event) -> FollowedEvent:
    """The event that another follows: delivered, taken, and of the same currency unless another is given."""
    return FollowedEvent(
        event_type=str(given.get("event_type", "purchase")),
        state=DeliveryState.DELIVERED,
        value=None if given.get("value") is None else str(given["value"]),
        currency=given.get("currency", follower.currency),
        told=Decimal(str(given.get("told", 0))),
        verdict="",
        own_value=follower.value,
        own_currency=follower.currency,
    )


def _outcome_of(destination: DeclaredDestination, example: DestinationExample) -> Json:
    if example.response is not None:
        outcome = destination.read_response(example.response, sent=example.sent, now=EXAMPLES_NOW)
        return describe_outcome(outcome)
    deliveries = make_deliveries(example.events, of_order=example.of_order, followed=example.followed)
    made = destination.make_requests(deliveries, now=EXAMPLES_NOW)
    told: list[Json] = []
    for one in made:
        told += [{"request": describe_request(one)}] if isinstance(one, Outgoing) else describe_unsent(one)
    return told[0] if len(told) == 1 else told


def _shown_like(told: Json, expect: Json) -> Json:
    """A request with the parts, and of the headers those, that an example asks for."""
    if isinstance(told, list) and isinstance(expect, list) and len(told) == len(expect):
        return [_shown_like(one, other) for one, other in zip(told, expect, strict=True)]
    if not (isinstance(told, dict) and isinstance(expect, dict) and "request" in told and "request" in expect):
        return told
    asked = expect["request"] if isinstance(expect["request"], dict) else {}
    request = {part: told["request"][part] for part in _PARTS if part in asked}
    if isinstance(asked.get("headers"), dict):
        wanted = {name.lower(): name for name in asked["headers"]}
        request["headers"] = {wanted[key]: text for key, text in request["headers"].items() if key in wanted}
    return {"request": request}
