"""What followers wait for: asks the store what they follow, and the platform what became of that.

Only a destination whose file has `follows` pays for it, and only for deliveries that may follow another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import structs

from bridge.core.delivery import Delivery, FollowedEvent, Unsent
from bridge.core.verdict import RequestVerdict, VerdictQuestion
from bridge.destinations.engine.requests import RequestFault
from bridge.destinations.protocol import Destination, FollowingDestination
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.http_client import Send
from bridge.store.protocol import ClaimedDeliveries, Store


class FollowedOrders:
    """Of one destination."""

    def __init__(
        self, destination: Destination, store: Store, tokens: AccessTokens, clock: Callable[[], datetime]
    ) -> None:
        self._destination = destination if isinstance(destination, FollowingDestination) else None
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._sends_next = False
        """Whether the last round asked although something could be sent: then the next one sends that."""

    async def find_followed(self, claimed: ClaimedDeliveries, send: Send) -> Sequence[Delivery] | Unsent:
        """The claimed deliveries, followers with what they follow; without those that wait for a verdict, in turns.

        Or what becomes of those, once the platform was asked for one verdict instead of a request.
        """
        destination = self._destination
        if destination is None or not destination.follows:
            return claimed.deliveries
        numbers = destination.find_followers(claimed.deliveries)
        if not numbers:
            return claimed.deliveries
        now = self._clock()
        found = await self._store.find_followed(claimed, numbers, now=now)
        known = dict.fromkeys(numbers, FollowedEvent()) | dict(found)
        deliveries = [
            structs.replace(one, followed=known[one.number]) if one.number in known else one
            for one in claimed.deliveries
        ]
        try:
            question = destination.next_question(deliveries, now=now)
        except RequestFault:
            return deliveries  # each waits until its verdict can be asked for, or is given up
        if question is None:
            return deliveries
        waiting = {one.number for one in (*question.deliveries, *question.others)}
        free = [one for one in deliveries if one.number not in waiting]
        self._sends_next = bool(free) and not self._sends_next
        return await self._ask(destination, question, send) if self._sends_next or not free else free

    async def _ask(self, destination: FollowingDestination, question: VerdictQuestion, send: Send) -> Unsent:
        """Ask one question: what waits for its answer is due at once where there is one, else it waits on.

        Where the platform gives no verdict at all, so does all that waits for another one.
        """
        verdict = await self._read_verdict(destination, question, send)
        if verdict.failure is not None:
            return Unsent((*question.deliveries, *question.others), question.waiting)
        mine = question.waiting[: len(question.deliveries)]
        word = verdict.word
        if word is not None:
            numbers = [one.number for one in question.deliveries]
            await self._store.keep_verdict(destination.name, numbers, note=question.note, verdict=word)
            mine = tuple(structs.replace(one, next_attempt_at=self._clock()) for one in mine)
        return Unsent(question.deliveries, mine)

    async def _read_verdict(
        self, destination: FollowingDestination, question: VerdictQuestion, send: Send
    ) -> RequestVerdict:
        outgoing = question.outgoing
        try:
            if outgoing.token_source is not None:
                response, _ = await self._tokens.send_with_token(outgoing, outgoing.token_source, send)
            else:
                response = await send(outgoing)
        except TokenRefused as error:
            return RequestVerdict(failure=str(error))
        return destination.read_verdict(response)
