"""Ctrl-C reaches a command also where Python is in a callback when it arrives."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from bridge.cli.interrupts import keep_interrupts
from bridge.runtime import supervisor


class Dropped:
    """Something that can die."""


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """As in a terminal: a suite in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_in_a_callback() -> None:
    """Send SIGINT while a weak reference's callback runs, from which no exception comes out."""
    dying = Dropped()
    kept = weakref.ref(dying, lambda _: signal.raise_signal(signal.SIGINT))
    del dying
    assert kept() is None


def test_an_interrupt_in_a_callback_is_raised_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    def wait_long() -> None:
        interrupt_in_a_callback()
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt), keep_interrupts():
        wait_long()
    assert capsys.readouterr() == ("", "")


def test_anything_else_that_python_drops_is_reported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with keep_interrupts():
        dying = Dropped()
        kept = weakref.ref(dying, lambda _: os.getcwd() / 0)  # type: ignore[operator]  # noqa: PTH109
        del dying
    assert kept() is None
    assert [one.exc_type for one in reported] == [TypeError]
    assert sys.unraisablehook == reported.append


def test_no_interrupt_comes_after_the_command_has_ended() -> None:
    with keep_interrupts():
        interrupt_in_a_callback()
    time.sleep(0.2)


def test_a_signal_that_arrives_while_the_supervisor_begins_to_listen_is_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = signal.signal

    def install_and_stop(number: int, handler: object) -> object:
        before = install(number, handler)  # type: ignore[arg-type]
        if number == signal.SIGTERM and handler != before:
            signal.raise_signal(signal.SIGTERM)
        return before

    monkeypatch.setattr(signal, "signal", install_and_stop)
    with supervisor._signal_pipe() as heard:  # noqa: SLF001
        monkeypatch.undo()
        assert select.select([heard], [], [], 0)[0]
        assert supervisor._read_signals(heard) == {signal.SIGTERM}  # noqa: SLF001
