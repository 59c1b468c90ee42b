"""A kept webhook becomes events: the topic chooses the rules, the rules build, the contract judges.

Whatever goes wrong on the way sets the webhook aside with its place and reason, never with a value. Not concerned
with how rules were compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from bridge import contract, jsontext
from bridge.errors import NotAnEvent
from bridge.jsontext import Json
from bridge.mapping.compiler import Program, RuleCode
from bridge.mapping.frame import Frame, Teller
from bridge.mapping.semantics import Unworkable
from bridge.mapping.topics import matches
from bridge.model import Event, Ignored, Place, SetAside, Translated, Translation, Webhook
from bridge.signature.locators import NOTHING, at, pointer

_MOST_TOPICS = 1_000
"""Topics whose rules are remembered; a provider has fewer."""
_LONGEST_SHOWN = 120


class Translator(Teller):
    """Translates the webhooks of one source. `looked_at` says where a topic is looked for."""

    def __init__(  # noqa: PLR0913  what a mapping and its operator say, by name
        self,
        program: Program,
        *,
        name: str,
        scope: str,
        vars: Mapping[str, str],  # noqa: A002  the word of the language
        ignores: Mapping[str, str],
        file_name: str,
        looked_at: Sequence[str],
    ) -> None:
        self.vars = vars
        self._program = program
        self._name = name
        self._scope = scope
        self._ignores = ignores
        self._file_name = file_name
        self._looked_at = looked_at
        self._source: dict[str, Json] = {"name": name, "vars": dict(vars)}
        self._rules: dict[str | None, tuple[RuleCode, ...]] = {}

    def translate(self, webhook: Webhook) -> Translation:
        """What a kept webhook comes to. Never raises."""
        try:
            return self._translated(webhook)
        except Exception as error:  # noqa: BLE001  nothing that a provider sends may stop the loop
            return SetAside(self._told(error))

    def note(self, field: str, error: Exception) -> str:
        """The text of a note about a field that was left out."""
        return f"{self._told(error)}; {field} is left out"

    # ------------------------------------------------------------------------------------------------ the way

    def _translated(self, webhook: Webhook) -> Translation:
        topic = webhook.topic
        if topic is None and self._looked_at:
            return SetAside(f"no topic found: looked at {', '.join(self._looked_at)}")
        if webhook.item == "":
            return Ignored("the batch holds no items")
        rules = self._rules_of(topic)
        frame, unreadable = self._frame(webhook)
        refused = self._refused(topic, frame, readable=unreadable is None)
        if refused is not None:
            return SetAside(refused)
        if not rules:
            return Ignored(self._why_ignored(topic))
        if unreadable is not None and (self._program.test_needs_body or any(rule.needs_body for rule in rules)):
            return SetAside(unreadable)
        events = self._events(rules, frame, webhook)
        return Translated(events) if events else Ignored(self._none_held(rules))

    def _events(self, rules: Sequence[RuleCode], frame: Frame, webhook: Webhook) -> tuple[Event, ...]:
        events: list[Event] = []
        keys: set[tuple[str, str]] = set()
        counts: dict[str, int] = {}
        for rule in rules:
            frame.notes = []
            built = rule.run(frame)
            if built is None:
                continue
            raw, dedupe = built
            event_type = str(raw.get("event_type", ""))
            ordinal = counts.get(event_type, 0)
            counts[event_type] = ordinal + 1
            key = dedupe if dedupe is not None else str(ordinal)
            if (event_type, key) in keys:
                key = f"{key}#{ordinal}"
            keys.add((event_type, key))
            if self._program.is_test is not None and self._program.is_test(frame):
                raw["test"] = True
            events.append(self._event(raw, rule, webhook, frame, dedupe=dedupe, key=key))
        return tuple(events)

    def _event(  # noqa: PLR0913  one event and all that names it
        self,
        raw: dict[str, Json],
        rule: RuleCode,
        webhook: Webhook,
        frame: Frame,
        *,
        dedupe: str | None,
        key: str,
    ) -> Event:
        try:
            return contract.event(
                raw,
                door=f"source:{self._name}",
                scope=self._scope,
                received_at=webhook.received_at,
                default_id=contract.derived_id(
                    received_at=webhook.received_at,
                    source=self._name,
                    webhook_id=webhook.identity[0].hex(),
                    event_type=str(raw.get("event_type", "")),
                    key=key,
                ),
                dedupe=dedupe,
                notes=frame.notes,
            )
        except NotAnEvent as error:
            raise _Refused("; ".join(_placed(rule.places, *each) for each in _problems(error))) from None

    # ---------------------------------------------------------------------------------------- which rules, or why

    def _rules_of(self, topic: str | None) -> tuple[RuleCode, ...]:
        found = self._rules.get(topic)
        if found is None:
            found = tuple(rule for rule in self._program.rules if _takes(rule.topics, topic))
            if len(self._rules) < _MOST_TOPICS:
                self._rules[topic] = found
        return found

    def _refused(self, topic: str | None, frame: Frame, *, readable: bool) -> str | None:
        for refusal in self._program.refusals:
            if _takes(refusal.topics, topic) and (readable or not refusal.needs_body) and refusal.run(frame):
                return refusal.reason
        return None

    def _why_ignored(self, topic: str | None) -> str:
        reasons = (reason for pattern, reason in self._ignores.items() if topic is not None and matches(pattern, topic))
        return self._ignores.get(topic or "") or next(reasons, "no rule for this topic")

    def _none_held(self, rules: Sequence[RuleCode]) -> str:
        lines = [str(rule.when_line) for rule in rules]
        return f"no rule's `when` held ({self._file_name}:{', :'.join(lines)})"

    # ------------------------------------------------------------------------------------------------- the frame

    def _frame(self, webhook: Webhook) -> tuple[Frame, str | None]:
        """The webhook's roots, and why its body cannot be read, if it cannot."""
        request, unreadable = _document(webhook)
        body = request
        if webhook.item is not None and unreadable is None:
            body = at(request, pointer(webhook.item))
            body = None if body is NOTHING else body
        frame = Frame(
            body=body,
            request=request,
            headers=dict(webhook.headers),
            query=dict(webhook.query),
            webhook={
                "id": webhook.id,
                "topic": webhook.topic,
                "received_at": contract.written(webhook.received_at),
            },
            source=self._source,
            names=self._program.names,
            teller=self,
        )
        return frame, unreadable

    # ------------------------------------------------------------------------------------------- what went wrong

    def _told(self, error: Exception) -> str:
        """Place, reason and expression of a failure; no value."""
        if isinstance(error, _Refused):
            return str(error)
        spot = self._program.compiled.spot(error.__traceback__)
        if spot is None:
            return _reason(error)
        scalar, offset = spot
        written = f", in {_shown(scalar.text)}" if scalar.is_expression else ""
        return f"{scalar.at(offset)}: {_reason(error)}{written}"


class _Refused(Exception):
    """An event that the contract refuses."""


def _document(webhook: Webhook) -> tuple[Json, str | None]:
    kind = webhook.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            return dict(reversed(parse_qsl(webhook.body.decode(), keep_blank_values=True))), None
        return jsontext.parse(webhook.body, strict=False), None
    except ValueError as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        return None, f"the body cannot be read: {why}"


def _takes(topics: tuple[str, ...] | None, topic: str | None) -> bool:
    return topics is None or (topic is not None and any(matches(pattern, topic) for pattern in topics))


def _problems(error: NotAnEvent) -> list[tuple[tuple[str, ...], str]]:
    return [(tuple(step for step in each.path if isinstance(step, str)), each.text) for each in error.problems]


def _placed(places: Mapping[tuple[str, ...], Place], path: tuple[str, ...], text: str) -> str:
    """A problem of an event at the line that gives the field, or the nearest one around it."""
    while path and path not in places:
        path = path[:-1]
    return f"{places[path]}: {text}"


def _reason(error: Exception) -> str:
    match error:
        case Unworkable():
            return error.text
        case RecursionError():
            return "nested too deep"
        case _:
            return f"cannot be worked out ({type(error).__name__})"


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_SHOWN else f"{flat[: _LONGEST_SHOWN - 1]}…"
