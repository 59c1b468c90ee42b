"""What a rule's `recall` looked for, what it found, and which fields of the event came from there: for `explain`.

Not concerned with how an earlier event lends, which is `recall`'s, nor with where earlier events come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.core.model import Place
from bridge.mapping.engine.context import as_key
from bridge.mapping.engine.recall import Recall, Recalling, Wants
from bridge.mapping.expressions.runtime import Unworkable
from bridge.mapping.tools.tracer import Working


@dataclass(frozen=True, slots=True)
class Recalled:
    """One look for an earlier event. `key` None: the dedupe came out as nothing. `found` None: there is none."""

    place: Place
    event_type: str
    dedupe: Working
    key: str | None
    found: Json = None
    take: tuple[tuple[str, ...], ...] = ()

    def lends(self, path: Sequence[str | int]) -> bool:
        """Whether a field may have come from what was found."""
        names = tuple(step for step in path if isinstance(step, str))
        asked = any(names[: len(taken)] == taken for taken in self.take)
        value = self.found
        for step in names if asked else ():
            if not isinstance(value, dict) or step not in value:
                return False
            value = value[step]
        return asked and value is not None


def look(recall: Recall, dedupe: Working, *, scope: str, test: bool, earlier: Mapping[bytes, bytes | None]) -> Recalled:
    """What a rule's `recall` finds among earlier events of the ledger's scope `scope`."""
    looked = Recalled(recall.dedupe.place, recall.event_type, dedupe, None, None, recall.take)
    if dedupe.value is None:
        return looked
    try:
        key = as_key(dedupe.value)
        found = Recalling(scope, test, earlier).find(recall, key, test=test)
    except (Unworkable, Wants):
        return looked
    return Recalled(looked.place, looked.event_type, dedupe, key, found, recall.take)
