"""How an explanation is written: for people a list of fields with what each was read from, for machines JSON."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from bridge.cli.safe_console import SafeConsole
from bridge.core import json_text
from bridge.core.instants import format_instant
from bridge.core.json_text import Json
from bridge.core.model import Ignored, SetAside, SourceLocation, Translated
from bridge.mapping.tools.explain import Explanation, RuleExplanation
from bridge.mapping.tools.explain_conditions import ConditionExplanation
from bridge.mapping.tools.explain_defer import DeferExplanation
from bridge.mapping.tools.explain_recall import RecallExplanation
from bridge.mapping.tools.trace_template import ExplainedField
from bridge.mapping.tools.tracer import Trace, TracedAlternative

_LONGEST = 100
_BY_ITSELF = {
    "event_id": "made of the webhook and the dedupe key",
    "timestamp": "the time of receipt, for the mapping gives none",
    "test": "`webhook.test` holds",
    "session_id": "taken from context.session_id",
}


# ------------------------------------------------------------------------------------------------------- for people


_FAILS = "would be made, but for what fails"
_MORE = "; --earlier FILE would give one"


def print_explanation(explanation: Explanation, console: SafeConsole, *, more: str = _MORE) -> None:
    """Write it as text. `more` ends the line that says that there is no earlier event."""
    for line in explanation_lines(explanation, more=more):
        console.print(line, soft_wrap=True)


def explanation_lines(explanation: Explanation, *, more: str = _MORE) -> Iterator[Text]:
    """The lines of an explanation."""
    topic = f"topic {explanation.topic}" if explanation.topic else "no topic"
    match explanation.outcome:
        case Translated(events):
            yield Text(f"{topic}: {len(events)} event{'s' * (len(events) != 1)}", style="bold")
        case Ignored(reason):
            yield Text(f"{topic}: ignored: {reason}", style="bold")
        case SetAside(reason):
            yield Text(f"{topic}: set aside: {reason}", style="bold red")
    for told in explanation.rules:
        yield Text("")
        yield from _rule_lines(told, set(), more)


def _rule_lines(told: RuleExplanation, names: set[str], more: str) -> Iterator[Text]:
    """A rule; each of `names` was told how it came about, and is not told again."""
    left = told.defer is not None and told.defer.told_by
    made = told.event.event_type if told.event else "no event" if left or not told.held else _FAILS
    of = f"  for {told.element}" if told.element else ""
    yield Text.assemble(("rule ", "bold"), (_line_number(told.place), "cyan"), of, f"  {made}")
    if told.elements:
        yield from _trace_lines("in", told.elements.working, told.elements.place, names=names)
    for condition in told.conditions:
        yield from _trace_lines("when", condition.working, condition.place, names=names)
        if not condition.held and condition.reason:
            yield Text(f"      else: {condition.reason}", style="yellow")
    if told.defer:
        yield from _defer_lines(told.defer)
    if told.recall:
        yield from _recall_lines(told.recall, names, more)
    for one in told.fields:
        yield from _field_lines(one, names, told.recall)
    if told.dedupe and told.dedupe_place:
        yield from _trace_lines("dedupe", told.dedupe, told.dedupe_place, names=names)


def _defer_lines(defer: DeferExplanation) -> Iterator[Text]:
    """To which webhooks the rule leaves the conversion, until when, and whether one of them told it."""
    topics = " or ".join(defer.topics) or "another webhook of it"
    until = f"for {defer.wait}, until {defer.until:%Y-%m-%d %H:%M:%S} UTC"
    yield Text.assemble(f"  defer_to: left to {topics}, {until}", (f"  {_line_number(defer.place)}", "cyan"))
    yield Text(f"      looked for {' or '.join(defer.keys) or 'nothing: its dedupe came out as nothing'}")
    if defer.told_by:
        yield Text(f"      {defer.told_by} tells it, so this webhook does not", style="green")
    else:
        yield Text("      no other webhook has told it: this one does, once that time is over", style="yellow")


def _recall_lines(recall: RecallExplanation, names: set[str], more: str) -> Iterator[Text]:
    if recall.key is None:
        value = Text("looked for nothing: its dedupe came out as nothing", style="yellow")
    elif recall.found is None:
        value = Text(f"found no {_earlier_text(recall)}{more}", style="yellow")
    else:
        value = Text(f"found the {_earlier_text(recall)}", style="green")
    yield _head_line("recall", value, recall.place, recall.dedupe)
    yield from _how_lines(recall.dedupe, "      ", names)


def _earlier_text(recall: RecallExplanation) -> str:
    return f"earlier {recall.event_type} {recall.key}"


def _field_lines(one: ExplainedField, names: set[str], recall: RecallExplanation | None) -> Iterator[Text]:
    value = (
        Text(f"absent: {one.absent}", style="yellow") if one.absent else Text(_shown_value(one.value), style="green")
    )
    if one.recalled and recall is not None:
        why = f", for line {one.place.line} came out as nothing" if one.place else ""
        lender = Text(f"  of the {_earlier_text(recall)}{why}", style="dim")
        yield Text.assemble(f"  {one.name} = ", value, (f"  {_line_number(recall.place)}", "cyan"), lender)
    elif one.place is None:
        yield Text.assemble(f"  {one.name} = ", value, ("  " + _BY_ITSELF.get(one.name, "no line gives it"), "dim"))
    elif one.working is None:
        yield Text.assemble(
            f"  {one.name} = ", value, (f"  {_line_number(one.place)}", "cyan"), ("  as it stands", "dim")
        )
    else:
        yield _head_line(one.name, value, one.place, one.working)
        yield from _how_lines(one.working, "      ", names)


def _trace_lines(name: str, working: Trace, place: SourceLocation, *, names: set[str]) -> Iterator[Text]:
    value = f"fails: {working.failure}" if working.failure else _shown_value(working.value)
    yield _head_line(name, Text(value), place, working)
    yield from _how_lines(working, "      ", names)


def _head_line(name: str, value: Text, place: SourceLocation, working: Trace) -> Text:
    return Text.assemble(
        f"  {name} = ",
        value,
        (f"  {_line_number(place)}", "cyan"),
        (f"  ={_cut_text(_one_line(working.expression))}", "dim"),
    )


def _how_lines(working: Trace, indent: str, names: set[str]) -> Iterator[Text]:
    """Which alternatives there were, what was read, and the names that were used, each with the same below it."""
    told: set[str] = set()
    for chain in _outermost_first(working):
        for number, one in enumerate(chain, 1):
            told.add(one.text)
            yield Text.assemble(f"{indent}{number}. {_one_line(one.text)}", _outcome_text(one))
    for read in working.reads:
        if read.path not in told and not any(read.path == named.name for named in working.names):
            yield Text(f"{indent}{read.path}: {_shown_value(read.value)}")
    for named in working.names:
        shown = f"fails: {named.working.failure}" if named.working.failure else _shown_value(named.working.value)
        yield Text.assemble(f"{indent}{named.name}: {shown}", (f"  {_line_number(named.place)}", "cyan"))
        if named.name not in names:
            names.add(named.name)
            yield from _how_lines(named.working, f"{indent}    ", names)


def _outermost_first(working: Trace) -> list[tuple[TracedAlternative, ...]]:
    """The chains, each once."""
    return list({tuple(one.text for one in chain): chain for chain in reversed(working.chains)}.values())


def _outcome_text(one: TracedAlternative) -> Text:
    if not one.looked_at:
        return Text(": not looked at", style="dim")
    return Text(f": {_shown_value(one.value)}{'  ← taken' if one.taken else ''}", style="bold" if one.taken else "")


def _line_number(place: SourceLocation) -> str:
    return f"{place.path}:{place.line}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut_text(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _shown_value(value: Json) -> str:
    text = json_text.write_escaped_json(value).decode()
    match value:
        case list() if len(text) > _LONGEST:
            return f"a list of {len(value)}"
        case dict() if len(text) > _LONGEST:
            return f"an object with {', '.join(list(value)[:8])}{', …' if len(value) > 8 else ''}"  # noqa: PLR2004  a line's worth
        case _:
            return _cut_text(text)


# ------------------------------------------------------------------------------------------------------ for machines


def explanation_as_json(explanation: Explanation) -> Json:
    """The same as a JSON document."""
    match explanation.outcome:
        case Translated(events):
            outcome: Json = {"events": [json_text.parse_json(event.text) for event in events]}
        case Ignored(reason):
            outcome = {"ignored": reason}
        case SetAside(reason):
            outcome = {"set_aside": reason}
    return {"topic": explanation.topic, **outcome, "rules": [_plain_rule(told) for told in explanation.rules]}


def _plain_rule(told: RuleExplanation) -> Json:
    return {
        "at": str(told.place),
        "held": told.held,
        "element": told.element,
        "in": _plain_working(told.elements.working, told.elements.place) if told.elements else None,
        "when": [_plain_condition(one) for one in told.conditions],
        "defer_to": _plain_defer(told.defer),
        "recall": _plain_recall(told.recall),
        "dedupe": _plain_working(told.dedupe, told.dedupe_place),
        "event_id": told.event.id if told.event else None,
        "fields": [
            {
                "field": one.name,
                "at": str(one.place) if one.place else None,
                "value": one.value,
                "absent": one.absent,
                "recalled": one.recalled,
                "working": _plain_working(one.working, None),
            }
            for one in told.fields
        ],
    }


def _plain_condition(one: ConditionExplanation) -> Json:
    return {**_plain_working(one.working, one.place), "held": one.held, "reason": one.reason}


def _plain_defer(defer: DeferExplanation | None) -> Json:
    if defer is None:
        return None
    return {
        "at": str(defer.place),
        "topics": list(defer.topics),
        "wait": defer.wait,
        "until": format_instant(defer.until),
        "keys": list(defer.keys),
        "told_by": defer.told_by,
    }


def _plain_recall(recall: RecallExplanation | None) -> Json:
    if recall is None:
        return None
    return {
        "event_type": recall.event_type,
        "key": recall.key,
        "found": recall.found is not None,
        "dedupe": _plain_working(recall.dedupe, recall.place),
    }


def _plain_working(working: Trace | None, place: SourceLocation | None) -> Json:
    if working is None:
        return None
    names = [{"name": one.name, "working": _plain_working(one.working, one.place)} for one in working.names]
    return {
        **({"at": str(place)} if place else {}),
        "expression": working.expression,
        "value": working.value,
        "failure": working.failure,
        "reads": [{"path": read.path, "value": read.value} for read in working.reads],
        "chains": [
            [{"text": one.text, "value": one.value, "looked_at": one.looked_at, "taken": one.taken} for one in chain]
            for chain in working.chains
        ],
        "names": names,
    }
