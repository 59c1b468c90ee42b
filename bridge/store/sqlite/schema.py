"""The steps from an empty file to the tables of this version.

One file each in `migrations/`, in the order of their names.

A step is frozen as soon as a commit has it: stores have been made by it. To change the tables, add a step:

1. Write `migrations/NN_<what it does>.sql`, with the next number. Where SQL is not enough, add `migrations/<name>.py`
   with one function of the connection, and name it in `_FUNCTIONS`.
2. Make a store with the last commit that wrote the version before, by `tests/store/old/make.py`.
3. Run `tests/store`. A test fails and prints the digest of the new step to write down.

Each step runs in one transaction and leaves `user_version` at its own number. All instants are whole milliseconds since
1970, UTC. No foreign key refers to `bodies` or to an original event, and `ledger` refers to nothing, so that rows can
be deleted while what is known of them stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from bridge.store.sqlite.migrations import recovery

Step: TypeAlias = tuple[str | Callable[[sqlite3.Connection], None], ...]
"""What a step executes, in order: statements, and functions of the connection."""
FOLDER = Path(__file__).parent / "migrations"
_FUNCTIONS: dict[str, Callable[[sqlite3.Connection], None]] = {"10_recovery": recovery.recover}


def split_statements(script: str) -> Iterator[str]:
    """The statements of an SQL script; each ends with a line."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
    if held.strip():
        raise ValueError(f"the script ends within a statement: {held.strip()[:80]}")


def _load_step(path: Path) -> Step:
    function = _FUNCTIONS.get(path.stem)
    return (*split_statements(path.read_text(encoding="utf-8")), *([function] if function else []))


STEPS: tuple[Step, ...] = tuple(_load_step(path) for path in sorted(FOLDER.glob("*.sql")))
"""`STEPS[n]` leads from version n to version n + 1."""
