"""`trackbridge sources`: each source with its address, mapping, secret, last webhook and vars. It never shows a secret.

It reads the settings and mappings here, as `serve` does at its start, and the store where there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Literal

from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, plain_value, write_json
from bridge.cli.options import command_options, config_option, format_option
from bridge.cli.terminal import print_text
from bridge.settings import store_url
from bridge.settings.list_sources import list_sources
from bridge.settings.load import load_configuration
from bridge.status.listed_sources import ListedSource, SourceVar
from bridge.store.engines import store_exists
from bridge.store.protocol import RowFilter

WIDTH = 80
"""Columns that the text has at most, unless an address or a value alone is longer."""


@command_options
class SourcesOptions:
    """The options of `sources`."""

    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


def run_sources(options: SourcesOptions) -> int:
    """List them."""
    environment = read_environment(options.config)
    configured, mappings = load_configuration(environment, options.config, tell=False)
    has_store = store_exists(store_url(environment))
    found = list_sources(configured, mappings, asyncio.run(_last_webhooks()) if has_store else {})
    if options.format == "json":
        write_json([_source_as_json(one) for one in found])
        return 0
    print_text("\n".join(_screen_lines(found)), lines=True)
    return 0


async def _last_webhooks() -> dict[str, tuple[datetime, str | None]]:
    """When each source's last webhook came, and its topic."""
    store = existing_store()
    try:
        found: dict[str, tuple[datetime, str | None]] = {}
        for source in sorted({name for name, _ in (await store.state_counts()).webhooks}):
            for row in await store.webhooks(RowFilter(source=source, limit=1)):
                found[source] = row.received_at, row.topic
        return found
    finally:
        await store.close()


def _source_as_json(one: ListedSource) -> dict[str, object]:
    return {
        **plain_value(one),
        "to": None if one.to is None else list(one.to),
        "topics": list(one.topics),
        "vars": [{**plain_value(var), "choices": list(var.choices)} for var in one.vars],
    }


# ----------------------------------------------------------------------------------------------------- how it looks


def _screen_lines(found: Sequence[ListedSource]) -> Iterator[str]:
    if not any(one.secret for one in found):
        yield from _no_source_lines(found)
    for number, one in enumerate(found):
        yield from ("",) if number or not any(each.secret for each in found) else ()
        yield from _source_lines(one)


def _no_source_lines(found: Sequence[ListedSource]) -> Iterator[str]:
    """How to add a source, where none has a secret."""
    example = next((one.secret_setting for one in found), "STRIPE_WEBHOOK_SECRET")
    yield from wrap(
        "No source takes webhooks yet, for none has a secret. Enter a source's address at its provider, behind the "
        f"host of this bridge, set the secret that the provider shows for it, such as {example}=…, and start "
        "`trackbridge serve`. A second shop of one provider is a source in the file that BRIDGE_CONFIG names.",
        WIDTH,
    )


def _source_lines(one: ListedSource) -> Iterator[str]:
    yield one.name
    yield f"  address       {one.address}"
    yield f"  mapping       {one.mapping}" + (f" ({one.title})" if one.title else "")
    if one.problem:
        yield from _wrapped("  problem       ", f"{one.problem}; see `trackbridge check`")
    yield f"  secret        {'set' if one.secret else f'NOT SET: set {one.secret_setting}'}"
    yield f"  last webhook  {_last_text(one)}"
    if one.to is not None:
        yield f"  to            {', '.join(one.to) or 'no destination'}"
    if one.scope != one.name:
        yield f"  scope         {one.scope}"
    yield from ("  vars",) if one.vars else ()
    for var in one.vars:
        yield from _var_lines(var)


def _last_text(one: ListedSource) -> str:
    if one.last_webhook_at is None:
        return "none yet"
    return f"{one.last_webhook_at:%Y-%m-%d %H:%M:%S} UTC, {one.last_topic or 'no topic'}"


def _var_lines(var: SourceVar) -> Iterator[str]:
    default = "the default" if var.value == var.default else f"default: {var.default or 'empty'}"
    yield from _wrapped("    ", f"{var.name} = {var.value or 'empty'} ({default})")
    wanted = f"one of {', '.join(var.choices)}" if var.choices else f"a {var.type}"
    yield from _wrapped("        ", f"{var.setting} sets it: {wanted}")
    yield from _wrapped("        ", var.help)


def _wrapped(head: str, text: str) -> list[str]:
    return wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
