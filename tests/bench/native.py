"""The C programs of the bench, compiled once a run: the generator, the sink, and a poster for a peer of ours.

Not concerned with running them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
_PROGRAMS = {
    "load": ("load.c", "request.c", "http.c", "latency.c", "sha256.c"),
    "sink": ("sink.c", "http.c"),
    "post": ("post.c",),
}


def compiled(folder: Path) -> dict[str, Path]:
    """Each program by its name, made in the folder. Ends the bench where there is no `cc`."""
    if shutil.which("cc") is None:
        sys.exit("the bench's generator is written in C, and there is no `cc`; install one, such as gcc")
    made = {}
    for name, sources in _PROGRAMS.items():
        made[name] = folder / name
        words = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(made[name])]
        subprocess.run([*words, *(str(SOURCES / source) for source in sources)], check=True)
    return made
