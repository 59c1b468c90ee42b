"""Translates a kept webhook into events: its topic selects the rules, the rules build, the contract validates.

Any failure sets the webhook aside with its place and reason, never with a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridge import contract
from bridge.core import dedupe_keys, json_text
from bridge.core.conversions import LedgerEffects, RememberedConversion
from bridge.core.errors import NotAnEvent
from bridge.core.instants import format_instant
from bridge.core.json_text import Json
from bridge.core.model import Event, EventNeeded, EventProblem, Ignored, SetAside, Translation, Webhook
from bridge.mapping.engine.body import parse_body
from bridge.mapping.engine.context import FailureNotes, MappingFrame
from bridge.mapping.engine.defer import Deferring
from bridge.mapping.engine.event_names import EventName, EventNames
from bridge.mapping.engine.ignored import NO_ELEMENT, IgnoredReasons, RuleMiss
from bridge.mapping.engine.outcome import RuleOutcomes
from bridge.mapping.engine.program import Program, RuleCode
from bridge.mapping.engine.recall import ConversionWanted, Known, NoEarlierEvents, NotTold, RecallContext
from bridge.mapping.engine.topic_code import CodeByTopic
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.expressions.runtime import CannotEvaluate
from bridge.mapping.language import LENDS, SOFT
from bridge.signature.locators import NOTHING, parse_pointer, value_at

_LONGEST_SHOWN = 120
_ITEMS = ("properties", "items")


NO_TOPIC = "no topic found"
PING = "a test ping, by which the provider asks whether the address answers"
_ONCE: tuple[tuple[()]] = ((),)


class WebhookTranslator(FailureNotes):
    """Translates the webhooks of one source. `looked_at` says where a topic is looked for."""

    def __init__(  # noqa: PLR0913  what a mapping and its operator say, by name
        self,
        program: Program,
        *,
        name: str,
        provider: str,
        scope: str,
        vars: Mapping[str, str],  # noqa: A002  the word of the language
        choices: Mapping[str, Sequence[str]],
        ignores: Mapping[str, str],
        file_name: str,
        looked_at: Sequence[str],
    ) -> None:
        self.vars = vars
        self._program = program
        self._name = name
        self._provider = provider
        self._origin = f"source:{name}"
        self._scope = scope
        self._ignores = ignores
        self._reasons = IgnoredReasons(file_name, name, vars, choices)
        self._looked_at = looked_at
        self._source: dict[str, Json] = {"name": name, "vars": dict(vars)}
        self._code = CodeByTopic(program)

    def translate(self, webhook: Webhook) -> Translation:
        """What a kept webhook becomes where no event came before it. Never raises."""
        made = self.translate_among(webhook, NoEarlierEvents())
        return SetAside("an earlier event is missing") if isinstance(made, EventNeeded) else made

    def translate_among(
        self, webhook: Webhook, earlier: Known, asked: EventNeeded | None = None
    ) -> Translation | EventNeeded:
        """What a kept webhook becomes among earlier events. Never raises.

        With `asked`, the answer before this one, nothing is read or evaluated again that was then.
        """
        if webhook.item == "":
            return Ignored("the batch holds no items")
        frame = None
        try:
            frame, unreadable = self._continue_frame(asked, earlier) or self.make_frame(webhook)
            return self._translate_checked(webhook, earlier, frame, unreadable)
        except ConversionWanted as wants:
            until = webhook.received_at + wants.recall.wait.length_for(self.vars)
            return EventNeeded(
                wants.keys, " or ".join(wants.recall.event_types), until, wants.is_looked_up, seen=wants.seen,
                unfinished=None if wants.is_looked_up else frame,
            )  # fmt: skip
        except Deferring as wants:
            deferred = wants.defer_to
            until = webhook.received_at + deferred.wait.length_for(self.vars)
            types, lends = " or ".join(deferred.event_types), json_text.write_json(wants.event)
            return EventNeeded(
                wants.keys, types, until, is_looked_up=True, lends=lends, rank=deferred.rank, seen=wants.seen
            )
        except Exception as error:  # noqa: BLE001  nothing that a provider sends may stop the loop
            return SetAside(self._failure_text(error))

    def note_text(self, field: str, error: Exception) -> str:
        """The text of a note about a field that was left out."""
        return f"{self._failure_text(error)}; {field} is left out"

    # ------------------------------------------------------------------------------------------------ the way

    def _translate_checked(
        self, webhook: Webhook, earlier: Known, frame: MappingFrame, unreadable: str | None
    ) -> Translation:
        topic = webhook.topic
        decided = self._decide_by_kind(topic, frame, unreadable)
        if decided is not None:
            return decided
        rules = self._code.find_code(topic).rules
        aliases = self._aliases_of(topic, frame) if unreadable is None else ()
        if not rules:
            return Ignored(self._why_ignored(topic, frame), LedgerEffects(aliases=aliases))
        if unreadable is not None and (self._program.test_needs_body or any(rule.needs_body for rule in rules)):
            return SetAside(unreadable)
        if frame.recalling is None and any(rule.recalls for rule in rules):
            frame.recalling = self._recalling(webhook, earlier, frame)
        made = RuleOutcomes(aliases=aliases)
        misses = self._make_events(rules, frame, webhook, made)
        return made.finish(otherwise=lambda: self._reasons.describe_misses(misses, frame, topic))

    def _decide_by_kind(self, topic: str | None, frame: MappingFrame, unreadable: str | None) -> Translation | None:
        """What a webhook becomes whatever its rules say: a ping, one without a topic, one that is set aside."""
        if unreadable is None and self._program.is_ping is not None and self._program.is_ping(frame):
            return Ignored(PING)
        if topic is None and self._looked_at:
            also = f"; {unreadable}" if unreadable else ""
            return SetAside(f"{NO_TOPIC}: looked at {', '.join(self._looked_at)}{also}")
        refused = self._refusal_reason(topic, frame, readable=unreadable is None)
        return None if refused is None else SetAside(refused)

    def _continue_frame(self, asked: EventNeeded | None, earlier: Known) -> tuple[MappingFrame, None] | None:
        """The frame of a webhook that asked for what is known now: only one whose body can be read asks."""
        frame = None if asked is None else asked.unfinished
        if not isinstance(frame, MappingFrame) or frame.recalling is None:
            return None
        frame.begin_again()
        frame.recalling.look_again(earlier)
        return frame, None

    def _recalling(self, webhook: Webhook, earlier: Known, frame: MappingFrame) -> RecallContext:
        has_waited = webhook.waited or isinstance(earlier, NoEarlierEvents)
        test = self._is_test(frame)
        return RecallContext(
            self._scope, test, earlier, self.vars, webhook.received_at, has_waited, webhook.looked_until, webhook.number
        )

    def _is_test(self, frame: MappingFrame) -> bool:
        return self._program.is_test is not None and self._program.is_test(frame)

    def _aliases_of(self, topic: str | None, frame: MappingFrame) -> tuple[tuple[bytes, bytes], ...]:
        """The ledger keys of names that the webhook says belong to others, each with that other's."""
        pairs = [named for each in self._code.find_code(topic).aliases if (named := each.run(frame))]
        if not pairs:
            return ()
        test = self._is_test(frame)
        return tuple(
            (
                dedupe_keys.conversion_key(self._scope, event_type, name, test=test),
                dedupe_keys.conversion_key(self._scope, event_type, other, test=test),
            )
            for name, other in pairs
            for event_type in self._program.alias_types
        )

    def _make_events(
        self, rules: Sequence[RuleCode], frame: MappingFrame, webhook: Webhook, made: RuleOutcomes
    ) -> list[RuleMiss]:
        """Collect what the rules make; the conditions that did not hold."""
        misses: list[RuleMiss] = []
        names = EventNames(self._name, webhook)
        for rule in rules:
            for place, element in enumerate(_ONCE if rule.elements is None else _elements_of(rule, frame, misses)):
                frame.notes = []
                frame.deferred_for = None
                try:
                    built = rule.run(frame, *element)
                except NotTold as not_told:
                    made.add_not_told(not_told)
                    continue
                if isinstance(built, int):
                    misses.append(RuleMiss(rule, built, element))
                    continue
                raw, dedupes = built
                if rule.remember is not None:
                    made.add_remembered(self._remember(raw, dedupes, rule, frame))
                    continue
                _check_size(frame, raw, rule)
                if self._is_test(frame):
                    raw["test"] = True
                given = dedupes[0] if dedupes else None if rule.elements is None else f"[{place}]"
                named = names.next_name(str(raw.get("event_type", "")), given=given, dedupes=dedupes)
                made.add_event(self._make_event(raw, rule, frame, named), frame.deferred_for)
        return misses

    def _remember(
        self, raw: dict[str, Json], dedupes: Sequence[str], rule: RuleCode, frame: MappingFrame
    ) -> RememberedConversion:
        """What is kept of a webhook that makes no event on purpose."""
        event_type = str(raw.get("event_type", ""))
        test = self._is_test(frame) or raw.get("test") is True
        keys = [dedupe_keys.conversion_key(self._scope, event_type, name, test=test) for name in dedupes]
        lends = json_text.write_json({name: raw[name] for name in LENDS if name in raw})
        return RememberedConversion(tuple(keys), rule.remember or "", lends, rule.rank)

    def _make_event(self, raw: dict[str, Json], rule: RuleCode, frame: MappingFrame, named: EventName) -> Event:
        """The event that the contract makes of `raw`; personal fields that it refuses are left out with a note."""
        while True:
            try:
                return contract.validate_event(
                    raw,
                    origin=self._origin,
                    scope=self._scope,
                    received_at=named.received_at,
                    default_id=named.default_id,
                    dedupe=named.dedupes,
                    mapping=self._provider,
                    rank=rule.rank,
                    notes=frame.notes,
                    mapped=True,
                )
            except NotAnEvent as error:
                if not all(_is_soft(problem.path) for problem in error.problems):
                    raise _EventRefused("; ".join(_locate_problem(rule, each) for each in error.problems)) from None
                for problem in error.problems:
                    field = _leave_out(raw, problem.path)
                    frame.notes.append(f"{_locate_problem(rule, problem)}; {field} is left out")

    # ---------------------------------------------------------------------------------------- which rules, or why

    def _refusal_reason(self, topic: str | None, frame: MappingFrame, *, readable: bool) -> str | None:
        for refusal in self._code.find_code(topic).refusals:
            if (readable or not refusal.needs_body) and refusal.run(frame):
                return refusal.reason
        return None

    def _why_ignored(self, topic: str | None, frame: MappingFrame) -> str:
        for pattern, work_out in self._program.ignore_reasons.items():
            if topic is not None and matches_topic(pattern, topic) and (reason := work_out(frame)):
                return str(reason)
        reasons = (
            reason for pattern, reason in self._ignores.items() if topic is not None and matches_topic(pattern, topic)
        )
        return self._ignores.get(topic or "") or next(reasons, "no rule for this topic")

    # ------------------------------------------------------------------------------------------------- the frame

    def make_frame(self, webhook: Webhook) -> tuple[MappingFrame, str | None]:
        """The webhook's roots, and why its body cannot be read, if it cannot."""
        request, unreadable = parse_body(webhook)
        body = request
        if webhook.item is not None and unreadable is None:
            body = value_at(request, parse_pointer(webhook.item))
            body = None if body is NOTHING else body
        frame = MappingFrame(
            body=body,
            request=request,
            headers=dict(webhook.headers),
            query=dict(webhook.query),
            webhook={
                "id": webhook.id,
                "topic": webhook.topic,
                "received_at": format_instant(webhook.received_at),
            },
            source=self._source,
            names=self._program.names,
            teller=self,
        )
        return frame, unreadable

    # ------------------------------------------------------------------------------------------- what went wrong

    def _failure_text(self, error: Exception) -> str:
        """Place, reason and expression of a failure; no value."""
        if isinstance(error, _EventRefused):
            return str(error)
        spot = self._program.compiled.find_place(error.__traceback__)
        if spot is None:
            return _reason_text(error)
        scalar, offset = spot
        written = f", in {_shown_text(scalar.text)}" if scalar.is_expression else ""
        return f"{scalar.location_at(offset)}: {_reason_text(error)}{written}"


class _EventRefused(Exception):
    """An event that the contract refuses."""


def _elements_of(rule: RuleCode, frame: MappingFrame, misses: list[RuleMiss]) -> Iterator[tuple[Json]]:
    """Each element of a rule's `for_each`, as its function takes it; an empty list is a miss."""
    elements = rule.elements(frame) if rule.elements is not None else []
    if not elements:
        misses.append(RuleMiss(rule, NO_ELEMENT))
    return zip(elements)


def _check_size(frame: MappingFrame, raw: dict[str, Json], rule: RuleCode) -> None:
    """Refuse, at the event's place, what no single line of it builds: many rounds of for_each do."""
    try:
        frame.weigh(raw)
    except CannotEvaluate as error:
        raise _EventRefused(f"{rule.places[()]}: {error.text}") from None


def _locate_problem(rule: RuleCode, problem: EventProblem) -> str:
    """A problem of an event at the line that gives the field, or the nearest one around it."""
    path = tuple(step for step in problem.path if isinstance(step, str))
    while path and path not in rule.places:
        path = path[:-1]
    return f"{rule.places[path]}: {problem.text}"


def _is_soft(path: Sequence[str | int]) -> bool:
    """Whether the field at fault is worth no event: a person's, consent, or a detail of an item."""
    return tuple(path[:1]) in SOFT or (tuple(path[:2]) == _ITEMS and len(path) > len(_ITEMS) + 1)


def _leave_out(raw: dict[str, Json], path: Sequence[str | int]) -> str:
    """Take the field at fault out of its section or item, or the whole section; its name."""
    if tuple(path[:2]) == _ITEMS:
        number, detail = int(path[2]), path[3]
        items = list(raw["properties"]["items"])
        items[number] = {name: value for name, value in items[number].items() if name != detail}
        raw["properties"] = {**raw["properties"], "items": items}
        return f"properties.items[{number}].{detail}"
    section, field = str(path[0]), path[1] if len(path) > 1 else None
    if isinstance(raw[section], dict) and field in raw[section]:
        del raw[section][field]
        return f"{section}.{field}"
    del raw[section]
    return section


def _reason_text(error: Exception) -> str:
    match error:
        case CannotEvaluate():
            return error.text
        case RecursionError():
            return "nested too deep"
        case _:
            return f"cannot be worked out ({type(error).__name__})"


def _shown_text(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_SHOWN else f"{flat[: _LONGEST_SHOWN - 1]}…"
