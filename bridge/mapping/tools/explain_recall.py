"""What a rule's `recall` looked for, what it found, and which fields of the event comes from there: for `explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.engine.context import as_key
from bridge.mapping.engine.recall import EventWanted, Recall, RecallContext
from bridge.mapping.expressions.runtime import CannotEvaluate
from bridge.mapping.tools.tracer import Trace


@dataclass(frozen=True, slots=True)
class RecallExplanation:
    """One look for an earlier event. `key` None: the dedupe came out as nothing. `found` None: there is none."""

    place: SourceLocation
    event_type: str
    dedupe: Trace
    key: str | None
    found: Json = None
    take: tuple[tuple[str, ...], ...] = ()

    def lends_field(self, path: Sequence[str | int]) -> bool:
        """Whether a field may have come from what was found."""
        names = tuple(step for step in path if isinstance(step, str))
        asked = any(names[: len(taken)] == taken for taken in self.take)
        value = self.found
        for step in names if asked else ():
            if not isinstance(value, dict) or step not in value:
                return False
            value = value[step]
        return asked and value is not None


def explain_recall(
    recall: Recall, dedupe: Trace, *, scope: str, test: bool, earlier: Mapping[bytes, bytes | None]
) -> RecallExplanation:
    """What a rule's `recall` finds among earlier events of the ledger's scope `scope`."""
    looked = RecallExplanation(recall.dedupe.place, recall.event_type, dedupe, None, None, recall.take)
    if dedupe.value is None:
        return looked
    try:
        key = as_key(dedupe.value)
        found = RecallContext(scope, test, earlier).find_event(recall, key, test=test)
    except (CannotEvaluate, EventWanted):
        return looked
    return RecallExplanation(looked.place, looked.event_type, dedupe, key, found, recall.take)
