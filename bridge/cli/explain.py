"""`trackbridge explain`: where each field of a kept webhook's events comes from, by the mapping in use.

It is `try --explain` for a webhook of the store, with the vars of its source and the earlier events that are kept.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from bridge.app import load_configuration
from bridge.cli import explain_format
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store, make_console, write_json
from bridge.cli.options import argument, command_options, config_option, format_option
from bridge.cli.replay_translated import difference_to_kept, look_up_earlier
from bridge.cli.safe_console import as_text
from bridge.cli.try_mapping import read_named_mapping, require_usable
from bridge.core.errors import SettingsError
from bridge.core.model import Ignored, SetAside, Translated, WebhookState
from bridge.core.source import Source
from bridge.mapping.tools.explain import Explanation, explain_webhook
from bridge.settings import SourceSettings
from bridge.settings.sources import make_sources
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
        settings = next((one for one in configured.sources if one.name == name), SourceSettings(name, name))
        explanation = await _explain_by_source(store, kept, sources[name], settings)
        changed = await _changed_since(store, kept, explanation)
    finally:
        await store.close()
    if options.format == "json":
        row = {"id": kept.row.id, "source": name, "state": kept.row.state.value, "reason": kept.row.reason}
        write_json({**row, "changed": changed, **explain_format.explanation_as_json(explanation)})
    else:
        _print_explained(kept, explanation, changed=changed)
    return 1 if isinstance(explanation.outcome, SetAside) else 0


async def _kept_webhook(store: Store, public_id: str) -> WebhookDetail:
    """The webhook with that id, with its body. Raises SettingsError where it is none, or its body is gone."""
    found = (await store.show_detail(public_id))[0]
    if not isinstance(found, WebhookDetail):
        raise SettingsError(f"{public_id} is no webhook: give an id wh_… (`show` names an event's)")
    if found.body_gone:
        raise SettingsError(f"the body of {public_id} is gone; BRIDGE_KEEP_BODIES says how long")
    return found


async def _explain_by_source(
    store: Store, kept: WebhookDetail, source: Source, settings: SourceSettings
) -> Explanation:
    """How the source's mapping makes what it makes of the webhook now. Raises MappingError."""
    reading = read_named_mapping(settings.mapping)
    require_usable(reading)
    earlier = await look_up_earlier(store, source, kept.webhook)
    patient = replace(kept.webhook, waited=True)
    return explain_webhook(reading, patient, vars=settings.vars, scope=source.scope, earlier=earlier)


async def _changed_since(store: Store, kept: WebhookDetail, explanation: Explanation) -> bool:
    """Whether the webhook would become something else now than what is kept of it."""
    match explanation.outcome:
        case _ if kept.row.state is WebhookState.RECEIVED:
            return False
        case Ignored(reason):
            return (kept.row.state, kept.row.reason) != (WebhookState.IGNORED, reason)
        case SetAside(reason):
            return (kept.row.state, kept.row.reason) != (WebhookState.SET_ASIDE, reason)
        case Translated():
            if kept.row.state is not WebhookState.TRANSLATED:
                return True
            origin = f"source:{kept.row.source}"
            return bool(await difference_to_kept(store, kept, explanation.outcome, origin=origin))


def _print_explained(kept: WebhookDetail, explanation: Explanation, *, changed: bool) -> None:
    console, row = make_console(), kept.row
    state = f"{row.state.value.replace('_', ' ')}" + (f": {row.reason}" if row.reason else "")
    console.print(
        as_text(f"{row.id} of {row.source}, received {row.received_at:%Y-%m-%d %H:%M:%S} UTC, kept as {state}")
    )
    if row.state is WebhookState.RECEIVED:
        console.print(as_text("it is not translated yet; this is what it becomes by the mapping in use"))
    elif changed:
        console.print(
            as_text(
                "the mapping, its vars or the earlier events have changed since: by the mapping in use it becomes what "
                f"follows, and `trackbridge replay {row.id} --dry-run` compares the two",
                "yellow",
            )
        )
    explain_format.print_explanation(explanation, console, more="")
