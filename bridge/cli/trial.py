"""`trackbridge try`: the events that one body becomes, offline, with no store and no secret.

Not concerned with signatures: the body is taken as genuine.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from bridge import jsontext, mapping, signature
from bridge.app import clock, load_mappings
from bridge.cli.look import write_json
from bridge.cli.send import read
from bridge.errors import SettingsError
from bridge.model import Event, Ignored, Request, SetAside, Translated, Translation, Webhook
from bridge.settings import mappings_folder


def run(options: argparse.Namespace) -> int:
    """Print the events; 0 for events or a rightly ignored body, 1 for one that would be set aside."""
    one = _mapping(options.provider)
    source = one.bind(one.provider, secrets=(), vars=dict(_pair(text, "=", "--var") for text in options.var))
    headers = [
        (name.strip().lower(), value.strip()) for name, value in (_pair(h, ":", "--header") for h in options.header)
    ]
    body = read(options.file)
    request = Request(method="POST", headers=tuple(headers), body=body)
    results = []
    for found in signature.webhooks(one.recipe, request, source=one.provider, now=clock()):
        webhook = replace(found, topic=options.topic) if options.topic else found
        results.append((webhook, source.translate(webhook)))
    if options.format == "json":
        write_json([jsontext.parse(event.text) for _, result in results for event in _events(result)])
    for webhook, result in results:
        _tell(webhook, result, quiet=options.format == "json")
    return 1 if any(isinstance(result, SetAside) for _, result in results) else 0


def _tell(webhook: Webhook, result: Translation, *, quiet: bool) -> None:
    """Events on standard output, everything else on standard error."""
    named = f"topic {webhook.topic}" if webhook.topic else "no topic"
    match result:
        case Translated(events):
            for event in () if quiet else events:
                print(jsontext.readable(event.text))
            for note in (note for event in events for note in event.notes):
                print(f"left out: {note}", file=sys.stderr)
        case Ignored(reason):
            print(f"ignored ({named}): {reason}", file=sys.stderr)
        case SetAside(reason):
            print(f"set aside ({named}): {reason}", file=sys.stderr)


def _events(result: Translation) -> tuple[Event, ...]:
    return result.events if isinstance(result, Translated) else ()


def _mapping(provider: str) -> mapping.Mapping:
    path = Path(provider)
    if path.suffix in {".yaml", ".yml"}:
        return mapping.load(path)
    mappings = load_mappings(mappings_folder(os.environ))
    if provider not in mappings:
        raise SettingsError(f"there is no mapping for `{provider}`; known are {', '.join(sorted(mappings))}")
    return mappings[provider]


def _pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise SettingsError(f"{option} takes K{separator}V, got {text!r}")
    return name, value
