"""The log: wide lines that a person and a program can both read, and that nothing can break out of."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge import log

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    before = log.LOGGER.handlers[:], log.LOGGER.level, log.LOGGER.propagate
    log.LOGGER.handlers[:] = [Collecting()]
    log.LOGGER.setLevel(logging.INFO)
    yield found
    log.LOGGER.handlers[:], log.LOGGER.level, log.LOGGER.propagate = before


def test_fields_stand_as_key_value_and_none_is_left_out(lines: list[str]) -> None:
    log.line("webhook.kept", source="stripe", id="wh_1", topic=None, ms=1.25)
    assert lines == ["webhook.kept source=stripe id=wh_1 ms=1.2"]


def test_a_value_with_spaces_quotes_or_newlines_cannot_look_like_another_field_or_line(lines: list[str]) -> None:
    log.line("webhook.kept", topic='a" state=delivered\nforged')
    assert lines == [r'webhook.kept topic="a\" state=delivered\nforged"']


def test_trouble_that_repeats_is_told_once_a_minute_for_each_kind(lines: list[str]) -> None:
    seldom = log.Seldom()
    for seconds in (0, 1, 59, 60, 61):
        seldom.trouble("store.full", now=NOW + timedelta(seconds=seconds))
    seldom.trouble("store.locked", now=NOW)
    assert lines == ["store.full", "store.full", "store.locked"]


def test_a_clock_that_jumps_back_does_not_silence_trouble(lines: list[str]) -> None:
    seldom = log.Seldom()
    seldom.trouble("store.full", now=NOW)
    seldom.trouble("store.full", now=NOW - timedelta(hours=1))
    assert lines == ["store.full", "store.full"]


def test_what_happens_to_many_at_one_moment_is_a_line_each(
    lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    each: list[dict[str, object]] = [{"id": "e 1", "test": None}, {"id": "e2", "test": True}]
    expected = ['event.taken id="e 1"', "event.taken id=e2 test=True"]
    log.lines("event.taken", each)
    assert lines == expected
    log.start()
    log.lines("event.taken", each)
    assert [line.split("Z info ")[1] for line in capsys.readouterr().err.splitlines()] == expected


def test_lines_go_to_standard_error_with_their_utc_time(capsys: pytest.CaptureFixture[str]) -> None:
    before = log.LOGGER.handlers[:], log.LOGGER.level, log.LOGGER.propagate
    log.start()
    log.trouble("store.full")
    log.LOGGER.handlers[:], log.LOGGER.level, log.LOGGER.propagate = before
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("Z warning store.full\n")


CHATTERING = """
import asyncio, sys
from bridge import log

async def chattering():
    for _ in range(60):
        for _ in range(100):
            log.line("said", text=sys.argv[1] * 97)
        await asyncio.sleep(0)

log.start()
asyncio.run(chattering())
"""


def test_lines_that_several_processes_write_at_once_to_one_pipe_stay_whole() -> None:
    readable, written = os.pipe()
    here = Path(__file__).parents[1]
    started = [
        subprocess.Popen([sys.executable, "-c", CHATTERING, letter], stderr=written, cwd=here) for letter in "abcd"
    ]
    os.close(written)
    with open(readable) as pipe:  # noqa: PTH123  it is no path
        lines = pipe.read().splitlines()
    assert [one.wait(60) for one in started] == [0, 0, 0, 0]
    assert len(lines) == 4 * 60 * 100
    assert {line.partition(" info ")[2] for line in lines} == {f"said text={letter * 97}" for letter in "abcd"}
