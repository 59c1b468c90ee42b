"""What a rule's `recall` looked for, what it found, and which fields of the event comes from there: for `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.mapping.engine.context import as_key
from bridge.mapping.engine.recall import ConversionWanted, Known, NotTold, Recall, RecallContext
from bridge.mapping.expressions.runtime import CannotEvaluate
from bridge.mapping.tools.tracer import Trace


@dataclass(frozen=True, slots=True)
class RecallExplanation:
    """One look for an earlier event. `key` None: each dedupe came out as nothing. `found` None: there is none.

    `dedupe` is the one under which it was found, else the first that came out as something.
    """

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
    recall: Recall, dedupes: Sequence[Trace], *, scope: str, test: bool, earlier: Known
) -> RecallExplanation:
    """What a rule's `recall` finds among earlier events of the ledger's scope `scope`."""
    looked = [
        _look_up(replace(recall, dedupes=(scalar,)), dedupe, RecallContext(scope, test, earlier, has_waited=True))
        for scalar, dedupe in zip(recall.dedupes, dedupes, strict=True)
    ]
    named = [one for one in looked if one.key is not None]
    return next((one for one in named if one.found is not None), (named or looked)[0])


def _look_up(recall: Recall, dedupe: Trace, context: RecallContext) -> RecallExplanation:
    """What is found under one dedupe key."""
    looked = RecallExplanation(
        recall.dedupes[0].place, " or ".join(recall.event_types), dedupe, None, None, recall.take
    )
    if dedupe.value is None:
        return looked
    try:
        key = as_key(dedupe.value)
        conversion = context.find_conversion(recall, [key], test=context.test)
    except NotTold:
        return replace(looked, key=key)
    except (CannotEvaluate, ConversionWanted):
        return looked
    found = None if conversion is None else json_text.parse_json(conversion.text)
    event_type = found.get("event_type", looked.event_type) if isinstance(found, dict) else looked.event_type
    return RecallExplanation(looked.place, event_type, dedupe, key, found, recall.take)
