"""A process that hangs is killed and started again, and what it held is taken by others.

One that starves is left alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from observed_processes import KEY, LAUNCH, is_alive, needs_proc, ready, told, track, translate_process, workers
from peers import KEY as UPSTREAM_KEY
from peers import Serving, Upstream, serving, until, upstream

from bridge.runtime.watchdog import CHECKS, STARTING, UNKNOWN, ProcessWaits, Watchdog, read_waits

SILENCE = 4
NOT_WAITING = ProcessWaits(0.0, for_disk=False)


@contextmanager
def bridged(folder: Path, settings: dict[str, str]) -> Iterator[tuple[Serving, Upstream]]:
    with upstream() as peer:
        given = {
            "BRIDGE_API_KEYS": KEY,
            "BRIDGE_TRACK_URL": peer.url,
            "BRIDGE_TRACK_KEY": UPSTREAM_KEY,
            "SERVE_TEST_SILENCE": str(SILENCE),
        }
        with serving(folder, given | settings, "--web", "2", program=LAUNCH) as bridge:
            ready(bridge)
            yield bridge, peer


WHO: dict[str, Callable[[Serving], int]] = {
    "web": lambda bridge: workers(bridge)[0],
    "worker-translate": translate_process,
}
HOW = {"stopped": signal.SIGSTOP, "blocked in Python": signal.SIGUSR1}


@needs_proc
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("who", WHO)
def test_a_process_that_hangs_is_killed_told_and_replaced(tmp_path: Path, who: str, how: str) -> None:
    with bridged(tmp_path, {}) as (bridge, peer):
        hung = WHO[who](bridge)
        os.kill(hung, HOW[how])
        [line] = until(lambda: told(bridge, "process."), what="the word of it")
        assert f"process.ended process={who}" in line
        assert f'why="it gave no heartbeat for {SILENCE} s, so it was killed" then="started again"' in line
        assert not is_alive(hung)
        ready(bridge)
        assert track(bridge, "A-1").status_code == 200
        until(peer.taken, what="the delivery")
        assert len(told(bridge, "process.")) == 1
        assert bridge.stop() == 0


@needs_proc
def test_a_process_one_of_whose_loops_hangs_is_replaced_and_the_loop_is_named(tmp_path: Path) -> None:
    with bridged(tmp_path, {"SERVE_TEST_LOOP_SILENCE": "3"}) as (bridge, _):
        hung = translate_process(bridge)
        os.kill(hung, signal.SIGUSR2)
        [line] = until(lambda: told(bridge, "process."), what="the word of it")
        assert 'process=worker-translate why="its loop translate ended no round for 3 s, so it was killed"' in line
        assert not is_alive(hung)
        ready(bridge)
        assert bridge.stop() == 0


@needs_proc
def test_nobody_is_killed_when_all_wake_up_after_a_suspension(tmp_path: Path) -> None:
    with bridged(tmp_path, {}) as (bridge, _):
        everybody = [bridge.process.pid, translate_process(bridge), *workers(bridge)]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        slept = subprocess.run(["sleep", str(SILENCE * 2)], check=True)
        assert slept.returncode == 0
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        ready(bridge)
        assert not told(bridge, "process.")
        assert bridge.stop() == 0


# ------------------------------------------------------------------------------------------------------ what counts


class Scene:
    """One process under a watchdog, on a clock and with waits that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.beat = 0
        self.waits: ProcessWaits | None = NOT_WAITING
        self.pid = 7
        self.dog = Watchdog(
            lambda _name: self.beat, silence=30.0, ticks=lambda: self.now, waits=lambda _pid: self.waits
        )

    def hangs(self) -> bool:
        return self.dog.is_hung("one", self.pid)

    def started(self) -> Scene:
        assert not self.hangs()
        self.beat += 1
        assert not self.hangs()
        return self

    def passes(self, seconds: float, *, waiting: float = 0.0) -> bool:
        """Time goes by, `waiting` of it for a processor; whether the process hangs in the end."""
        found = False
        for _ in range(round(seconds / self.dog.every)):
            self.now += self.dog.every
            if self.waits is not None:
                self.waits = ProcessWaits(
                    self.waits.for_processor + waiting / seconds * self.dog.every, self.waits.for_disk
                )
            found = self.hangs()
        return found


def test_one_that_is_silent_for_the_whole_time_hangs_and_one_that_beats_once_does_not() -> None:
    scene = Scene().started()
    assert not scene.passes(30)
    scene.beat += 1
    assert not scene.passes(30)
    assert scene.passes(10)


def test_one_that_starves_does_not_hang_however_long() -> None:
    scene = Scene().started()
    assert not scene.passes(3600, waiting=3595)
    assert scene.passes(40)


def test_one_that_waits_for_the_disk_does_not_hang_however_long() -> None:
    scene = Scene().started()
    scene.waits = ProcessWaits(0.0, for_disk=True)
    assert not scene.passes(3600)
    scene.waits = NOT_WAITING
    assert scene.passes(40)


def test_time_in_which_the_watchdog_itself_slept_does_not_count() -> None:
    scene = Scene().started()
    scene.now += 24 * 3600
    assert not scene.hangs()
    assert not scene.passes(30 - 2 * 30 / CHECKS)


def test_before_its_first_heartbeat_and_where_nothing_is_known_of_it_a_process_has_more_time() -> None:
    starting = Scene()
    assert not starting.passes(30 * STARTING - 10)
    assert starting.passes(30)
    unknown = Scene().started()
    unknown.waits = None
    assert not unknown.passes(30 * UNKNOWN - 10)
    assert unknown.passes(20)


def test_one_that_was_started_again_begins_anew() -> None:
    scene = Scene().started()
    assert scene.passes(40)
    scene.pid += 1
    assert not scene.hangs()
    assert not scene.passes(40)


@needs_proc
def test_what_linux_says_of_a_stopped_process_and_of_one_that_starves() -> None:
    core = min(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    spinning = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in spinning:
            assert one.stdout
            one.stdout.readline()
        starving, stopped = spinning[0].pid, spinning[1].pid
        first = read_waits(starving)
        assert first
        until(lambda: read_waits(starving).for_processor > first.for_processor + 0.2, what="waiting")  # type: ignore[union-attr]
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{stopped}/stat").read_text().rpartition(")")[2].split()[0] == "T", what="its stop")
        before = read_waits(stopped)
        assert read_waits(stopped) == before
        assert read_waits(2**22 + 1) is None, "there is no such process"
    finally:
        for one in spinning:
            one.kill()
            one.wait()
            assert one.stdout
            one.stdout.close()
