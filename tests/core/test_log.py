"""The log: wide lines that a person and a program can both read, and that nothing can break out of."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import log
from bridge.core.log_format import MOST_BYTES, LogLine

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Logging is after it as it was before it."""
    before = [(one, one.handlers[:], one.level, one.propagate) for one in (log.LOGGER, logging.getLogger())]
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        for one, handlers, level, propagate in before:
            one.handlers[:], one.level, one.propagate = handlers, level, propagate


class Collecting(logging.Handler):
    """An operator's own handler."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(record.getMessage())


@pytest.fixture
def handler() -> Iterator[Collecting]:
    with logging_as_before():
        collecting = Collecting()
        log.LOGGER.handlers[:] = [collecting]
        log.LOGGER.setLevel(logging.INFO)
        yield collecting


@pytest.fixture
def lines(handler: Collecting) -> list[str]:
    return handler.lines


def test_fields_stand_as_key_value_and_none_is_left_out(lines: list[str]) -> None:
    log.log_line("webhook.kept", source="stripe", id="wh_1", topic=None, ms=1.25)
    assert lines == ["webhook.kept source=stripe id=wh_1 ms=1.2"]


def test_a_value_with_spaces_quotes_or_newlines_cannot_look_like_another_field_or_line(lines: list[str]) -> None:
    log.log_line("webhook.kept", topic='a" state=delivered\nforged')
    assert lines == [r'webhook.kept topic="a\" state=delivered\nforged"']


WRITTEN = re.compile(r'said( [a-z_]+=([A-Za-z0-9_.:/+*#@-]+|"([ !#-\[\]-~]|\\[ -~])*"))*')


@given(st.lists(st.text(max_size=3000), max_size=9))
def test_a_line_is_one_line_of_ascii_fields_and_bounded_whatever_the_values_hold(values: list[str]) -> None:
    fields = dict(zip("abcdefghi", values, strict=False))
    written = told(lambda: log.log_line("said", **fields))
    assert written.endswith("\n")
    assert len(written.encode()) <= MOST_BYTES
    assert WRITTEN.fullmatch(written[:-1].partition(" info ")[2])


@pytest.mark.parametrize("letter", ["a", "\U0001f600", "\n", '"', "\\", "\ud800"])
def test_a_value_that_is_too_long_is_cut_at_a_whole_character_and_says_so(letter: str) -> None:
    written = told(lambda: log.log_line("said", topic=letter * 5000, state="ignored"))
    assert WRITTEN.fullmatch(written[:-1].partition(" info ")[2])
    assert '... (5000 characters)" state=ignored' in written


def test_fields_that_do_not_fit_into_a_line_are_counted() -> None:
    written = told(lambda: log.log_line("said", **dict.fromkeys("abcdef", "x y" * 400)))
    assert written.endswith(" left_out=3\n")


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio", "httpx", "another.package"])
def test_warnings_of_libraries_are_bounded_and_escaped_as_well(name: str) -> None:
    logging.getLogger(name).setLevel(logging.NOTSET)  # a package that another test has loaded may have set it

    def chatter() -> None:
        logging.getLogger(name).info("said by the way")
        logging.getLogger(name).warning("odd: %s", "\x1b[2J\u202e" + "x" * 9000)

    written = told(chatter)
    assert re.fullmatch(rf'[^ ]+ warning {name} message="odd: \\x1b\[2J\\u202ex+\.\.\. \(9010 characters\)"\n', written)
    [one] = objects(chatter)
    assert (one["level"], one["event"]) == ("warning", name)
    assert one["message"].startswith("odd: \x1b[2J\u202exxx")


@pytest.mark.filterwarnings("always::FutureWarning")
def test_what_python_itself_warns_of_is_a_line_as_well() -> None:
    [one] = objects(lambda: warnings.warn("this is old", FutureWarning, stacklevel=1))
    assert one["event"] == "py.warnings"
    assert "FutureWarning: this is old" in one["message"]


def test_an_exception_that_nobody_caught_is_told_by_its_kind_and_without_its_text() -> None:
    async def fail() -> None:
        task = asyncio.ensure_future(asyncio.to_thread(int, "ada@example.com"))
        await asyncio.wait([task])

    def tell() -> None:
        asyncio.run(fail())
        gc.collect()

    assert told(tell).endswith('Z error asyncio message="Task exception was never retrieved" error=ValueError\n')


def told(telling: Callable[[], None], *, as_json: bool = False) -> str:
    """All that is written to standard error meanwhile."""
    with logging_as_before(), redirect_stderr(io.StringIO()) as errors:
        log.start_log(as_json=as_json, process="web-1")
        telling()
    return errors.getvalue()


def objects(telling: Callable[[], None]) -> list[dict[str, Any]]:
    """The same as JSON: one object a line, each within its bounds."""
    written = told(telling, as_json=True)
    assert written.isascii()
    assert all(line.isprintable() and len(line) < MOST_BYTES for line in written.splitlines())
    return [json.loads(line, parse_constant=pytest.fail) for line in written.splitlines()]


def test_a_json_line_has_its_time_level_process_and_event_and_typed_fields() -> None:
    def tell() -> None:
        log.log_line("delivery.attempted", count=2, ms=1.25, test=True, topic=None, why='a "b"')
        log.log_warning("store.full")

    first, second = objects(tell)
    assert datetime.fromisoformat(first.pop("time")).tzinfo == UTC
    assert list(first.items()) == [
        ("level", "info"), ("process", "web-1"), ("event", "delivery.attempted"),
        ("count", 2), ("ms", 1.25), ("test", True), ("why", 'a "b"'),
    ]  # fmt: skip
    assert (second["level"], second["event"]) == ("warning", "store.full")


def test_a_forked_process_has_its_own_name_in_its_lines() -> None:
    def tell() -> None:
        log.log_line("said")
        log.name_process("worker-deliver")
        log.log_line("said")

    assert [one["process"] for one in objects(tell)] == ["web-1", "worker-deliver"]


@given(st.lists(st.one_of(st.text(max_size=3000), st.floats(), st.integers(), st.none()), max_size=9))
def test_a_json_line_is_valid_and_bounded_whatever_the_values_hold(values: list[object]) -> None:
    fields = dict(zip("abcdefghi", values, strict=False))
    [one] = objects(lambda: log.log_line("said", **fields))
    shown = {key: value for key, value in fields.items() if value is not None}
    assert len(one.keys() & shown.keys()) + one.get("left_out", 0) == len(shown)


@pytest.mark.parametrize("letter", ["a", "\U0001f600", "\n", '"', "\\", "\ud800"])
def test_a_json_value_that_is_too_long_is_cut_and_says_so(letter: str) -> None:
    [one] = objects(lambda: log.log_line("said", topic=letter * 5000, state="ignored"))
    assert one["topic"].endswith("... (5000 characters)")
    assert one["state"] == "ignored"


def test_json_fields_that_do_not_fit_are_counted() -> None:
    [one] = objects(lambda: log.log_line("said", **dict.fromkeys("abcdef", "x y" * 400)))
    assert (one["left_out"], "c" in one, "d" in one) == (3, True, False)


def test_a_handler_of_ones_own_gets_the_fields_with_their_types(handler: Collecting) -> None:
    log.log_line("said", count=2)
    log.log_warning("odd", ms=1.5)
    assert [(record.levelname, record.msg) for record in handler.records] == [
        ("INFO", LogLine("said", {"count": 2})),
        ("WARNING", LogLine("odd", {"ms": 1.5})),
    ]


def test_trouble_that_repeats_is_told_once_a_minute_with_how_often_it_was(lines: list[str]) -> None:
    seldom = log.RateLimitedLog()
    for seconds in (0, 1, 59, 60, 61):
        seldom.warn("store.full", now=NOW + timedelta(seconds=seconds))
    seldom.warn("store.locked", now=NOW)
    assert lines == ["store.full", "store.full count=3", "store.locked"]


def test_trouble_of_another_source_or_for_another_reason_has_its_own_line(lines: list[str]) -> None:
    seldom = log.RateLimitedLog()
    for source, reason in (("a", "stale"), ("a", "missing"), ("b", "stale"), ("a", "stale")):
        seldom.warn("refused", now=NOW, source=source, reason=reason)
    assert lines == [
        "refused source=a reason=stale",
        "refused source=a reason=missing",
        "refused source=b reason=stale",
    ]


def test_what_was_counted_is_told_when_the_minute_is_over(handler: Collecting) -> None:
    async def story() -> None:
        told = asyncio.Event()

        def notice(record: logging.LogRecord) -> bool:
            if "count=" in record.getMessage():
                told.set()
            return True

        handler.addFilter(notice)
        seldom = log.RateLimitedLog(every=timedelta(milliseconds=10))
        for number in range(100):
            seldom.warn("refused", now=NOW, id=number)
        async with asyncio.timeout(10):
            await told.wait()
        seldom.warn("refused", now=NOW + timedelta(milliseconds=11))

    asyncio.run(story())
    assert handler.lines == ["refused id=0", "refused count=99 id=99"]


def test_several_at_once_count_as_so_many(lines: list[str]) -> None:
    log.RateLimitedLog().warn("dead", now=NOW, count=20)
    assert lines == ["dead count=20"]


def test_kinds_without_end_share_a_line_and_old_ones_are_forgotten(lines: list[str]) -> None:
    seldom = log.RateLimitedLog()
    for number in range(3 * log.MOST_KINDS):
        seldom.warn("odd", now=NOW, reason=f"reason-{number}")
    assert len(lines) == log.MOST_KINDS + 1
    later = NOW + timedelta(minutes=2)
    seldom.warn("odd", now=later, reason="reason-x")
    assert lines[-1] == "odd reason=reason-x"


def test_a_clock_that_jumps_back_does_not_silence_trouble(lines: list[str]) -> None:
    seldom = log.RateLimitedLog()
    seldom.warn("store.full", now=NOW)
    seldom.warn("store.full", now=NOW - timedelta(hours=1))
    assert lines == ["store.full", "store.full"]


def test_trouble_that_could_not_be_told_is_told_the_next_time(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("too many open files")

    seldom = log.RateLimitedLog()
    with monkeypatch.context() as patched, suppress(OSError):
        patched.setattr(log, "log_warning", full)
        seldom.warn("store.full", now=NOW)
    seldom.warn("store.full", now=NOW)
    assert lines == ["store.full count=2"]


WITHOUT_DESCRIPTORS = """
import os, resource
from bridge.core import log, visible_text
log.start_log()
resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
log.log_warning("store.full", why="f\u00fcr \u202e")
print(visible_text.make_visible("\u202e"))
"""


def test_a_process_without_a_free_file_descriptor_still_writes_its_log() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert r'store.full why="f\xfcr \u202e"' in ran.stderr
    assert ran.stdout == "\\u202e\n"


def test_what_happens_to_many_at_one_moment_is_a_line_each(
    lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    each: list[dict[str, object]] = [{"id": "e 1", "test": None}, {"id": "e2", "test": True}]
    expected = ['event.taken id="e 1"', "event.taken id=e2 test=True"]
    log.log_lines("event.taken", each)
    assert lines == expected
    with logging_as_before():
        log.start_log()
        log.log_lines("event.taken", each)
    assert [line.split("Z info ")[1] for line in capsys.readouterr().err.splitlines()] == expected


def test_lines_go_to_standard_error_with_their_utc_time(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_as_before():
        log.start_log()
        log.log_warning("store.full")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("Z warning store.full\n")


CHATTERING = """
import asyncio, sys
from bridge.core import log

async def chattering():
    for _ in range(60):
        for _ in range(100):
            log.log_line("said", text=sys.argv[1] * 97)
        await asyncio.sleep(0)

log.start_log()
asyncio.run(chattering())
"""


def test_lines_that_several_processes_write_at_once_to_one_pipe_stay_whole() -> None:
    readable, written = os.pipe()
    here = Path(__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", CHATTERING, letter], stderr=written, cwd=here) for letter in "abcd"
    ]
    os.close(written)
    with open(readable) as pipe:  # noqa: PTH123  it is no path
        lines = pipe.read().splitlines()
    assert [one.wait(60) for one in started] == [0, 0, 0, 0]
    assert len(lines) == 4 * 60 * 100
    assert {line.partition(" info ")[2] for line in lines} == {f"said text={letter * 97}" for letter in "abcd"}
