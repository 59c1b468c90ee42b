"""`trackbridge try`: the events that one body becomes, or where each of their fields comes from.

With `--to`, `try_destination` goes on from there: the request that a destination makes of them.

It works offline and without a secret: the body is taken as genuine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from bridge import mapping, signature
from bridge.app import utc_now
from bridge.cli import explain_format
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.list_show import make_console, write_json
from bridge.cli.options import (
    command_options,
    flag_option,
    format_option,
    option,
    optional_argument,
    read_count,
    repeated_option,
    topic_option,
)
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.cli.try_destination import TriedEvent, make_tried, print_meaning, print_requests, read_event_file
from bridge.core import json_text
from bridge.core.errors import MappingError, NotAnEvent, SettingsError
from bridge.core.model import Event, EventNeeded, Ignored, Request, SetAside, Translated, Translation, Webhook
from bridge.mapping import Mapping, MappingReading
from bridge.mapping.engine.recall import SALE_UNKNOWN, NoEarlierEvents
from bridge.mapping.engine.rule_waits import format_wait
from bridge.mapping.files import mapping_files
from bridge.mapping.tools.examples import EarlierEvent, recallable_events
from bridge.mapping.tools.explain import Explanation, explain_webhook
from bridge.settings.table import MAPPINGS
from bridge.signature.locators import LocatorRoot

_KEYS = "conversion_keys"


@command_options
class TryOptions:
    """The options of `try`."""

    provider: str | None = optional_argument(
        str, "PROVIDER", meaning="a mapping's provider, or a path to a mapping file; with --to an event, if no FILE"
    )
    file: Path | None = optional_argument(Path, "FILE", meaning="the body")
    to: str | None = option(str, "KIND", meaning="the request of a destination: its kind, or a path to its file")
    set: Sequence[str] = repeated_option(
        str, "K=V", meaning="an option of the destination, such as events.lead=Lead; may be repeated"
    )
    answer: Path | None = option(Path, "FILE", meaning="what this answer to the destination's request would mean")
    status: int = option(read_count, "N", meaning="the answer's status (default: 200)", preset=200)
    sent: int = option(read_count, "N", meaning="the events of the request that was answered (default: 1)", preset=1)
    topic: str | None = topic_option()
    header: Sequence[str] = repeated_option(str, "'K: V'", meaning="a header; may be repeated")
    var: Sequence[str] = repeated_option(str, "K=V", meaning="a var; may be repeated")
    earlier: Sequence[Path] = repeated_option(
        Path, "FILE",
        meaning="an earlier event that `recall` may find, or a list, as `try --format json` prints them; "
        "may be repeated",
    )  # fmt: skip
    explain: bool = flag_option("where each field comes from, or why it is absent")
    format: Literal["text", "json"] = format_option()


def run_try(options: TryOptions) -> int:
    """Print the events; 0 for events or a rightly ignored body, 1 for one that would be set aside."""
    if options.to is not None:
        return _run_destination(options, options.to)
    if options.provider is None or options.file is None:
        raise SettingsError("try needs PROVIDER and FILE; or --to KIND, and an event or --answer")
    found = read_named_mapping(options.provider)
    one = require_usable(found)
    given = dict(split_pair(text, "=", "--var") for text in options.var)
    source = one.bind_source(one.provider, secrets=(), vars=given)
    webhooks = webhooks_of(one, options.file, topic=options.topic, headers=options.header)
    require_topic(one, [webhook.topic for webhook in webhooks if not isinstance(source.translate(webhook), Ignored)])
    known = _read_earlier(options.earlier, scope=source.scope)
    if options.explain:
        told = [explain_webhook(found, webhook, vars=given, earlier=known) for webhook in webhooks]
        return _print_explanations(told, as_json=options.format == "json")
    made = [(webhook, source.translate_with_earlier(webhook, known)) for webhook in webhooks]
    results = [(webhook, result) for webhook, result in made if not isinstance(result, EventNeeded)]
    if options.format == "json":
        write_json([_event_as_json(event) for _, result in results for event in _events_of(result)])
    for webhook, result in results:
        _print_result(one, webhook, result, quiet=options.format == "json")
    return 1 if any(isinstance(result, SetAside) for _, result in results) else 0


def _run_destination(options: TryOptions, to: str) -> int:
    """Go on from the events to a destination; the same exit status, and 1 where a request cannot be made."""
    tried = make_tried(to, [split_pair(text, "=", "--set") for text in options.set])
    if options.answer is not None:
        return print_meaning(tried, options.answer, status=options.status, sent=max(1, options.sent))
    if options.provider is None:
        raise SettingsError("try --to needs an event's FILE; or PROVIDER and FILE; or --answer FILE")
    if options.file is None:
        return print_requests(tried, [read_event_file(Path(options.provider))], explain=options.explain)
    found = read_named_mapping(options.provider)
    one = require_usable(found)
    given = dict(split_pair(text, "=", "--var") for text in options.var)
    source = one.bind_source(one.provider, secrets=(), vars=given)
    known = _read_earlier(options.earlier, scope=source.scope)
    status = 0
    for webhook in webhooks_of(one, options.file, topic=options.topic, headers=options.header):
        told = explain_webhook(found, webhook, vars=given, earlier=known)
        if isinstance(told.outcome, Translated):
            events = [
                TriedEvent(rule.event.text, {each.name: each.place for each in rule.fields if each.place is not None})
                for rule in told.rules
                if rule.event is not None
            ]
            status = max(status, print_requests(tried, events, explain=options.explain))
        else:
            _print_result(one, webhook, told.outcome, quiet=True)
            status = 1 if isinstance(told.outcome, SetAside) else status
    return status


def _read_earlier(paths: Sequence[Path], *, scope: str) -> NoEarlierEvents:
    """The events in files by their conversion keys. A file holds one, or a list, as `try` or an example writes them."""
    known = NoEarlierEvents()
    for path in paths:
        try:
            document = json_text.parse_json(read_file(path))
            each = document if isinstance(document, list) else [document]
            known |= recallable_events([_earlier_documents(one) for one in each], scope=scope)
        except NotAnEvent as error:
            raise SettingsError(f"--earlier {path}: {error.problems[0].text}") from None
        except ValueError as error:
            raise SettingsError(f"--earlier {path}: {error}") from None
    return known


def _earlier_documents(document: json_text.Json) -> EarlierEvent:
    if isinstance(document, dict) and _KEYS in document:
        keys = document[_KEYS]
        event = {name: value for name, value in document.items() if name != _KEYS}
        return EarlierEvent(event, keys=tuple(bytes.fromhex(str(key)) for key in keys if key))
    if isinstance(document, dict) and "event" in document and document.keys() <= {"event", "dedupe"}:
        return EarlierEvent(document["event"], None if document.get("dedupe") is None else str(document["dedupe"]))
    return EarlierEvent(document)


def _print_result(one: Mapping, webhook: Webhook, result: Translation, *, quiet: bool) -> None:
    """Events on standard output, everything else on standard error."""
    named = f"topic {webhook.topic}" if webhook.topic else "no topic"
    match result:
        case Translated(events=events, after=after):
            for event in () if quiet else events:
                print_text(json_text.indent_json(event.text), lines=True)
            for note in (note for event in events for note in event.notes):
                print_text(f"note: {note}" if note == SALE_UNKNOWN else f"left out: {note}", error=True)
            for place, deferral in after.items():
                topics = one.richer_topics(events[place].rank, deferral.event_types)
                richer = " or ".join(topics) or "another webhook of it"
                print_text(f"after {format_wait(deferral.wait)}, unless {richer} tells it", error=True)
        case Ignored(reason):
            print_text(f"ignored ({named}): {reason}", error=True)
        case SetAside(reason):
            print_text(f"set aside ({named}): {reason}", error=True)


def _events_of(result: Translation) -> tuple[Event, ...]:
    return result.events if isinstance(result, Translated) else ()


def _event_as_json(event: Event) -> json_text.Json:
    """An event with the keys by which `--earlier` finds it again, which no destination gets."""
    return {**json_text.parse_json(event.text), _KEYS: [key.hex() for key in event.conversion_keys]}


def _print_explanations(explanations: Sequence[Explanation], *, as_json: bool) -> int:
    """All on standard output; 1 where a webhook would be set aside."""
    if as_json:
        write_json([explain_format.explanation_as_json(one) for one in explanations])
    else:
        for one in explanations:
            explain_format.print_explanation(one, make_console())
    return 1 if any(isinstance(one.outcome, SetAside) for one in explanations) else 0


# --------------------------------------------------------------------------------------- what is tried, for `diff` too


def read_named_mapping(named: str) -> MappingReading:
    """The mapping in a file, or of a provider. Raises SettingsError where there is none of that name."""
    path = Path(named)
    if path.suffix in {".yaml", ".yml"}:
        return mapping.read_mapping(read_file(path), name=path.name)
    known: dict[str, Path] = {}
    for each in mapping_files(MAPPINGS.read(read_environment())):
        known[mapping.read_mapping(read_file(each), name=each.name).parts.provider] = each
    if named not in known:
        raise SettingsError(f"there is no mapping for `{quote_argument(named)}`; known are {', '.join(sorted(known))}")
    return mapping.read_mapping(read_file(known[named]), name=known[named].name)


def require_usable(found: MappingReading) -> Mapping:
    """The mapping that was read. Raises MappingError with every problem."""
    if found.mapping is None:
        raise MappingError(found.problems.errors)
    return found.mapping


def webhooks_of(one: Mapping, path: Path, *, topic: str | None, headers: Sequence[str]) -> list[Webhook]:
    """The webhooks that a body would be kept as, were it genuine."""
    named = [(name.strip().lower(), value.strip()) for name, value in (split_pair(h, ":", "--header") for h in headers)]
    request = Request(method="POST", headers=tuple(named), body=read_file(path))
    found = signature.identify_webhooks(one.recipe, request, source=one.provider, now=utc_now())
    return [replace(webhook, topic=topic.strip()) if topic and topic.strip() else webhook for webhook in found]


def require_topic(one: Mapping, topics: Sequence[str | None]) -> None:
    """Raise SettingsError where the topic is missing that the provider sends outside of the body."""
    outside = [place for place in one.recipe.topic if place.root in {LocatorRoot.HEADER, LocatorRoot.QUERY}]
    if outside and None in topics:
        where = " or ".join(f"the {place.root.value} {place.written or place.name}" for place in outside)
        example = f", such as --topic {one.topics[0]}" if one.topics else ""
        raise SettingsError(f"{one.title} says its topic in {where}, not in the body: give it with --topic{example}")


def split_pair(text: str, separator: str, option: str) -> tuple[str, str]:
    """The two sides of an option such as `K=V`. Raises SettingsError that names it."""
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise SettingsError(f"{option} takes K{separator}V, got {quote_argument(text)!r}")
    return name, value
