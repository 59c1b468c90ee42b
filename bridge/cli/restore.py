"""`trackbridge restore`: put a backup where BRIDGE_STORE names no store yet.

The work is in `store/sqlite/backup/restore.py`.
"""

from __future__ import annotations

from pathlib import Path

from bridge import settings
from bridge.cli.backup import describe_contents
from bridge.cli.environment import read_environment
from bridge.cli.options import argument, command_options
from bridge.cli.terminal import print_text
from bridge.store.engines import RestoreResult, restore_store

FOUND = (
    "files of the ingest log were there already and were left: webhooks in them that the backup does not know are "
    "translated when `trackbridge serve` starts, with the same event_id as before."
)
RESENT = (
    "Providers redeliver only what was not answered 200: have them send that time's webhooks again. Those that "
    "the store has already are recognised."
)
PENDING = (
    "Deliveries that were pending then are made when `trackbridge serve` starts, also those that were made after the "
    "backup, with the same event_id."
)


@command_options
class RestoreOptions:
    """The options of `restore`."""

    source: Path = argument(Path, "BACKUP", meaning="a folder that `trackbridge backup` made")


def run_restore(options: RestoreOptions) -> int:
    """Put it back and say what the owner must know."""
    url = settings.store_url(read_environment())
    done = restore_store(url, options.source)
    print_text(f"restored {url} from {options.source}, a backup of {done.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")
    print_text(describe_contents(done.manifest))
    print_text("\n".join(_to_know(done)), lines=True)
    return 0


def _to_know(done: RestoreResult) -> list[str]:
    since = f"{done.manifest.made_at:%Y-%m-%d %H:%M} UTC"
    said = [
        f"· What came in after {since} is not in the backup. {RESENT}",
        f"· {PENDING}",
    ]
    if done.log_files_left:
        said.insert(0, f"· {done.log_files_left} {FOUND}")
    return said
