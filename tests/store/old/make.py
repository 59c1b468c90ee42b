"""Remakes the stores of this folder from the history of the repository, each with the code of the commits it names.

    python tests/store/old/make.py [NAME …]

It needs a clone with its history, and an environment in which those commits run (today's does). Each store is written
as `<name>.sql`, with the file's header as pragmas, and what its ingest log held as `<name>.inbox`: a name and Base64 a
line. A store that is here stays as it is: remake one only to add what it lacks. Not concerned with what they hold
(`fill_up_to_v10.py`, `pass_from_v11.py`), nor with opening them (`old_stores.py`).
"""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
FROM_V11 = {
    "79e5329",
    "2f19ef1",
    "f7ecfbb",
    "11eabdf",
    "3ebb245",
    "3eabfe3",
    "c70c18d",
    "3af1736",
    "6efe133",
    "02cb0da",
    "edcfaf0",
    "6e083d8",
    "f474991",
    "3ceed61",
    "1366d2d",
    "ffdfe25",
    "8c4daa7",
    "9244f0a",
    "664c9fe",
}
"""Commits whose code calls things as `pass_from_v11.py` does."""
HEADER = ("application_id", "user_version", "auto_vacuum", "page_size")

MONEY = "4381f10"
"""The last commit that told a sale by one topic alone: `money` is a store that it filled with Stripe's webhooks."""
STORES = {
    # Each first commit of a schema, or of another way to pack what came in: its own store.
    "v1_4fc58f6": ("4fc58f6",),
    "v2_3b25d48": ("3b25d48",),
    "v3_83d53ff": ("83d53ff",),
    "v4_bc940cd": ("bc940cd",),
    "v5_c605fcc": ("c605fcc",),
    "v5_3b4a02d": ("3b4a02d",),
    "v5_5ccc84f": ("5ccc84f",),
    "v6_f1671d0": ("f1671d0",),
    "v6_4f1048d": ("4f1048d",),
    "v7_f1bc662": ("f1bc662",),
    "v7_ad7f427": ("ad7f427",),
    "v8_5355535": ("5355535",),
    "v9_c9b23ee": ("c9b23ee",),
    "v10_4381f10": ("4381f10",),
    # Upgrades that left another schema under the same number, or put by what the later commit could not read.
    "v2_4fc58f6_3b25d48": ("4fc58f6", "3b25d48"),
    "v5_83d53ff_3b4a02d": ("83d53ff", "3b4a02d"),
    "v6_f1671d0_4f1048d": ("f1671d0", "4f1048d"),
    "v6_5ccc84f_f1671d0": ("5ccc84f", "f1671d0"),
    "v7_4fc58f6_3b4a02d_f1671d0_ad7f427": ("4fc58f6", "3b4a02d", "f1671d0", "ad7f427"),
    "v11_4381f10_79e5329": ("4381f10", "79e5329"),
    "v12_4381f10_79e5329_2f19ef1": ("4381f10", "79e5329", "2f19ef1"),
    "v13_4381f10_79e5329_f7ecfbb": ("4381f10", "79e5329", "f7ecfbb"),
    "v14_4381f10_79e5329_11eabdf": ("4381f10", "79e5329", "11eabdf"),
    "v15_4381f10_79e5329_3ebb245": ("4381f10", "79e5329", "3ebb245"),
    "v16_4381f10_79e5329_3eabfe3": ("4381f10", "79e5329", "3eabfe3"),
    "v17_4381f10_79e5329_c70c18d": ("4381f10", "79e5329", "c70c18d"),
    "v18_4381f10_79e5329_3af1736": ("4381f10", "79e5329", "3af1736"),
    "v19_4381f10_79e5329_6efe133": ("4381f10", "79e5329", "6efe133"),
    "v20_4381f10_79e5329_02cb0da": ("4381f10", "79e5329", "02cb0da"),
    "v21_4381f10_79e5329_edcfaf0": ("4381f10", "79e5329", "edcfaf0"),
    "v22_4381f10_79e5329_6e083d8": ("4381f10", "79e5329", "6e083d8"),
    "v23_4381f10_79e5329_f474991": ("4381f10", "79e5329", "f474991"),
    "v24_4381f10_79e5329_3ceed61": ("4381f10", "79e5329", "3ceed61"),
    "v25_4381f10_79e5329_1366d2d": ("4381f10", "79e5329", "1366d2d"),
    "v26_4381f10_79e5329_ffdfe25": ("4381f10", "79e5329", "ffdfe25"),
    "v27_4381f10_79e5329_8c4daa7": ("4381f10", "79e5329", "8c4daa7"),
    "v28_4381f10_79e5329_9244f0a": ("4381f10", "79e5329", "9244f0a"),
    "v29_4381f10_79e5329_664c9fe": ("4381f10", "79e5329", "664c9fe"),
}
"""Each store, and the commits whose code made it, the first one anew."""


def make(name: str, commits: Sequence[str]) -> None:
    """Make a store with the code of these commits, one after another, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        for at, commit in enumerate(commits):
            _run(_code_of(commit, Path(folder)), path, "pass" if at else "fill", commit)
        with closing(sqlite3.connect(path)) as db:
            (HERE / f"{name}.sql").write_text("\n".join(_dump(db)) + "\n")
        logs = sorted(Path(f"{path}-inbox").glob("*"))
        lines = [f"{one.name} {base64.b64encode(one.read_bytes()).decode()}\n" for one in logs]
        (HERE / f"{name}.inbox").write_text("".join(lines))


def make_money() -> None:
    """Make the store of a shop with Stripe's webhooks, told and ignored by the code and the mapping of that time."""
    with tempfile.TemporaryDirectory() as folder:
        path, code = Path(folder) / "store.db", _code_of(MONEY, Path(folder))
        command = [sys.executable, str(HERE / "fill_money.py"), str(path), str(code / "mappings")]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(code)}, check=True)
        with closing(sqlite3.connect(path)) as db:
            (HERE / "money" / f"stripe_{MONEY}.sql").write_text("\n".join(_dump(db)) + "\n")


def _code_of(commit: str, folder: Path) -> Path:
    code = folder / commit
    code.mkdir()
    packed = subprocess.run(
        ["git", "archive", commit, "bridge", "mappings"], cwd=HERE.parents[2], check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "x", "-C", str(code)], input=packed, check=True)
    return code


def _run(code: Path, path: Path, what: str, commit: str) -> None:
    script = "pass_from_v11.py" if commit in FROM_V11 else "fill_up_to_v10.py"
    command = [sys.executable, str(HERE / script), str(path), what, commit]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(code)}, check=True)


def _dump(db: sqlite3.Connection) -> Iterator[str]:
    for name in HEADER:
        yield f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]};"
    yield from db.iterdump()


if __name__ == "__main__":
    for chosen in sys.argv[1:] or [*STORES, "money"]:
        if chosen == "money":
            make_money()
        else:
            make(chosen, STORES[chosen])
