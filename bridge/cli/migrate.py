"""`trackbridge migrate`: bring the store to this version; with --finish remove what only earlier versions need.

`serve` does the first by itself. The second is for a store on a server, after an upgrade of the last node.
"""

from __future__ import annotations

import asyncio

from bridge import __version__, settings
from bridge.app import utc_now
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store
from bridge.cli.options import command_options, flag_option
from bridge.cli.terminal import print_text
from bridge.core.errors import StoreUnavailable
from bridge.status.processes import is_living
from bridge.store.engines import finish_steps, is_on_server, unfinished_steps
from bridge.store.status_views import ProcessHeartbeat


@command_options
class MigrateOptions:
    """The options of `migrate`."""

    finish: bool = flag_option("remove what only earlier versions need; refused while a node of another version runs")


def run_migrate(options: MigrateOptions) -> int:
    """0 where the store is at this version, and with --finish nothing of earlier ones is left in it."""
    url = settings.store_url(read_environment())
    processes = asyncio.run(_open_store())
    if options.finish and is_on_server(url):
        _require_one_version(processes)
        for name in finish_steps(url):
            print_text(f"finished: {name}")
    left = unfinished_steps(url)
    print_text(f"the store is at the version of trackbridge {__version__}")
    if left:
        print_text(
            f"not finished: {', '.join(left)}; when all nodes run this version, type trackbridge migrate --finish"
        )
    return 0


async def _open_store() -> tuple[ProcessHeartbeat, ...]:
    """Open the store, which brings it to this version; the processes that run on it."""
    store = existing_store()
    try:
        now = utc_now()
        return tuple(one for one in (await store.status_details()).processes if is_living(one, now))
    finally:
        await store.close()


def _require_one_version(processes: tuple[ProcessHeartbeat, ...]) -> None:
    """Raises StoreUnavailable where a process of another version runs: it may need what would be removed."""
    others = sorted({f"{one.node} ({one.version or 'unknown'})" for one in processes if one.version != __version__})
    if others:
        raise StoreUnavailable(
            f"nodes of another version than {__version__} run: {', '.join(others)}; upgrade them first. Nothing was "
            "removed"
        )
