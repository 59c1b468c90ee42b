"""The log: one wide line of `key=value` for each webhook kept, each event made and each attempt.

A line holds ids, names, numbers, outcomes and times, never a body, a secret or personal data. It is ASCII, and at most
`MOST_BYTES` long.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import os
import re
import select
import socket
import stat
import string
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import TextIO

PATIENCE_MS = 100
"""How long the first line that cannot be written waits for a reader."""
LOGGER = logging.getLogger("trackbridge")
SERVER = logging.getLogger("uvicorn.error")
ASYNCIO = logging.getLogger("asyncio")
MOST_BYTES = 4096
"""Of a line with its newline: Linux's pipes take so many bytes whole, so lines of several processes never mix."""
_PLAIN = f"{string.ascii_letters}{string.digits}_.:/+*#@-"
_WHOLE = select.PIPE_BUF
_LONGEST = MOST_BYTES - 64
"""Characters of a line without its time, its level and the count of fields that were left out."""
_LONGEST_VALUE = 1024
"""Characters of a value as it is written; one beyond ASCII takes up to ten."""
_escape = codecs.getencoder("unicode_escape")
"""Looked up here: Python reads this codec from a file, and a process without a free descriptor must log that, too."""
_WHOLE_ESCAPES = re.compile(r"(?:\\x..|\\u.{4}|\\U.{8}|\\[^xuU]|[^\\])*")


def log_line(what: str, **fields: object) -> None:
    """Write one line: what happened, then its fields; those that are None are left out."""
    if LOGGER.isEnabledFor(logging.INFO):
        _log_texts([_format_line(what, fields)])


def log_lines(what: str, each: Iterable[Mapping[str, object]]) -> None:
    """The same for all that happened at one moment, each with fields of its own."""
    if LOGGER.isEnabledFor(logging.INFO):
        _log_texts([_format_line(what, fields) for fields in each])


def _log_texts(texts: Sequence[str]) -> None:
    match LOGGER.handlers:
        case [_LineHandler() as ours]:  # straight there: a record of `logging` costs more than the line
            ours.put_lines(time.time(), "info", texts)
        case _:
            for text in texts:
                LOGGER.info("%s", text)


def log_warning(what: str, **fields: object) -> None:
    """The same for what a person should look at."""
    LOGGER.warning("%s", _format_line(what, fields))


class RateLimitedLog:
    """Trouble that would repeat: at most one line a minute for each kind."""

    def __init__(self, every: timedelta = timedelta(minutes=1)) -> None:
        self._every = every
        self._last: dict[str, datetime] = {}

    def warn(self, what: str, *, now: datetime, **fields: object) -> None:
        """Write the line unless one of its kind was written within the last minute."""
        last = self._last.get(what)
        if last is None or not timedelta() <= now - last < self._every:
            log_warning(what, **fields)
            self._last[what] = now  # where the line could not be written, the next one is


def start_log(level: int = logging.INFO) -> None:
    """Send the log to standard error, each line with its UTC time."""
    handler = _LineHandler(sys.stderr)
    for logger, least in ((LOGGER, level), (SERVER, logging.WARNING), (ASYNCIO, logging.WARNING)):
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False


class _LineHandler(logging.Handler):
    """One line a record, also for an exception: its traceback would show what a request held.

    The lines of one round of the event loop are written together at its end; trouble, and what is said outside a
    loop, at once.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: list[str] = []
        self._dropped = 0
        self._rest = b""
        self._send = _nonblocking_writer(stream)
        self._second = -1
        self._stamp = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.put_lines(record.created, record.levelname.lower(), [_bound_text(record.getMessage())])
        if record.levelno > logging.INFO:
            self.flush()

    def put_lines(self, at: float, level: str, texts: Sequence[str]) -> None:
        """Write lines; `at` is seconds since 1970."""
        before = f"{self._format_time(at)}Z {level}"
        fresh = not self._waiting
        self._waiting += [f"{before} {text}\n" for text in texts]
        if fresh:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._waiting = self._waiting, []
            for part in _split_for_pipe("".join(lines)):
                self._write(part)

    def _write(self, part: str) -> None:
        """Write whole lines, or count them where nobody reads the log: no process waits for it."""
        with suppress(OSError, ValueError):  # the reader is gone
            if self._send is None:
                self._stream.write(part)
                self._stream.flush()
                return
            if self._dropped:
                note = f"{self._format_time(time.time())}Z warning log.dropped lines={self._dropped}\n"
                if not self._was_sent(self._send, note):
                    self._dropped += part.count("\n")
                    return
                self._dropped = 0
            if not self._was_sent(self._send, part):
                self._dropped += part.count("\n")

    def _was_sent(self, send: Callable[[bytes], int], text: str) -> bool:
        """Whether a pipe took it; the first time that it does not, its reader gets a moment."""
        content = self._rest + text.encode("ascii", "replace")
        for _ in range(2):
            with suppress(BlockingIOError):
                self._rest = content[send(content) :]  # a socket or a terminal may take a part of a line
                return True
            if self._dropped or not _wait_until_writable(self._stream.fileno()):
                break
        return False

    def _format_time(self, at: float) -> str:
        """The UTC time to the millisecond; most lines share their second with the one before."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((at - second) * 1000):03d}"


def _nonblocking_writer(stream: TextIO) -> Callable[[bytes], int] | None:
    """What writes to the stream's pipe, terminal or socket without ever waiting; None for a file, which never waits.

    The descriptor is opened again, because other programs share the one that was inherited and expect it to wait.
    Where it cannot be opened (another user's pipe, no /proc), it is asked whether it takes more before each write.
    """
    try:
        inherited = stream.fileno()
        mode = os.fstat(inherited).st_mode
    except (OSError, ValueError, AttributeError):  # no descriptor
        return None
    if stat.S_ISSOCK(mode):
        held = socket.socket(fileno=os.dup(inherited))
        return lambda content: held.send(content, socket.MSG_DONTWAIT)
    if not (stat.S_ISFIFO(mode) or os.isatty(inherited)):
        return None
    try:
        pipe = os.open(f"/proc/self/fd/{inherited}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:

        def write_if_writable(content: bytes) -> int:
            if not _wait_until_writable(inherited, milliseconds=0):
                raise BlockingIOError
            return os.write(inherited, content)

        return write_if_writable
    return lambda content: os.write(pipe, content)


def _wait_until_writable(descriptor: int, *, milliseconds: int = PATIENCE_MS) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(milliseconds))


def _split_for_pipe(text: str) -> Iterator[str]:
    """Whole lines, as many at a time as a pipe takes whole: other processes write to the same one."""
    while len(text) > _WHOLE:
        end = (text.rfind("\n", 0, _WHOLE) + 1) or (text.find("\n") + 1)
        yield text[:end]
        text = text[end:]
    yield text


def _format_line(what: str, fields: Mapping[str, object]) -> str:
    text = what
    for key, value in fields.items():
        if value is not None:
            text = f"{text} {key}={value if type(value) is str and _is_plain(value) else _quote_value(value)}"
    return text if len(text) <= _LONGEST else _shorten_line(what, fields)


def _shorten_line(what: str, fields: Mapping[str, object]) -> str:
    """A line that is too long: long values are cut, and of the fields there are as many as fit."""
    text, left_out = what, 0
    for key, value in fields.items():
        if value is None:
            continue
        shown = _quote_value(value)
        if _is_plain(shown) and len(shown) > _LONGEST_VALUE:
            shown = _shorten_text(shown)
        field = f" {key}={shown}"
        if len(text) + len(field) <= _LONGEST:
            text += field
        else:
            left_out += 1
    return f"{text} left_out={left_out}" if left_out else text


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes: then nothing is left of it when it is stripped. No pattern is as quick."""
    return bool(text) and not text.strip(_PLAIN)


def _quote_value(value: object) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    if _is_plain(text):
        return text
    escaped = _escape_text(text)
    return f'"{escaped}"' if len(escaped) <= _LONGEST_VALUE else _shorten_text(text)


def _shorten_text(text: str) -> str:
    start = _WHOLE_ESCAPES.match(_escape_text(text), 0, _LONGEST_VALUE)
    return f'"{start[0] if start else ""}... ({len(text)} characters)"'


def _escape_text(text: str) -> str:
    return _escape(text)[0].decode("ascii").replace('"', '\\"')


def _bound_text(text: str) -> str:
    """A line of another program, such as the server's: escaped like a value, and bounded in length."""
    escaped = text if text.isascii() and text.isprintable() else _escape_text(text)
    return escaped if len(escaped) <= _LONGEST else f"{escaped[:_LONGEST]}..."
