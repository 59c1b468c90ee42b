"""The house holds: arrows go down, files stay small enough to have one reason to change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BRIDGE = Path(__file__).parents[1] / "bridge"

FLOORS: dict[str, int] = {
    name: floor
    for floor, names in enumerate(
        (
            "__init__",
            "model errors shown jsontext ledger log visible",
            "signature contract callers body turns heartbeat proxies",
            "source destination store processes metrics_key budget",
            "retry",
            "receive track translate forward purge reload mapping destinations stores settings metrics readiness",
            "openapi health strength",
            "app",
            "cli",
            "__main__",
        )
    )
    for name in names.split()
}
GROUND = 1
"""The floor whose rooms may name each other: nouns, errors, the log."""
FILES = sorted(BRIDGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(BRIDGE).parts[0].removesuffix(".py")


def rooms_named_by(path: Path) -> set[str]:
    """The rooms that a file imports, for typing too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bridge":
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bridge.")}
    return {name if name in FLOORS else "__init__" for name in names} - {room(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BRIDGE)))
def test_every_arrow_goes_down(path: Path) -> None:
    here = FLOORS[room(path)]
    for name in rooms_named_by(path):
        there = FLOORS[name]
        assert there < here or there == here == GROUND, f"{path.name} (floor {here}) names {name} (floor {there})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BRIDGE)))
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BRIDGE)))
def test_no_file_grows_past_a_screenful_of_reasons(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
