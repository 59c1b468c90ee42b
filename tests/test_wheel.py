"""The wheel is the same, byte for byte, wherever and whenever it is built, and holds all that an owner needs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PARTS = ("bridge", "mappings", "pyproject.toml", "README.md", "LICENSE")
JUNK = shutil.ignore_patterns("__pycache__", "*.pyc")


def built(folder: Path, *, umask: int, seconds: int, zone: str) -> Path:
    """The wheel of a copy with other times and modes, built at another place and in another zone."""
    copy = folder / "checkout"
    copy.mkdir(parents=True)
    for part in PARTS:
        path = CHECKOUT / part
        shutil.copytree(path, copy / part, ignore=JUNK) if path.is_dir() else shutil.copy(path, copy / part)
    for path in copy.rglob("*"):
        os.utime(path, (seconds, seconds))
        path.chmod(path.stat().st_mode & ~umask)
    environment = {"PATH": os.environ["PATH"], "TZ": zone, "PYTHONHASHSEED": str(seconds % 1000)}
    script = f"import os; os.umask({umask}); from hatchling.build import build_wheel; print(build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return (
        built(folder / "a", umask=0o022, seconds=1_700_000_000, zone="UTC"),
        built(folder / "longer" / "b", umask=0o077, seconds=1_000_000_000, zone="Asia/Tokyo"),
    )


def test_two_builds_of_one_commit_are_the_same_file(wheels: tuple[Path, Path]) -> None:
    one, other = (hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels)
    assert one == other


def test_the_wheel_holds_the_mappings_and_the_files_that_init_writes_and_no_tests(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = set(wheel.namelist())
    deploy = {f"bridge/deploy/{path.name}" for path in (CHECKOUT / "bridge" / "deploy").iterdir()}
    assert deploy <= names
    assert {"bridge/shipped/stripe.yaml", "bridge/py.typed", "bridge/contract/event.schema.json"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"bridge"}
