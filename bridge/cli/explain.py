"""`trackbridge explain`: where each field of a kept webhook's events comes from, by the mapping that made them.

It is `try --explain` for a webhook of the store, with the vars of its source and the earlier events that are kept. A
webhook of an earlier version, which kept no mappings, is explained by the mapping in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from bridge.cli import explain_format
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, make_console, write_json
from bridge.cli.options import argument, command_options, config_option, format_option
from bridge.cli.replay_translated import difference_to_kept
from bridge.cli.safe_console import as_text
from bridge.core.errors import SettingsError
from bridge.core.model import EventNeeded, Ignored, SetAside, Translated, WebhookState
from bridge.core.source import Source
from bridge.settings import Settings
from bridge.settings.load import load_configuration
from bridge.settings.sources import make_sources
from bridge.status.kept_explanation import KeptExplanation, explain_kept, look_up_earlier
from bridge.store.protocol import Store, WebhookDetail


@command_options
class ExplainOptions:
    """The options of `explain`."""

    id: str = argument(str, "ID", meaning="a kept webhook: wh_…, as lists show it")
    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


def run_explain(options: ExplainOptions) -> int:
    """Explain it; 0 for events or a rightly ignored webhook, 1 for one that is set aside."""
    return asyncio.run(_explain_kept(options))


async def _explain_kept(options: ExplainOptions) -> int:
    configured, mappings = load_configuration(read_environment(options.config), options.config, tell=False)
    sources = make_sources(configured, mappings)
    store = existing_store()
    try:
        kept = await _kept_webhook(store, options.id)
        name = kept.row.source
        if name not in sources:
            raise SettingsError(
                f"no source is called `{name}` here; is BRIDGE_CONFIG or BRIDGE_MAPPINGS set as for serve?"
            )
        found = await _explain_by_text(store, kept, sources[name], _vars_of(configured, name))
        changed = await _changes_now(store, kept, sources[name])
    finally:
        await store.close()
    if options.format == "json":
        row = {"id": kept.row.id, "source": name, "state": kept.row.state.value, "reason": kept.row.reason}
        mapping = {
            "name": found.text.name, "sha256": found.text.digest.hex(), "made_it": found.is_kept,
            "in_use": found.is_in_use,
        }  # fmt: skip
        told = explain_format.explanation_as_json(found.explanation)
        write_json({**row, "changed": changed, "mapping": mapping, **told})
    else:
        _print_explained(kept, found, changed=changed)
    return 1 if isinstance(found.explanation.outcome, SetAside) else 0


async def _kept_webhook(store: Store, public_id: str) -> WebhookDetail:
    """The webhook with that id, with its body. Raises SettingsError where it is none, or its body is gone."""
    found = (await store.show_detail(public_id))[0]
    if not isinstance(found, WebhookDetail):
        raise SettingsError(f"{public_id} is no webhook: give an id wh_… (`show` names an event's)")
    if found.body_gone:
        raise SettingsError(f"the body of {public_id} is gone; BRIDGE_KEEP_BODIES says how long")
    return found


async def _explain_by_text(
    store: Store, kept: WebhookDetail, source: Source, variables: Mapping[str, str]
) -> KeptExplanation:
    """How it became what it is. Raises SettingsError if the mapping in use is needed for that, and has errors."""
    used = source.mapping_text
    found = await explain_kept(store, kept, used=used, vars=variables, scope=source.scope)
    if found is None:
        why = source.defect.reason if source.defect else "it has no mapping"
        raise SettingsError(f"source `{source.name}`: {why}; see `trackbridge check`")
    return found


def _vars_of(configured: Settings, source: str) -> Mapping[str, str]:
    return next((one.vars for one in configured.sources if one.name == source), {})


async def _changes_now(store: Store, kept: WebhookDetail, source: Source) -> bool:
    """Whether the webhook would become something else by the mapping in use than what is kept of it."""
    if kept.row.state is WebhookState.RECEIVED:
        return False
    earlier = await look_up_earlier(store, source, kept.webhook)
    match source.translate_with_earlier(replace(kept.webhook, waited=True), earlier):
        case Ignored(reason):
            return (kept.row.state, kept.row.reason) != (WebhookState.IGNORED, reason)
        case SetAside(reason):
            return (kept.row.state, kept.row.reason) != (WebhookState.SET_ASIDE, reason)
        case Translated() as made:
            if kept.row.state is not WebhookState.TRANSLATED:
                return True
            return bool(await difference_to_kept(store, kept, made, origin=f"source:{kept.row.source}"))
        case EventNeeded():
            raise AssertionError("all that it asks for is looked up")


def _print_explained(kept: WebhookDetail, found: KeptExplanation, *, changed: bool) -> None:
    console, row = make_console(), kept.row
    state = f"{row.state.value.replace('_', ' ')}" + (f": {row.reason}" if row.reason else "")
    console.print(
        as_text(f"{row.id} of {row.source}, received {row.received_at:%Y-%m-%d %H:%M:%S} UTC, kept as {state}")
    )
    if row.state is WebhookState.RECEIVED:
        console.print(as_text("it is not translated yet; this is what it becomes by the mapping in use"))
    elif said := _what_differs(kept, found, changed=changed):
        console.print(as_text(said, "yellow"))
    explain_format.print_explanation(found.explanation, console, more="")


def _what_differs(kept: WebhookDetail, found: KeptExplanation, *, changed: bool) -> str | None:
    """Whether this is the mapping that made it, and whether that in use makes something else; None: all as it was."""
    compare = f"`trackbridge replay {kept.row.id} --dry-run` compares the two"
    if found.is_kept and not found.is_in_use:
        other = f"by which it becomes something else: {compare}" if changed else "by which it becomes the same"
        return f"this is by the mapping that made it; another one is in use now, {other}"
    if not changed:
        return None
    what = "the vars or the earlier events" if found.is_kept else "the mapping, its vars or the earlier events"
    return f"{what} have changed since: by the mapping in use it becomes what follows; {compare}"
