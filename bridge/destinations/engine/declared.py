"""The kind of destination that a file declares: which events it takes, its requests, and what their answers mean.

Pure. An item is made from the event's text at every attempt, so that a mended file serves what still waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bridge.core import skip_reasons
from bridge.core.access_token import RotatingTokenSource, TokenSource
from bridge.core.delivery import (
    Delivery,
    DeliveryState,
    DeliveryUpdate,
    FollowedEvent,
    Outcome,
    Outgoing,
    Response,
    Unsent,
)
from bridge.core.instants import parse_instant
from bridge.core.json_text import Json
from bridge.core.model import Event
from bridge.core.verdict import RequestVerdict, VerdictQuestion
from bridge.destinations.engine.answers import read_answer
from bridge.destinations.engine.consent import SEND, consent_skip
from bridge.destinations.engine.decisions import Early, Skipped, Unmade, VerdictWanted
from bridge.destinations.engine.event_view import name_conversion, view_event
from bridge.destinations.engine.following import judge_follower
from bridge.destinations.engine.options import DeclaredOptions, read_options
from bridge.destinations.engine.requests import Item, RequestBuilder, RequestFault
from bridge.destinations.engine.verdict import read_verdict
from bridge.destinations.language import Platform
from bridge.destinations.language.program import PlatformFrame, SendCode
from bridge.mapping.engine.context import has_field
from bridge.mapping.engine.topics import matches_topic
from bridge.mapping.expressions.runtime import CannotEvaluate

_MARGIN = timedelta(minutes=1)
"""How much younger than a platform's limit an event must be when it is sent: clocks differ, and requests take time."""
_LONGEST_AHEAD = timedelta(days=1)


class DeclaredDestination:
    """One destination of a platform, with its operator's options.

    With `masked`, secrets are their names in brackets, and what it makes is for people to read.
    """

    is_costly = True
    """An item takes half a millisecond, and a request may carry thousands."""
    quotes_answers = True
    """A file's `answers` say which words of an answer are the reason."""

    def __init__(self, platform: Platform, name: str, options: DeclaredOptions, *, masked: bool = False) -> None:
        self.name = name
        self.platform = platform
        self.rate = options.rate
        self.batch = options.batch
        self.concurrency = options.concurrency
        self._options = options
        self._parts = platform.parts
        self._program = platform.program
        self._root: dict[str, Json] = {"name": name, "test": options.test, "vars": dict(options.vars)}
        self._follower_names = tuple(f'"{name}"'.encode() for name in self._program.follows)
        self._builder = RequestBuilder(platform, name, options, self._root, masked=masked)
        self.address = self._builder.address

    @classmethod
    def from_options(cls, platform: Platform, name: str, options: Mapping[str, object]) -> DeclaredDestination:
        """One from options as settings hold them. Raises SettingsError."""
        made = cls(platform, name, read_options(platform, name, options))
        made._builder.check_start()
        return made

    @property
    def token_source(self) -> TokenSource | RotatingTokenSource | None:
        """Where its access tokens come from; None where it needs none."""
        return self._builder.read_token_source()

    @property
    def keeps_refresh_token(self) -> bool:
        """Whether its refresh token is kept in the store, which needs a key to seal it."""
        return isinstance(self.token_source, RotatingTokenSource)

    def __repr__(self) -> str:
        return f"DeclaredDestination({self.name!r}, {self.platform.kind!r})"

    # ------------------------------------------------------------------------------------------------- which events

    def skip_reason(self, event: Event) -> str | None:
        """Why this event is not for it, or None where it is, or where only its item shows that."""
        if event.test != self._options.test:
            return skip_reasons.TEST if event.test else skip_reasons.NO_TEST
        decided = self._decide(event.text, None)
        return decided.reason if isinstance(decided, Skipped) else None

    def decide_item(self, text: bytes, *, now: datetime, of_order: int = 1) -> Item | Skipped | Early | Unmade:
        """What is made of an event's text now; `of_order` is which one of its order it is."""
        return self._decide(text, now, of_order)

    def _decide(
        self, text: bytes, now: datetime | None, of_order: int = 1, followed: FollowedEvent | None = None
    ) -> Item | Skipped | Early | Unmade:
        try:
            event = view_event(text, purpose=self._parts.purpose)
            return self._decide_event(event, now, of_order, followed)
        except (CannotEvaluate, ValueError, ArithmeticError, RecursionError, LookupError, TypeError) as error:
            return Unmade(self._builder.note_text("item", error))

    def _decide_event(
        self, event: dict[str, Json], now: datetime | None, of_order: int, followed: FollowedEvent | None
    ) -> Item | Skipped | Early | Unmade:
        event_type = str(event.get("event_type") or "")
        follows = self._program.follows.get(event_type)
        name = self._event_name(event_type) if follows is None else self._name_followed(event_type, follows, followed)
        if name is None:
            return Skipped(f"{event_type} is {skip_reasons.NOT_AMONG}")
        kept_back = consent_skip(
            event,
            purpose=self._parts.purpose,
            without_consent=self._options.without_consent if follows is None else SEND,  # the followed one decided
            limits_sale=self._program.limits_sale,
        )
        if kept_back is not None:
            return Skipped(kept_back)
        aged = self._judge_age(event, now)
        if aged is not None:
            return aged
        conversion_id = name_conversion(event, of_order, prefix=self._options.order_prefix)
        left = self._judge_follower(follows, followed, has_order=conversion_id is not None, now=now)
        if isinstance(left, Skipped | Early):
            return left
        frame = PlatformFrame(
            destination=self._root,
            names=self._program.names,
            teller=self._builder,
            event=event,
            event_name=name,
            conversion_id=conversion_id,
            value_left=left,
        )
        for holds, reason in self._program.skips:
            if holds(frame):
                return Skipped(reason)
        return self._make_item(event, event_type, frame)

    def _event_name(self, event_type: str) -> str | None:
        events = self._options.events
        name = events[event_type] if event_type in events else events.get("*")
        return event_type if name == "=" else name

    def _name_followed(self, event_type: str, follows: tuple[str, ...], followed: FollowedEvent | None) -> str | None:
        """What the event is called that another follows, whose name that other has; None where it is not sent."""
        known = followed.event_type if followed is not None else ""
        if self._options.events.get(event_type) is None:
            return None
        return next(filter(None, map(self._event_name, (known,) if known else follows)), None)

    def _judge_follower(
        self, follows: tuple[str, ...] | None, followed: FollowedEvent | None, *, has_order: bool, now: datetime | None
    ) -> Decimal | Skipped | Early | None:
        """What is left of the value of what it follows; None where it follows nothing, or is not to be sent yet."""
        if follows is None:
            return None
        if not has_order:
            return Skipped(skip_reasons.NO_ORDER)
        if now is None:
            return None
        return judge_follower(followed, follows, now=now, verdict_after=self._verdict_after)

    @property
    def _verdict_after(self) -> timedelta | None:
        """How long after a request its verdict is known; None where nothing is kept that could have one."""
        return None if self._program.verdict is None or self._options.test else self._program.verdict.after

    def _judge_age(self, event: dict[str, Json], now: datetime | None) -> Skipped | Early | None:
        limits = self._parts.limits
        at = parse_instant(str(event.get("timestamp") or ""))
        if at is None or now is None:
            return None
        if limits.oldest is not None and now - at > limits.oldest - _MARGIN:
            return Skipped(skip_reasons.TOO_OLD)
        if limits.ahead is not None and at - now > limits.ahead:
            return Early(at - limits.ahead) if at - now < _LONGEST_AHEAD else Skipped(skip_reasons.TOO_FAR_AHEAD)
        return None

    def _make_item(self, event: dict[str, Json], event_type: str, frame: PlatformFrame) -> Item | Skipped:
        for rule, send in enumerate(self._program.sends):
            if send.event_types is not None and not any(matches_topic(one, event_type) for one in send.event_types):
                continue
            made = send.make_item(frame)
            if made is None:
                continue
            lacking = _lacking_reason(send, made)
            if lacking is not None:
                return Skipped(lacking)
            together = self._program.together(frame) if self._program.together is not None else None
            return Item(made, event, rule, together, tuple(frame.notes))
        return Skipped(skip_reasons.NO_RULE)

    # --------------------------------------------------------------------------------------------------- requests

    def make_requests(self, deliveries: Sequence[Delivery], *, now: datetime) -> tuple[Outgoing | Unsent, ...]:
        """The requests that carry these deliveries, in order; what is not to be sent now comes first, as one Unsent."""
        items: list[tuple[Delivery, Item]] = []
        updates: list[tuple[Delivery, DeliveryUpdate]] = []
        for delivery in deliveries:
            decided = self._decide(delivery.text, now, delivery.of_order, delivery.followed)
            if isinstance(decided, Item):
                items.append((delivery, decided))
            else:
                updates.append((delivery, _update_for(delivery, decided)))
        requests: list[Outgoing] = []
        for group in self._group_items(items):
            self._build_group(group, now, requests, updates)
        unsent = (Unsent(tuple(one for one, _ in updates), tuple(update for _, update in updates)),) if updates else ()
        return (*unsent, *requests)

    def _group_items(self, items: Sequence[tuple[Delivery, Item]]) -> list[list[tuple[Delivery, Item]]]:
        """Items that may share a request: as many as it takes, and with one value of `together`."""
        groups: list[list[tuple[Delivery, Item]]] = []
        for one in items:
            if groups and len(groups[-1]) < self.batch and groups[-1][0][1].together == one[1].together:
                groups[-1].append(one)
            else:
                groups.append([one])
        return groups

    def _build_group(
        self,
        group: Sequence[tuple[Delivery, Item]],
        now: datetime,
        requests: list[Outgoing],
        updates: list[tuple[Delivery, DeliveryUpdate]],
    ) -> None:
        """One request for a group, or for its halves where it is too large or cannot be built."""
        most = self._parts.limits.bytes
        try:
            outgoing = self._builder.build_request(group, now=now)
        except RequestFault as fault:
            if len(group) == 1:
                [(delivery, _)] = group
                updates.append((delivery, DeliveryUpdate(delivery.number, DeliveryState.DEAD, str(fault))))
                return
            outgoing = None
        if outgoing is not None and (len(group) == 1 or most is None or len(outgoing.body) <= most):
            requests.append(outgoing)
            return
        half = (len(group) + 1) // 2
        self._build_group(group[:half], now, requests, updates)
        self._build_group(group[half:], now, requests, updates)

    # ----------------------------------------------------------------------------------------------------- follows

    @property
    def follows(self) -> Mapping[str, tuple[str, ...]]:
        """The types that each event type follows."""
        return self._program.follows

    def find_followers(self, deliveries: Sequence[Delivery]) -> tuple[int, ...]:
        """The numbers of deliveries whose events may follow another, by a look at their bytes."""
        names = self._follower_names
        return tuple([one.number for one in deliveries if any(name in one.text for name in names)]) if names else ()

    def next_question(self, deliveries: Sequence[Delivery], *, now: datetime) -> VerdictQuestion | None:
        """The question whose answer the first of these deliveries waits for that may be asked now."""
        wanted = [
            (one, decided)
            for one in deliveries
            if one.followed is not None
            and isinstance(decided := self._decide(one.text, now, one.of_order, one.followed), VerdictWanted)
        ]
        if not wanted:
            return None
        note = wanted[0][1].note
        mine = [pair for pair in wanted if pair[1].note == note]
        others = [pair for pair in wanted if pair[1].note != note]
        return VerdictQuestion(
            note,
            self.make_verdict_request(note, now=now),
            deliveries=tuple(one for one, _ in mine),
            others=tuple(one for one, _ in others),
            waiting=tuple(_update_for(one, decided) for one, decided in (*mine, *others)),
        )

    # ----------------------------------------------------------------------------------------------------- answers

    def read_response(self, response: Response, *, sent: int, now: datetime) -> Outcome:
        """What an answer means, by the file's `answers`."""
        return read_answer(self._program, response, sent=sent, now=now, make_frame=self._answer_frame)

    @property
    def tells_verdicts(self) -> bool:
        """Whether the platform can be asked later what became of a request."""
        return self._program.verdict is not None

    def make_verdict_request(self, note: str, *, now: datetime) -> Outgoing:
        """The question what became of the request whose answer left this note. Raises RequestFault."""
        return self._builder.build_verdict_request(note, now=now)

    def read_verdict(self, response: Response) -> RequestVerdict:
        """What an answer to that question means."""
        return read_verdict(self._program, response, make_frame=self._answer_frame)

    def _answer_frame(self, response: Json) -> PlatformFrame:
        return PlatformFrame(destination=self._root, names=self._program.names, teller=self._builder, response=response)


def _lacking_reason(send: SendCode, item: dict[str, Json]) -> str | None:
    if send.identify and not any(all(has_field(item, path) for path in group) for group in send.identify):
        return skip_reasons.NO_IDENTIFIERS
    lacking = next((path for path in send.require if not has_field(item, path)), None)
    return None if lacking is None else f"{skip_reasons.LACKS}{'.'.join(lacking)}"


def _update_for(delivery: Delivery, decided: Skipped | Early | Unmade) -> DeliveryUpdate:
    match decided:
        case Skipped(reason):
            return DeliveryUpdate(delivery.number, DeliveryState.SKIPPED, reason)
        case Unmade(reason):
            return DeliveryUpdate(delivery.number, DeliveryState.DEAD, reason)
        case Early(at, told):
            return DeliveryUpdate(
                delivery.number, DeliveryState.PENDING, told, next_attempt_at=at, together=delivery.together
            )


def make_declared(
    platform: Platform, name: str, options: Mapping[str, object], *, masked: bool = False
) -> DeclaredDestination:
    """One whose secrets are masked, for people to read; or as `from_options` makes it."""
    if not masked:
        return DeclaredDestination.from_options(platform, name, options)
    secrets = {secret: f"[{secret}]" for secret in platform.parts.secrets}
    read = read_options(platform, name, {**options, **dict.fromkeys(secrets, "a masked secret")})
    return DeclaredDestination(platform, name, replace(read, secrets=secrets), masked=True)
