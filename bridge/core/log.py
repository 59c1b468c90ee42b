"""The log: one wide line for each webhook kept, each event made and each attempt, by the standard `logging`.

A line holds ids, names, numbers, outcomes and times, never a body, a secret or personal data. How it is written is in
`log_format`; to give the lines to a handler of one's own, add it to `LOGGER`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import TextIO

from bridge.core.log_format import LogLine, format_json, format_text

PATIENCE_MS = 100
"""How long the first line that cannot be written waits for a reader."""
MOST_KINDS = 1000
"""Kinds of trouble that are told apart at a time; beyond, all that is new under one word shares a line."""
_KIND = ("source", "destination", "key", "reason", "status", "error", "at")
"""The fields that set trouble of one kind apart from others."""
LOGGER = logging.getLogger("trackbridge")
_WHOLE = select.PIPE_BUF
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def log_line(what: str, **fields: object) -> None:
    """Write one line: what happened, then its fields; those that are None are left out."""
    if LOGGER.isEnabledFor(logging.INFO):
        _log_info([LogLine(what, fields)])


def log_lines(what: str, each: Iterable[Mapping[str, object]]) -> None:
    """The same for all that happened at one moment, each with fields of its own."""
    log_all([LogLine(what, fields) for fields in each])


def log_all(lines: Sequence[LogLine]) -> None:
    """The same for lines that differ in what happened. Together they cost half of what they cost one by one."""
    if lines and LOGGER.isEnabledFor(logging.INFO):
        _log_info(lines)


def _log_info(lines: Sequence[LogLine]) -> None:
    match LOGGER.handlers:
        case [_LineHandler() as ours]:  # straight there: a record of `logging` costs more than the line
            ours.put_lines(time.time(), "info", lines)
        case _:
            for line in lines:
                LOGGER.info(line)


def mask_event_type(event_type: str) -> str:
    """The event type where it is a plain name, else `other`: it can be any text, such as a person's address."""
    return event_type if _NAME.fullmatch(event_type) else "other"


def log_warning(what: str, **fields: object) -> None:
    """The same for what a person should look at."""
    LOGGER.warning(LogLine(what, fields))


class RateLimitedLog:
    """Trouble that would repeat: at most one line a minute for each kind, with how often it was since the last one.

    Of one kind is what happens with the same source, destination or API key for the same reason. What was counted is
    told when the minute is over where an event loop runs, else with the next of its kind.
    """

    def __init__(self, every: timedelta = timedelta(minutes=1)) -> None:
        self._every = every
        self._kinds: dict[tuple[object, ...], _Repeated] = {}

    def warn(self, what: str, *, now: datetime, count: int = 1, **fields: object) -> None:
        """Write the line, or count it where one of its kind was written within the last minute."""
        kind = self._find_kind(what, fields, now)
        kind.line, kind.count = LogLine(what, fields), kind.count + count
        if not self._is_recent(kind, now):
            kind.write_line(now)
        elif kind.timer is None:
            with suppress(RuntimeError):  # no loop runs in this thread
                left = (kind.told_at + self._every - now).total_seconds()
                kind.timer = asyncio.get_running_loop().call_later(left, kind.write_line, kind.told_at + self._every)

    def _find_kind(self, what: str, fields: Mapping[str, object], now: datetime) -> _Repeated:
        key = (what, *[fields.get(name) for name in _KIND])
        if key not in self._kinds and len(self._kinds) >= MOST_KINDS:
            self._kinds = {key: kind for key, kind in self._kinds.items() if kind.count or self._is_recent(kind, now)}
            if len(self._kinds) >= MOST_KINDS:
                key = (what,)
        return self._kinds.setdefault(key, _Repeated())

    def _is_recent(self, kind: _Repeated, now: datetime) -> bool:
        """Whether a line was written less than a minute ago; a clock that was set back does not silence the log."""
        return timedelta() <= now - kind.told_at < self._every


class _Repeated:
    """Trouble of one kind: when it was last told, and how often it was since then."""

    __slots__ = ("count", "line", "timer", "told_at")

    def __init__(self) -> None:
        self.line = LogLine("", {})
        self.count = 0
        self.told_at = datetime.min.replace(tzinfo=UTC)
        self.timer: asyncio.TimerHandle | None = None

    def write_line(self, now: datetime) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        log_warning(self.line.what, count=self.count if self.count > 1 else None, **self.line.fields)
        self.count, self.told_at = 0, now  # where the line could not be written, the next one is


def start_log(level: int = logging.INFO, *, as_json: bool = False, process: str = "") -> None:
    """Send the log to standard error, and with it the warnings of all libraries; `process` is the role of this one."""
    handler = _LineHandler(sys.stderr, as_json=as_json, process=process)
    for logger, least in ((LOGGER, level), (logging.getLogger(), logging.WARNING)):
        logger.handlers[:] = [handler]
        logger.setLevel(least)
    LOGGER.propagate = False
    logging.captureWarnings(capture=True)


def name_process(role: str) -> None:
    """Say which process writes from now on: a child that was forked has the handler of its parent."""
    for handler in LOGGER.handlers:
        if isinstance(handler, _LineHandler):
            handler.process = role


class _LineHandler(logging.Handler):
    """One line a record, also for an exception: its traceback would show what a request held.

    The lines of one round of the event loop are written together at its end; trouble, and what is said outside a
    loop, at once.
    """

    def __init__(self, stream: TextIO, *, as_json: bool, process: str) -> None:
        super().__init__()
        self.process = process
        self._as_json = as_json
        self._stream = stream
        self._waiting: list[str] = []
        self._dropped = 0
        self._rest = b""
        self._send = _nonblocking_writer(stream)
        self._second = -1
        self._stamp = ""

    def emit(self, record: logging.LogRecord) -> None:
        line = record.msg if isinstance(record.msg, LogLine) else _library_line(record)
        self.put_lines(record.created, record.levelname.lower(), [line])
        if record.levelno > logging.INFO:
            self.flush()

    def put_lines(self, at: float, level: str, lines: Iterable[LogLine]) -> None:
        """Write lines; `at` is seconds since 1970."""
        fresh = not self._waiting
        self._waiting += self._format_lines(at, level, lines)
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
                dropped = LogLine("log.dropped", {"lines": self._dropped})
                if not self._was_sent(self._send, *self._format_lines(time.time(), "warning", [dropped])):
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

    def _format_lines(self, at: float, level: str, lines: Iterable[LogLine]) -> list[str]:
        when = f"{self._format_time(at)}Z"
        if self._as_json:
            return [f"{format_json(one, time=when, level=level, process=self.process)}\n" for one in lines]
        return [f"{when} {level} {format_text(one)}\n" for one in lines]

    def _format_time(self, at: float) -> str:
        """The UTC time to the millisecond; most lines share their second with the one before."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((at - second) * 1000):03d}"


def _library_line(record: logging.LogRecord) -> LogLine:
    """The first line of a library's message, and the kind of its exception: the rest may show what a request held."""
    kind = record.exc_info[0] if record.exc_info else None
    message = record.getMessage().strip().partition("\n")[0]
    return LogLine(record.name, {"message": message, "error": kind.__name__ if kind else None})


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
