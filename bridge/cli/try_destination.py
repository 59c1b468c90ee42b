"""The part of `try` that is about destinations: the request that events become, or what an answer means. Offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bridge import contract
from bridge.app import utc_now
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.delivery import Delivery, Outgoing, Response
from bridge.core.errors import MappingError, NotAnEvent, SettingsError
from bridge.core.instants import parse_instant
from bridge.core.json_text import Json
from bridge.core.model import SourceLocation
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.engine.requests import Item
from bridge.destinations.language import Platform, read_platform
from bridge.destinations.language.files import known_kinds, load_kind
from bridge.destinations.tools.described import describe_outcome, describe_request, describe_unsent
from bridge.destinations.tools.examples import example_destination
from bridge.destinations.tools.explain import explain_item
from bridge.settings.table import DESTINATIONS

_LONGEST = 100
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TriedDestination:
    """A destination to be tried: its file, and itself with masked secrets."""

    platform: Platform
    destination: DeclaredDestination


@dataclass(frozen=True, slots=True)
class TriedEvent:
    """An event on its way to a destination; `places` are where a mapping gives its fields."""

    text: bytes
    places: dict[str, SourceLocation] = field(default_factory=dict)


def make_tried(named: str, given: Sequence[tuple[str, str]]) -> TriedDestination:
    """The destination of a kind or a file, with these options. Raises SettingsError or MappingError."""
    platform, options = read_named_platform(named, option="--to"), _read_options(given)
    try:
        return TriedDestination(platform, example_destination(platform, options))
    except SettingsError as error:
        unset = [f"--set {name}=…" for name, var in platform.parts.vars.items() if var.needed and name not in options]
        if not unset:
            raise
        raise SettingsError(f"{error}; give {' '.join(unset)}") from None


def read_named_platform(named: str, *, option: str) -> Platform:
    """The platform of a kind or a file; `option` is where it was typed. Raises SettingsError or MappingError."""
    path = Path(named)
    if path.suffix in {".yaml", ".yml"}:
        reading = read_platform(read_file(path), name=path.name)
        if reading.platform is None:
            raise MappingError(reading.problems.errors)
        return reading.platform
    folder = DESTINATIONS.read(read_environment())
    found = load_kind(named, folder)
    if found is None:
        hint = suggest_or_list(named, known_kinds(folder))
        raise SettingsError(f"{option} {quote_argument(named)}: no destination file declares it; {hint}")
    return found


def _read_options(given: Sequence[tuple[str, str]]) -> dict[str, Json]:
    """Options as typed: `events.purchase=Purchase` is one of a table."""
    options: dict[str, Json] = {}
    for name, value in given:
        table, dot, key = name.partition(".")
        if dot:
            options.setdefault(table, {})[key] = value or None
        else:
            options[name] = value
    return options


def read_event_file(path: Path) -> TriedEvent:
    """One event in a file, held to the contract. Raises SettingsError that says what is wrong with it."""
    try:
        event = contract.validate_event(
            json_text.parse_json(read_file(path)), origin="try", scope="", received_at=utc_now(), default_id="evt_try",
            dedupe=(),
        )  # fmt: skip
    except NotAnEvent as error:
        raise SettingsError(f"{path}: {error.problems[0].text}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None
    return TriedEvent(event.text)


def print_requests(tried: TriedDestination, events: Sequence[TriedEvent], *, explain: bool) -> int:
    """Print the request of each event, or why there is none; 1 where a request cannot be made."""
    failed = False
    for one in events:
        failed = _print_request(tried, one, explain=explain) or failed
    return 1 if failed else 0


def _print_request(tried: TriedDestination, one: TriedEvent, *, explain: bool) -> bool:
    now = time_of_event(one.text)
    [made] = tried.destination.make_requests([Delivery(0, "try", "evt_try", one.text, 0)], now=now)
    if not isinstance(made, Outgoing):
        [told] = describe_unsent(made)
        [(word, reason)] = told.items()
        print_text(f"{word}: {reason}", error=True)
        return word == "rejected"
    item = tried.destination.decide_item(one.text, now=now)
    if explain and isinstance(item, Item):
        _print_explanation(tried.platform, item, one.places)
    else:
        print_text(json_text.indent_json(json_text.write_json(describe_request(made))), lines=True)
    if isinstance(item, Item):
        for note in item.notes:
            print_text(f"left out: {note}", error=True)
    later = tried.destination.decide_item(one.text, now=utc_now())
    if not isinstance(later, Item):
        print_text(f"sent now, it would be: {getattr(later, 'reason', 'kept until the platform takes it')}", error=True)
    return False


def time_of_event(text: bytes) -> datetime:
    """A minute after the event: a sample that was saved long ago shows what its own time would have seen."""
    event = json_text.parse_json(text)
    at = parse_instant(str(event.get("timestamp") or "")) if isinstance(event, dict) else None
    return at + _MINUTE if at is not None else utc_now()


def _print_explanation(platform: Platform, item: Item, places: dict[str, SourceLocation]) -> None:
    """Each field of the item with its line, and below it what of the event it reads, with the mapping's line."""
    for one in explain_item(platform, item):
        written = f"  {_shorten(' '.join(one.written.split()))}" if one.written else ""
        print_text(f"{'.'.join(one.path)} = {_show(one.value)}  {one.place}{written}")
        for path, value in one.reads:
            name = ".".join(path)
            place = f"  {places[name]}" if name in places else ""
            print_text(f"    event.{name} = {_show(value)}{place}")


def _show(value: Json) -> str:
    return _shorten(json_text.write_json(value).decode())


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def print_meaning(tried: TriedDestination, answer: Path, *, status: int, sent: int) -> int:
    """Print what an answer would mean for a request of `sent` events, one line each where it says so; always 0."""
    text = read_file(answer).decode("utf-8", "replace")
    outcome = tried.destination.read_response(Response(status, {}, text), sent=sent, now=utc_now())
    told = describe_outcome(outcome)
    if isinstance(told, list):
        for place, one in enumerate(told):
            print_text(f"{place}: {_outcome_line(one)}")
    else:
        print_text(_outcome_line(told))
        if isinstance(told, dict) and "rejected" in told and sent > 1:
            print_text(
                "the answer does not say which: the batch is halved until the bad event stands alone", error=True
            )
    return 0


def _outcome_line(told: Json) -> str:
    if isinstance(told, str):
        return told
    [(word, reason)] = told.items()
    return f"{word}: {reason}"
