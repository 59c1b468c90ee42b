"""Texts as PostgreSQL can hold them: neither lone surrogates nor NUL characters, which are written out as escapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.store.codec.columns import storable_text

NUL = "\\x00"
"""What stands for a NUL character."""


def server_text(value: str) -> str:
    """The text as a column can hold it."""
    return storable_text(value).replace("\0", NUL)


def maybe_server_text(value: str | None) -> str | None:
    """The same for a column that may be empty."""
    return None if value is None else server_text(value)


def to_columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """The columns of rows, as `unnest` takes them; without NUL characters, which only texts of strangers have."""
    return [
        [one.replace("\0", NUL) if isinstance(one, str) and "\0" in one else one for one in column]
        for column in zip(*rows, strict=True)
    ]
