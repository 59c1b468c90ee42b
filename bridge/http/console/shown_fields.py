"""The fields of events as pages show them, masked, each with the lines that it lights. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core import json_text
from bridge.http.console.body_lines import DocumentLine
from bridge.http.console.masking import Path, mask_document, mask_text, shown_text, shown_word
from bridge.http.console.provenance import EventSources, FieldSource
from bridge.store.protocol import EventRow


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field of an event as the page shows it; `hot` and `warm` are the ids of the lines that it lights."""

    number: int
    name: str
    text: str
    is_masked: bool
    hot: tuple[str, ...]
    warm: tuple[str, ...]
    source: FieldSource
    body_links: tuple[tuple[str, str], ...]

    @property
    def group(self) -> str:
        """What stands above it: `properties`; empty for a field of the event itself."""
        return self.name.partition(".")[0] if "." in self.name else ""

    @property
    def label(self) -> str:
        """Its name below that."""
        return self.name.partition(".")[2] or self.name


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event and its fields; `line` is that of its rule."""

    id: str | None
    event_type: str
    line: int
    fields: tuple[ShownField, ...]


def number_lines(
    lines: Sequence[DocumentLine], sources: Sequence[EventSources]
) -> list[tuple[str, DocumentLine, str, bool]]:
    """Each line with its id, the fields that it goes into, and whether it goes into none."""
    into: dict[Path, list[str]] = {}
    for number, field in enumerate(field for event in sources for field in event.fields):
        for path in field.body_paths:
            into.setdefault(path, []).append(f"f{number}")
    return [(f"b{at}", line, " ".join(into.get(line.path, ())), line.path not in into) for at, line in enumerate(lines)]


def show_events(
    sources: Sequence[EventSources],
    lines: Sequence[DocumentLine],
    *,
    rows: Sequence[EventRow] = (),
    clear: bool = False,
) -> list[ShownEvent]:
    """The events with their fields; `lines` are the body's, `rows` the events as they are kept, where they are.

    What was masked in the body is masked in the event, too, whatever the mapping calls it, unless `clear`.
    """
    ids = {line.path: f"b{at}" for at, line in reversed(list(enumerate(lines)))}
    masked = frozenset(line.path for line in lines if line.kind == "mask")
    number, shown = 0, list[ShownEvent]()
    for place, event in enumerate(sources):
        fields = [
            _shown_field(number + at, field, ids, _clear_text(field) if clear else _masked_text(field, masked))
            for at, field in enumerate(event.fields)
        ]
        number += len(event.fields)
        row = rows[place] if place < len(rows) and len(sources) == len(rows) else None
        event_type = next((field.text for field in fields if field.name == "event_type"), "event")
        shown.append(ShownEvent(row.id if row else None, event_type, event.rule_line, tuple(fields)))
    return shown


def _shown_field(number: int, source: FieldSource, ids: dict[Path, str], text: str) -> ShownField:
    links = [(ids[path], _path_words(path)) for path in source.value_paths if path in ids]
    lines = [f"L{source.line}"] if source.line else []
    read = [ids[path] for path in source.body_paths if path in ids]
    exact = [link for link, _ in links] if source.is_exact else []
    hot = [*exact, *lines]
    warm = [*(line for line in read if line not in exact), *(f"L{line}" for line in source.name_lines)]
    is_masked = text != _clear_text(source)
    return ShownField(number, source.name, text, is_masked, tuple(hot), tuple(warm), source, tuple(links[:3]))


def _masked_text(source: FieldSource, masked: frozenset[Path]) -> str:
    match source.value:
        case None:
            return ""
        case bool() | dict() | list():
            return json_text.write_json(mask_document({source.path[-1]: source.value})[source.path[-1]]).decode()
        case value if (source.is_exact or isinstance(value, str)) and not masked.isdisjoint(source.value_paths):
            return mask_text(str(value))
        case _ if source.path == ("event_type",):
            return shown_word(str(source.value))
        case _:
            return shown_text(source.path, source.value, {})


def _clear_text(source: FieldSource) -> str:
    value = source.value
    if value is None:
        return ""
    return json_text.write_json(value).decode() if isinstance(value, (bool, dict, list)) else str(value)


def _path_words(path: Path) -> str:
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    words = words or "the whole body"
    return words if len(words) <= 80 else f"…{words[-79:]}"  # noqa: PLR2004  what fits a pane
