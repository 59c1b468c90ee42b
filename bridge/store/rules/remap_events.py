"""Events whose mapping was mended: what was not sent yet becomes what the mapping makes now.

An event of which an attempt was made, or is being made, stays as it was told: it keeps its id and its text, is not sent
again, and takes the conversion keys of now. An event that was never attempted is changed in place, or withdrawn where
the mapping makes no such event any more. Duplicates are decided anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge import contract
from bridge.core.model import Event, Route, Routed
from bridge.store.codec.columns import storable_text
from bridge.store.rules import event_ids, originals
from bridge.store.rules.event_changes import ChangeableEvents, count_of_order, find_holders, tell_duplicate
from bridge.store.rules.event_decisions import NewEvent
from bridge.store.rules.remap_pairs import GONE, EventPairs, KeptEvent
from bridge.store.status_views import RemappedEvent, RemapResult


@dataclass(slots=True)
class EventRemapping:
    """One webhook's events on their way to the keys and the text of now. `done` is what changed."""

    kept: ChangeableEvents
    webhook: int
    done: list[RemappedEvent] = field(default_factory=list)

    def remap_all(self, pairs: EventPairs, *, has_purged: bool) -> None:
        """Remap each pair. Where an event of the webhook was purged, what seems new may be what that one told."""
        for kept, routed in pairs.same:
            self._remap_one(kept, routed)
        for kept in pairs.gone:
            if kept.is_attempted:
                self._note_gone(kept)
            else:
                self._withdraw_event(kept)
        for routed in () if has_purged else pairs.new:
            accepted = self.kept.insert_event(NewEvent(routed, self.kept.at, self.webhook))
            self.done.append(RemappedEvent(accepted.event_id, RemapResult.ADDED, accepted.duplicate_of))

    def _remap_one(self, kept: KeptEvent, routed: Routed) -> None:
        if kept.is_attempted:
            self._move_keys(kept, routed.event)
        elif kept.duplicate_of is not None or not (
            _is_same_text(kept, routed.event) and routed.event.conversion_keys == kept.claims
        ):
            self._decide_anew(kept, routed)

    def _withdraw_event(self, kept: KeptEvent) -> None:
        """Delete an event that was never sent and is made no more, with all that leads to it."""
        self._free_keys(kept, but=())
        ids = dict.fromkeys([kept.id, kept.given_id or kept.id])
        keys = [key for name in ids for key in event_ids.keys_of_id(name, origin=kept.origin)]
        keys += [key for one in self.kept.read_repeats(kept.number) for key in one.claims]
        self._forget_keys(keys, number=kept.number)
        self.kept.delete_deliveries(kept.number)
        self.kept.delete_event(kept.number)
        self.done.append(RemappedEvent(kept.id, RemapResult.WITHDRAWN))

    def _note_gone(self, kept: KeptEvent) -> None:
        """Note at an event that was sent that nothing makes it any more; it keeps its keys."""
        if not kept.is_noted_gone:
            self.kept.write_notes(kept.number, [*self._other_notes(kept.number), GONE])
            self.done.append(RemappedEvent(kept.id, RemapResult.NO_LONGER_MADE))

    def _other_notes(self, number: int) -> list[str]:
        return [one for one in self.kept.read_notes(number) if one != GONE]

    def _move_keys(self, kept: KeptEvent, event: Event) -> None:
        """Give an event that was told the keys of now."""
        keys = event.conversion_keys
        self._free_keys(kept, but=keys)
        held = find_holders(self.kept, keys, but=kept.number)
        self.kept.add_keys([key for key in keys if key not in held], kept.number)
        self.kept.write_keys(kept.number, event)
        if kept.is_noted_gone:
            self.kept.write_notes(kept.number, self._other_notes(kept.number))

    def _decide_anew(self, kept: KeptEvent, routed: Routed) -> None:
        """Decide on an event that was not told upstream as on a new one: it keeps its number and its id."""
        event = routed.event
        self._free_keys(kept, but=event.conversion_keys)
        held = find_holders(self.kept, event.conversion_keys, but=kept.number)
        original, by_order, apart = self.kept.find_original(NewEvent(routed, self.kept.at, self.webhook), held)
        same = _is_same_text(kept, event)
        self._overwrite(kept, event)
        own = [key for key in event.conversion_keys if key not in held and key not in apart]
        if original is not None and original.number != kept.number:
            self._repeat(kept, event, original)
            self.kept.add_keys(own, kept.number if by_order else original.number)
            return
        if kept.duplicate_of is not None:
            tell_duplicate(self.kept, kept.number, storable_text(event.event_type), own, routed.routes)
            self.done.append(RemappedEvent(kept.id, RemapResult.TOLD))
            return
        if event.conversion_keys[-1:] != kept.claims[-1:]:  # of another order
            self.kept.set_count(kept.number, None)
            count_of_order(self.kept, kept.number, own)
        self.kept.add_keys(own, kept.number)
        self.kept.make_due(own)
        if not same:
            self._send_changed(kept, routed.routes)

    def _overwrite(self, kept: KeptEvent, event: Event) -> None:
        self.kept.overwrite_event(kept.number, event, called=kept.id)
        self.kept.write_keys(kept.number, event)
        state = "fresh" if kept.duplicate_of is None else "duplicate"
        self.kept.count_event(kept.event_type, state, -1)
        self.kept.count_event(storable_text(event.event_type), state, 1)

    def _repeat(self, kept: KeptEvent, event: Event, original: originals.OriginalEvent) -> None:
        """Make it a duplicate of another one, which what repeated it repeats, too."""
        self.kept.set_original(kept.number, original.number, differs=originals.content_differs(event, original))
        if kept.duplicate_of is None:
            self.kept.delete_deliveries(kept.number)
            self.kept.move_repeats(kept.number, original.number)
            self.kept.count_event(storable_text(event.event_type), "fresh", -1)
            self.kept.count_event(storable_text(event.event_type), "duplicate", 1)
            self.done.append(RemappedEvent(kept.id, RemapResult.REPEATS, original.id))

    def _send_changed(self, kept: KeptEvent, routes: Sequence[Route]) -> None:
        self.kept.delete_deliveries(kept.number)
        self.kept.insert_deliveries(kept.number, routes)
        self.done.append(RemappedEvent(kept.id, RemapResult.CHANGED))

    def _free_keys(self, kept: KeptEvent, *, but: Sequence[bytes]) -> None:
        """Forget the keys that an event had and does not have now; of a duplicate, those that led to its original."""
        gone = [key for key in kept.claims if key not in but]
        if gone:
            self._list_repeats(kept)
        self._forget_keys(gone, number=kept.number)
        if kept.duplicate_of is not None:
            led = [key for key, (number, _) in self.kept.find_keys(gone).items() if number == kept.duplicate_of]
            own = self._only_its_own(kept, kept.duplicate_of, led) if led else ()
            self._forget_keys(own, number=kept.duplicate_of)

    def _list_repeats(self, kept: KeptEvent) -> None:
        """List the duplicates of an event, except those of the same webhook, which are decided on by themselves."""
        for one in self.kept.read_repeats(kept.number):
            if one.webhook != self.webhook:
                public_id = None if one.webhook is None else f"wh_{one.webhook}"
                self.done.append(RemappedEvent(one.id, RemapResult.UNDECIDED, kept.id, public_id))

    def _only_its_own(self, kept: KeptEvent, first: int, keys: Sequence[bytes]) -> list[bytes]:
        """The keys of a duplicate that neither its original nor another duplicate of that has; none if it is purged."""
        original = self.kept.read_claims([first]).get(first)
        if original is None:
            return []
        repeats = [one.claims for one in self.kept.read_repeats(first) if one.number != kept.number]
        others = {key for claims in (original, *repeats) for key in claims}
        return [key for key in keys if key not in others]

    def _forget_keys(self, keys: Iterable[bytes], *, number: int) -> None:
        found = self.kept.find_keys(list(dict.fromkeys(keys)))
        self.kept.remove_keys([key for key, (holder, _) in found.items() if holder == number])


def _is_same_text(kept: KeptEvent, event: Event) -> bool:
    now = event if event.id == kept.id else contract.rename_event(event, kept.id)
    return (now.text, now.event_type) == (kept.text, kept.event_type)
