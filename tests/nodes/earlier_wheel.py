"""The wheel of the commit before the newest migration of the PostgreSQL store, unpacked to be run beside this code."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
NEWEST_STEP = max((CHECKOUT / "bridge" / "store" / "postgres" / "migrations").glob("*.sql"))
"""The newest migration of the PostgreSQL store."""
PARTS = ("bridge", "mappings", "pyproject.toml", "README.md", "LICENSE")
"""All that a wheel is built of."""
RUN = """
import os, socket, sys
socket.gethostname = lambda: os.environ["FIRE_HOST"]
import bridge
assert bridge.__file__.startswith(os.environ["PYTHONPATH"]), bridge.__file__
from bridge.cli import main
sys.exit(main(sys.argv[1:]))
"""
PROGRAM = (sys.executable, "-c", RUN)
"""Runs the command line of the wheel whose folder is PYTHONPATH, under the host name in FIRE_HOST."""


class NoHistoryError(Exception):
    """The commit cannot be had: this is no clone, or one without its history."""


def commit_before_newest_step() -> str:
    """The commit before the one that added the newest migration. Raises NoHistoryError."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", str(NEWEST_STEP)).decode().split()
    return _git("rev-parse", "--verify", f"{added[-1]}^" if added else "HEAD").decode().strip()


def unpack_wheel_of(commit: str, folder: Path) -> Path:
    """Build the wheel of a commit, with the dependencies that are installed here; returns where it is unpacked."""
    (source := folder / "source").mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, *PARTS))) as archive:
        archive.extractall(source, filter="data")
    script = "from hatchling.build import build_wheel; print(build_wheel('..'))"
    built = subprocess.run([sys.executable, "-c", script], cwd=source, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(unpacked := folder / "unpacked")
    return unpacked


def _git(*words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip()
        raise NoHistoryError(f"the history of this checkout cannot be read: {said or error}") from error
