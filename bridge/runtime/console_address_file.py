"""A file beside the store that says at which address the console of the running `serve` stands.

Its port may be that of `serve --port`, which no setting has. It is worth something only while `serve` runs.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bridge.core import log
from bridge.core.regular_file import read_regular_file

MOST_BYTES = 2048


def _address_file(store: Path) -> Path:
    return store.with_name(f".{store.name}.console")


def write_console_address(store: Path, address: str | None) -> None:
    """Keep the address, or that there is no console. A disk that refuses is logged, and nothing stops."""
    path = _address_file(store)
    try:
        if address is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(address)
    except OSError as error:
        log.log_warning(
            "console.unpublished", why=f"{path.name}: {error.strerror}; `trackbridge console` may print another address"
        )


def read_console_address(store: Path) -> str | None:
    """The address that was written last; None where there is none, or it cannot be read."""
    with suppress(OSError, UnicodeDecodeError):
        return read_regular_file(_address_file(store), most=MOST_BYTES).decode("ascii") or None
    return None
