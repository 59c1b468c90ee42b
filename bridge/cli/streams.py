"""Standard input, output and error, whatever their state: closed, full, or in an encoding that lacks a character."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


def prepare_streams() -> None:
    """Make sure that all three are there, and that every character can be written.

    A closed one is replaced, so that no file of ours gets its number: output that was closed by reading from nothing,
    so that what is written there fails and is reported, and is not lost in silence.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # it gets the lowest free number, which is this one
    sys.stdin = sys.stdin or io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    sys.stderr = sys.stderr or _text_stream(io.FileIO(2, "w", closefd=False))
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text_stream(_OutputFile(1, "w", closefd=False), like=sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _OutputFile(io.FileIO):
    """A file that remembers why it could not be written to."""

    error: OSError | None = None

    def write(self, content: Buffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            self.error = error
            raise


def _text_stream(raw: io.FileIO, *, like: TextIO | None = None) -> io.TextIOWrapper:
    """Text to that file, in the encoding of another stream."""
    is_terminal = raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding if like else "utf-8", line_buffering=is_terminal
    )


def print_error(text: str) -> None:
    """Write a line to standard error, if anybody can read it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def output_error() -> OSError | None:
    """Why standard output could not be written to; None where it could."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _OutputFile) else None


def drop_output() -> None:
    """Write no more to standard output, also what still waits to be written: the interpreter would fail at it later."""
    _drop_stream(sys.stdout)


def finish_errors() -> None:
    """Write what still waits for standard error, or drop it where nobody takes it.

    It must not change the exit status.
    """
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _drop_stream(sys.stderr)


def _drop_stream(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
