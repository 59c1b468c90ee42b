"""`trackbridge done wh_…`: say that a privacy request was acted on. The store keeps who said so, and when."""

from __future__ import annotations

import asyncio

from bridge.app import utc_now
from bridge.cli.acting_person import name_of_person
from bridge.cli.list_show import existing_store
from bridge.cli.options import argument, command_options, option
from bridge.cli.terminal import print_text
from bridge.core.local_time import format_local


@command_options
class DoneOptions:
    """The options of `done`."""

    id: str = argument(str, "ID", meaning="a privacy request (wh_…), as status names it")
    by: str | None = option(str, "NAME", meaning="who did it (default: the user who runs this)")


def run_done(options: DoneOptions) -> int:
    """Mark it, and say who had done so before, if anybody had."""
    return asyncio.run(_mark_done(options))


async def _mark_done(options: DoneOptions) -> int:
    who, now = name_of_person(options.by), utc_now()
    store = existing_store()
    try:
        before = await store.complete_privacy_request(options.id, who=who, now=now)
    finally:
        await store.close()
    if before is None:
        print_text(f"{options.id} is done, by {who}, {format_local(now)}; status asks for it no longer")
    else:
        print_text(f"{options.id} was done already, by {before.who}, {format_local(before.at)}")
    return 0
