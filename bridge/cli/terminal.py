"""Plain text that commands print, so that no text from outside can control the terminal.

Tables and colours are printed by `safe_console`, JSON by `list_show.write_json`.
"""

from __future__ import annotations

import sys

from bridge.cli import streams
from bridge.core.errors import BridgeError, MappingError
from bridge.core.visible_text import make_visible


def print_text(text: str, *, lines: bool = False, error: bool = False) -> None:
    """Print one line, or text with `lines` of its own, on standard output or on standard error."""
    print(make_visible(text, lines=lines), file=sys.stderr if error else sys.stdout, flush=True)


def say_error(error: BridgeError) -> None:
    """Print why a command could not be done: one line, or a line for each problem of a mapping."""
    streams.print_error(make_visible(f"trackbridge: {error}", lines=isinstance(error, MappingError)))
