"""The two C programs of the bench, compiled once a run: the generator and the sink. Not concerned with running them."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
_PROGRAMS = {
    "load": ("load.c", "request.c", "http.c", "latency.c", "sha256.c"),
    "sink": ("sink.c", "http.c"),
}


def compiled(folder: Path) -> dict[str, Path]:
    """Each program by its name, made in the folder. Raises FileNotFoundError without `cc`."""
    made = {}
    for name, sources in _PROGRAMS.items():
        made[name] = folder / name
        words = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(made[name])]
        subprocess.run([*words, *(str(SOURCES / source) for source in sources)], check=True)
    return made
