"""`trackbridge try`: the events that one body becomes, or where each of their fields comes from; offline, no secret.

Not concerned with signatures: the body is taken as genuine.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from bridge import mapping, signature
from bridge.app import clock
from bridge.cli import explain_format
from bridge.cli.list_show import console, write_json
from bridge.cli.send import read
from bridge.cli.terminal import say
from bridge.core import json_text
from bridge.core.errors import MappingError, NotAnEvent, SettingsError
from bridge.core.model import Event, Ignored, Request, SetAside, Translated, Translation, Wanting, Webhook
from bridge.mapping import Mapping, Reading
from bridge.mapping.engine.recall import Nothing
from bridge.mapping.files import mapping_files
from bridge.mapping.tools.examples import Earlier, recallable
from bridge.mapping.tools.explain import Explanation, explain
from bridge.settings import mappings_folder


def run(options: argparse.Namespace) -> int:
    """Print the events; 0 for events or a rightly ignored body, 1 for one that would be set aside."""
    found = reading(options.provider)
    one = usable(found)
    given = dict(pair(text, "=", "--var") for text in options.var)
    source = one.bind(one.provider, secrets=(), vars=given)
    webhooks = webhooks_of(one, options.file, topic=options.topic, headers=options.header)
    known = _earlier(options.earlier, scope=source.scope)
    if options.explain:
        told = [explain(found, webhook, vars=given, earlier=known) for webhook in webhooks]
        return _explain(told, as_json=options.format == "json")
    made = [(webhook, source.translate_among(webhook, known)) for webhook in webhooks]
    results = [(webhook, result) for webhook, result in made if not isinstance(result, Wanting)]
    if options.format == "json":
        write_json([json_text.parse(event.text) for _, result in results for event in _events(result)])
    for webhook, result in results:
        _tell(webhook, result, quiet=options.format == "json")
    return 1 if any(isinstance(result, SetAside) for _, result in results) else 0


def _earlier(paths: Sequence[Path], *, scope: str) -> Nothing:
    """The events in files, by their claims: each one, or a list, as `try` prints them or as examples hold them."""
    known = Nothing()
    for path in paths:
        try:
            document = json_text.parse(read(path))
            each = document if isinstance(document, list) else [document]
            known |= recallable([_kept(one) for one in each], scope=scope)
        except NotAnEvent as error:
            raise SettingsError(f"--earlier {path}: {error.problems[0].text}") from None
        except ValueError as error:
            raise SettingsError(f"--earlier {path}: {error}") from None
    return known


def _kept(document: json_text.Json) -> Earlier:
    if isinstance(document, dict) and "event" in document and document.keys() <= {"event", "dedupe"}:
        return Earlier(document["event"], None if document.get("dedupe") is None else str(document["dedupe"]))
    return Earlier(document)


def _tell(webhook: Webhook, result: Translation, *, quiet: bool) -> None:
    """Events on standard output, everything else on standard error."""
    named = f"topic {webhook.topic}" if webhook.topic else "no topic"
    match result:
        case Translated(events):
            for event in () if quiet else events:
                say(json_text.readable(event.text), lines=True)
            for note in (note for event in events for note in event.notes):
                say(f"left out: {note}", error=True)
        case Ignored(reason):
            say(f"ignored ({named}): {reason}", error=True)
        case SetAside(reason):
            say(f"set aside ({named}): {reason}", error=True)


def _events(result: Translation) -> tuple[Event, ...]:
    return result.events if isinstance(result, Translated) else ()


def _explain(explanations: Sequence[Explanation], *, as_json: bool) -> int:
    """All on standard output; 1 where a webhook would be set aside."""
    if as_json:
        write_json([explain_format.plain(one) for one in explanations])
    else:
        for one in explanations:
            explain_format.show(one, console())
    return 1 if any(isinstance(one.outcome, SetAside) for one in explanations) else 0


# --------------------------------------------------------------------------------------- what is tried, for `diff` too


def reading(named: str) -> Reading:
    """The mapping in a file, or of a provider. Raises SettingsError where there is none of that name."""
    path = Path(named)
    if path.suffix in {".yaml", ".yml"}:
        return mapping.reading(read(path), name=path.name)
    known: dict[str, Path] = {}
    for each in mapping_files(mappings_folder(os.environ)):
        known[mapping.reading(read(each), name=each.name).parts.provider] = each
    if named not in known:
        raise SettingsError(f"there is no mapping for `{named}`; known are {', '.join(sorted(known))}")
    return mapping.reading(read(known[named]), name=known[named].name)


def usable(found: Reading) -> Mapping:
    """The mapping that was read. Raises MappingError with every problem."""
    if found.mapping is None:
        raise MappingError(found.problems.errors)
    return found.mapping


def webhooks_of(one: Mapping, path: Path, *, topic: str | None, headers: Sequence[str]) -> list[Webhook]:
    """The webhooks that a body would be kept as, were it genuine."""
    named = [(name.strip().lower(), value.strip()) for name, value in (pair(h, ":", "--header") for h in headers)]
    request = Request(method="POST", headers=tuple(named), body=read(path))
    found = signature.webhooks(one.recipe, request, source=one.provider, now=clock())
    return [replace(webhook, topic=topic.strip()) if topic and topic.strip() else webhook for webhook in found]


def pair(text: str, separator: str, option: str) -> tuple[str, str]:
    """The two sides of an option such as `K=V`. Raises SettingsError that names it."""
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise SettingsError(f"{option} takes K{separator}V, got {text!r}")
    return name, value
