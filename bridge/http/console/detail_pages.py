"""GET /ui/webhooks/wh_… and /ui/events/…: one thing in full, masked, and how it became what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core import json_text
from bridge.core.errors import MappingError, NotFound, SettingsError
from bridge.core.json_text import Json
from bridge.http.console.body_lines import DocumentLine, document_lines, read_body
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.mapping_lines import MappingLine, mapping_lines
from bridge.http.console.masking import (
    Path,
    mask_document,
    shown_order,
    shown_reason,
    shown_text,
    shown_word,
)
from bridge.http.console.provenance import EventSources, FieldSource, fields_by_line, find_sources, private_paths
from bridge.http.console.render import render_page
from bridge.http.console.shown_deliveries import ShownDelivery, show_delivery
from bridge.http.console.words import local_time, size_words, state_tone, state_word, value_words
from bridge.status.kept_explanation import KeptExplanation, explain_kept
from bridge.store.protocol import DeliveryDetail, EventDetail, EventRow, RowFilter, WebhookDetail

MOST_EVENTS = 20
"""Events of one webhook, and deliveries of one event, that are shown with their attempts."""


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


class DetailPages:
    """The handlers of both pages."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_webhook(self, request: HttpRequest) -> Response:
        """One webhook: its body, the mapping and its events side by side; then the deliveries."""
        kept = await self._find_webhook(request.path_params["id"])
        body, made, told = await self._explain(kept)
        sources = find_sources(made.explanation, body) if made else ()
        private = private_paths(sources)
        lines = document_lines(body, private=private) if body is not None else ()
        newer, older = await self._neighbours(kept.webhook.number)
        shown = _shown_events(kept, sources, lines)
        failed = failed_line(kept.row.reason, made.text.name) if made and made.is_kept else None
        return render_page(
            self._deps, request, "webhook.html",
            here="webhooks", row=kept.row, webhook=kept.webhook, topic=shown_word(kept.row.topic) or "no topic",
            provider_id=shown_word(kept.webhook.id), state=state_word(kept.row.state.value),
            tone=state_tone(kept.row.state.value), reason=shown_reason(kept.row.reason),
            received=local_time(kept.row.received_at), size=size_words(len(kept.webhook.body)),
            body_gone=kept.body_gone, body_lines=_numbered(lines, sources), is_json=body is not None,
            made=made, told=told, mapping_lines=_mapping_lines(made, sources, failed), failed=failed, events=shown,
            rows=kept.events, deliveries=await self._deliveries(kept.events), value_words=value_words,
            older=older, newer=newer,
        )  # fmt: skip

    async def webhook_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        kept = await self._find_webhook(request.path_params["id"])
        body, made, _ = await self._explain(kept)
        private = private_paths(find_sources(made.explanation, body)) if made else frozenset()
        return _answer_json(
            {
                "id": kept.row.id,
                "source": kept.row.source,
                "topic": shown_word(kept.row.topic),
                "state": kept.row.state.value,
                "reason": shown_reason(kept.row.reason),
                "received_at": kept.row.received_at.isoformat(),
                "provider_id": shown_word(kept.webhook.id),
                "mapping": None if made is None else {"name": made.text.name, "sha256": made.text.digest.hex()},
                "body": None if body is None else mask_document(body, private=private),
                "events": [one.id for one in kept.events],
            }
        )

    async def show_event(self, request: HttpRequest) -> Response:
        """One event: its JSON, its notes, its deliveries."""
        found = await self._find_events(request.path_params["id"])
        shown = [
            {
                "row": one.row,
                "received": local_time(one.row.created_at),
                "event_type": shown_word(one.row.event_type),
                "order": shown_order(one.row.order_id),
                "value": value_words(one.row.value, one.row.currency),
                "state": state_word(one.row.delivery),
                "tone": state_tone(one.row.delivery),
                "lines": _numbered(document_lines(json_text.parse_json(one.text)), ()),
                "notes": [shown_reason(note) for note in one.notes],
            }
            for one in found
        ]
        deliveries = await self._deliveries(tuple(one.row for one in found))
        return render_page(self._deps, request, "event.html", here="events", events=shown, deliveries=deliveries)

    async def event_json(self, request: HttpRequest) -> Response:
        """The same for programs."""
        found = await self._find_events(request.path_params["id"])
        return _answer_json(
            [
                {
                    "id": one.row.id,
                    "origin": one.origin,
                    "delivery": one.row.delivery,
                    "event": mask_document(json_text.parse_json(one.text)),
                    "notes": [shown_reason(note) for note in one.notes],
                }
                for one in found
            ]
        )

    async def _find_webhook(self, public_id: str) -> WebhookDetail:
        for one in await self._deps.store.show_detail(public_id):
            if isinstance(one, WebhookDetail):
                return one
        raise NotFound("this is no webhook")

    async def _neighbours(self, number: int) -> tuple[str | None, str | None]:
        """The next newer webhook and the next older one, if there are any."""
        names = (f"wh_{number + 1}", f"wh_{number - 1}")
        there = {row.id for row in await self._deps.store.webhooks(RowFilter(ids=names))}
        newer, older = (name if name in there else None for name in names)
        return newer, older

    async def _find_events(self, public_id: str) -> list[EventDetail]:
        found = [one for one in await self._deps.store.show_detail(public_id) if isinstance(one, EventDetail)]
        if not found:
            raise NotFound("this is no event")
        return found

    async def _explain(self, kept: WebhookDetail) -> tuple[Json, KeptExplanation | None, str | None]:
        """The body as a document, how it became what it is, and why that cannot be told, if it cannot."""
        if kept.body_gone:
            return None, None, "The body is gone: it was kept as long as BRIDGE_KEEP_BODIES says."
        body = read_body(kept.webhook.body)
        source = self._deps.sources().get(kept.row.source)
        try:
            made = await explain_kept(
                self._deps.store,
                kept,
                used=source.mapping_text if source else None,
                vars=self._deps.source_vars(kept.row.source),
                scope=source.scope if source else kept.row.source,
            )
        except (MappingError, SettingsError):
            return body, None, "The mapping cannot explain it now: `trackbridge check` says what is wrong with it."
        return body, made, None if made else "No mapping is known that could explain it."

    async def _deliveries(self, events: tuple[EventRow, ...]) -> list[ShownDelivery]:
        shown: list[ShownDelivery] = []
        for row in events[:MOST_EVENTS]:
            for event in await self._deps.store.show_detail(row.id):
                if isinstance(event, EventDetail) and event.row.origin == row.origin:
                    for delivery in event.deliveries[:MOST_EVENTS]:
                        shown += [
                            show_delivery(one)
                            for one in await self._deps.store.show_detail(delivery.id)
                            if isinstance(one, DeliveryDetail)
                        ]
        return shown


def _numbered(
    lines: tuple[DocumentLine, ...], sources: tuple[EventSources, ...]
) -> list[tuple[str, DocumentLine, str, bool]]:
    """Each line with its id, the fields that it goes into, and whether it goes into none."""
    into: dict[Path, list[str]] = {}
    for number, field in enumerate(field for event in sources for field in event.fields):
        for path in field.body_paths:
            into.setdefault(path, []).append(f"f{number}")
    return [(f"b{at}", line, " ".join(into.get(line.path, ())), line.path not in into) for at, line in enumerate(lines)]


def failed_line(reason: str | None, name: str) -> int | None:
    """The line of the mapping that a reason begins with; None where it begins with no place in that file."""
    found = re.match(rf"{re.escape(name)}:([0-9]{{1,6}}):", reason or "")
    return int(found[1]) if found else None


def _mapping_lines(
    made: KeptExplanation | None, sources: tuple[EventSources, ...], failed: int | None
) -> list[MappingLine]:
    if made is None:
        return []
    used = frozenset(line for event in sources for line in event.lines)
    used |= {failed} if failed else set()
    used |= {line for rule in made.explanation.rules for line in (rule.place.line, *_condition_lines(rule.conditions))}
    return mapping_lines(made.text.text.decode("utf-8", "replace"), used, fields_by_line(sources))


def _condition_lines(conditions: tuple[object, ...]) -> list[int]:
    return [place.line for one in conditions if (place := getattr(one, "place", None)) is not None]


def _shown_events(
    kept: WebhookDetail, sources: tuple[EventSources, ...], lines: tuple[DocumentLine, ...]
) -> list[ShownEvent]:
    ids = {line.path: f"b{at}" for at, line in reversed(list(enumerate(lines)))}
    number, shown = 0, list[ShownEvent]()
    for place, event in enumerate(sources):
        fields = [_shown_field(number + at, field, ids) for at, field in enumerate(event.fields)]
        number += len(event.fields)
        row = kept.events[place] if place < len(kept.events) and len(sources) == len(kept.events) else None
        event_type = next((field.text for field in fields if field.name == "event_type"), "event")
        shown.append(ShownEvent(row.id if row else None, event_type, event.rule_line, tuple(fields)))
    return shown


def _shown_field(number: int, source: FieldSource, ids: dict[Path, str]) -> ShownField:
    text = "" if source.value is None else _field_text(source)
    links = [(ids[path], _path_words(path)) for path in source.body_paths if path in ids]
    lines = [f"L{source.line}"] if source.line else []
    hot = [*(link for link, _ in links if source.is_exact), *lines]
    warm = [*(link for link, _ in links if not source.is_exact), *(f"L{line}" for line in source.name_lines)]
    is_masked = text != _plain_text(source.value)
    return ShownField(number, source.name, text, is_masked, tuple(hot), tuple(warm), source, tuple(links[:3]))


def _field_text(source: FieldSource) -> str:
    match source.value:
        case bool() | dict() | list():
            return json_text.write_json(mask_document({source.path[-1]: source.value})[source.path[-1]]).decode()
        case _ if source.path == ("event_type",):
            return shown_word(str(source.value))
        case _:
            return shown_text(source.path, source.value, {})


def _plain_text(value: Json) -> str:
    if value is None:
        return ""
    return json_text.write_json(value).decode() if isinstance(value, (bool, dict, list)) else str(value)


def _path_words(path: Path) -> str:
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return words if len(words) <= 80 else f"…{words[-79:]}"  # noqa: PLR2004  what fits a pane


def _answer_json(document: Json) -> Response:
    return Response(json_text.write_json(document), media_type=JSONResponse.media_type)
