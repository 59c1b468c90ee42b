"""`trackbridge backup`: a copy of the store in a new folder, while `serve` runs or not.

The copy is made in `store/sqlite/backup/create.py`.
"""

from __future__ import annotations

from pathlib import Path

from bridge import settings
from bridge.app import utc_now
from bridge.cli.environment import read_environment
from bridge.cli.list_show import see_that_there_is_a_store
from bridge.cli.options import argument, command_options
from bridge.cli.terminal import print_text
from bridge.store.engines import BackupManifest, back_up_store

MEBIBYTE = 1024 * 1024


@command_options
class BackupOptions:
    """The options of `backup`."""

    target: Path = argument(Path, "TARGET", meaning="the folder to make; it must not exist yet")


def run_backup(options: BackupOptions) -> int:
    """Make it and say what it holds."""
    url = see_that_there_is_a_store()
    found = back_up_store(url, options.target, now=utc_now(), bounds=settings.admission_limits(read_environment()))
    print_text(
        f"backup of {url} in {options.target}: {describe_contents(found)}; {found.size / MEBIBYTE:.1f} MiB, checked"
    )
    return 0


def describe_contents(found: BackupManifest) -> str:
    """What a backup holds, in a line."""
    held = found.contents
    newest = f", the newest of {held.newest_webhook_at:%Y-%m-%d %H:%M:%S} UTC" if held.newest_webhook_at else ""
    return (
        f"{held.webhooks} webhooks ({held.waiting} of them not translated yet){newest}; {held.events} events; "
        f"{held.pending_deliveries} pending deliveries"
    )
