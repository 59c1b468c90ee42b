"""The supervisor: forks its children, restarts those that died, passes reloads on, and ends after all of them.

It sleeps until a signal or a message of a child arrives.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn, Protocol

from setproctitle import setproctitle

from bridge.core import log
from bridge.core.errors import BridgeError
from bridge.runtime.control_channel import ControlChannel, open_channel
from bridge.runtime.watchdog import Watchdog

RESTART_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before one that died is started again, by how often it died; then always the last."""
STEADY_AFTER = 60.0
"""Seconds of life after which earlier deaths no longer count."""
STOP_TIMEOUT = 45.0
"""Seconds after which a child that should stop and has not is killed: longer than any grace period."""
READY, TAKEN, REFUSED, FAILED, HANGS = "ready", "taken", "refused", "failed", "hangs"
"""Messages of a child: it is ready; it took that reload, or refused it; why it cannot start; which loop hangs."""
RELOAD = "reload"
"""A child's message: a file was changed by it, so all are to reload."""
FOLLOW = "follow"
"""The supervisor's message: do the reload of that number."""
TITLE = "trackbridge: "
"""How the title of each process begins, as `ps` shows it; its role follows."""
STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Demand(Protocol):
    """Those who wait for a process that is started when it is needed."""

    def fileno(self) -> int:
        """A descriptor, which is readable while somebody waits."""
        ...

    def close_waiting(self) -> None:
        """Tell all who wait that it is not started now."""
        ...


@dataclass(slots=True)
class ChildProcess:
    """One child; `run` is what its process does, until stopped by SIGTERM or the end of the channel.

    With a `demand` it is started when somebody waits for it, and the others do without it.
    """

    name: str
    run: Callable[[ControlChannel], None]
    demand: Demand | None = None
    pid: int = 0
    line: ControlChannel | None = None
    began: float = 0.0
    again_at: float | None = None
    deaths: int = 0
    was_ready: bool = False
    why: str = ""
    hangs: str = ""
    reload: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class SupervisorHooks:
    """What the parent does for its children beside watching them.

    `ready` is called once all are ready for the first time, `mark` when one is up or no longer, `ending` before they
    are stopped; `reload` returns whether there is something new for the children to load, and logs why not; `changed`,
    where given, is asked every `every` seconds whether to reload. Whoever hangs by the `watchdog`, where there is one,
    is killed, and so started again.
    """

    ready: Callable[[], None]
    mark: Callable[[ChildProcess, bool], None]
    ending: Callable[[], None]
    reload: Callable[[], bool]
    changed: Callable[[], bool] | None = None
    every: float = 0.5
    watchdog: Watchdog | None = None


class Supervisor:
    """`run` returns when all children have ended as they should: False where some had to be killed.

    `name` is its own, as `ps` shows it.
    """

    def __init__(self, children: Sequence[ChildProcess], care: SupervisorHooks, *, name: str = "supervisor") -> None:
        self._name = name
        self._children = children
        self._care = care
        self._told_ready = False
        self._reload = 0
        self._told_reload = 0
        self._is_reload_asked = False
        self._stop_by: float | None = None
        self._killed = False
        self._failure: str | None = None

    def run(self) -> bool:
        """Raises BridgeError with the words of a child that could not start for the first time."""
        setproctitle(f"{TITLE}{self._name}")
        with _signal_pipe() as wakeful:
            for child in self._children:
                if self._stop_by is None and child.demand is None:
                    self._fork_child(child)
            while any(child.pid for child in self._children) or self._stop_by is None:
                self._wait_for_signal(wakeful)
                numbers = _read_signals(wakeful)
                if numbers & STOPS:
                    self._stop_children()
                for child in self._children:
                    self._receive_from(child)
                self._kill_hung()
                self._reap_children()
                if signal.SIGHUP in numbers or self._is_reload_asked or self._has_changed():
                    self._is_reload_asked = False
                    self._reload_all()
                self._restart_due()
                self._start_needed()
                self._report_progress()
        if self._failure is not None:
            raise BridgeError(self._failure)
        return not self._killed

    # ------------------------------------------------------------------------------------------------ life and death

    def _fork_child(self, child: ChildProcess) -> None:
        child.again_at, child.why, child.reload, child.refused = None, "", self._reload, False
        child.hangs = ""
        child.began = time.monotonic()
        ours, theirs = open_channel()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # a log that cannot be written must not end the parent
                stream.flush()
        with _signals_blocked():
            try:
                child.pid = os.fork()
            except OSError as error:
                ours.close()
                theirs.close()
                self._schedule_restart(child, f"it could not be started: {error.strerror}")
                return
            if not child.pid:
                ours.close()
                self._run_child(child, theirs)
        theirs.close()
        child.line = ours

    def _run_child(self, child: ChildProcess, theirs: ControlChannel) -> NoReturn:
        """The child's life, from the fork to its end."""
        status = 1
        try:
            setproctitle(f"{TITLE}{child.name}")
            log.name_process(child.name)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's are for the parent, which hands them on
                signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for sibling in self._children:
                if sibling.line is not None:
                    sibling.line.close()
            child.run(theirs)
            status = 0
        except BridgeError as error:
            theirs.send_message(f"{FAILED} {error}")
        except Exception as error:  # noqa: BLE001  no traceback reaches a user
            theirs.send_message(f"{FAILED} a fault of trackbridge itself ({type(error).__name__}); report it")
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _kill_hung(self) -> None:
        """Kill children that hang; they are then logged and restarted as any other."""
        watchdog = self._care.watchdog
        if watchdog is None or self._stop_by is not None:
            return
        for child in self._children:
            if child.pid and watchdog.is_hung(child.name, child.pid):
                reason = child.hangs or f"it gave no heartbeat for {watchdog.silence:.0f} s"
                child.why = f"{reason}, so it was killed"
                os.kill(child.pid, signal.SIGKILL)

    def _reap_children(self) -> None:
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._receive_from(child)
                child.pid = 0
                if child.line is not None:
                    child.line.close()
                    child.line = None
                self._schedule_restart(child, child.why or _exit_cause(status))

    def _schedule_restart(self, child: ChildProcess, why: str) -> None:
        self._care.mark(child, False)  # noqa: FBT003  two words say it all
        if self._stop_by is not None:
            return
        if not child.was_ready and child.demand is None:
            self._failure = child.why or f"the process {child.name} did not start: {why}"
            self._stop_children()
            return
        now = time.monotonic()
        child.deaths = 1 if now - child.began > STEADY_AFTER else child.deaths + 1
        pause = RESTART_DELAYS[min(child.deaths, len(RESTART_DELAYS)) - 1]
        child.again_at = now + pause
        then = "started again" if child.demand is None else "started again when it is needed"
        then += f" in {pause:.0f} s" if pause and child.demand is None else ""
        log.log_warning("process.ended", process=child.name, why=why, then=then)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if self._stop_by is None and child.again_at is not None and child.again_at <= now:
                child.again_at = None
                if child.demand is None:
                    self._fork_child(child)

    def _start_needed(self) -> None:
        """Start what is started when it is needed, unless it died a moment ago."""
        for child in self._children:
            if child.demand is None or child.pid or not _is_readable(child.demand):
                continue
            if self._stop_by is None and child.again_at is None:
                self._fork_child(child)
            else:
                child.demand.close_waiting()

    def _stop_children(self) -> None:
        """Stop all children; once."""
        if self._stop_by is not None:
            return
        self._stop_by = time.monotonic() + STOP_TIMEOUT
        self._care.ending()
        for child in self._children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)

    # ------------------------------------------------------------------------------------------------------- waiting

    def _wait_for_signal(self, wakeful: int) -> None:
        """Until something is to be done."""
        poll = select.poll()
        poll.register(wakeful, select.POLLIN)
        for child in self._children:
            if child.line is not None:
                poll.register(child.line, select.POLLIN)
            if child.demand is not None and not child.pid:
                poll.register(child.demand, select.POLLIN)
        moments = [child.again_at for child in self._children if child.again_at is not None]
        if self._stop_by is not None:
            moments = [self._stop_by]
        else:
            moments += [time.monotonic() + seconds for seconds in self._seconds_to_next_check()]
        seconds = min(moments) - time.monotonic() if moments else None
        poll.poll(None if seconds is None else max(0.0, seconds * 1000) + 1)
        if self._stop_by is not None and time.monotonic() >= self._stop_by:
            self._end_it()

    def _seconds_to_next_check(self) -> Iterator[float]:
        """The seconds after which there is something to look at."""
        if self._care.changed is not None:
            yield self._care.every
        if self._care.watchdog is not None:
            yield self._care.watchdog.every

    def _end_it(self) -> None:
        for child in self._children:
            if child.pid:
                log.log_warning("process.killed", process=child.name, why=f"it did not end within {STOP_TIMEOUT:.0f} s")
                os.kill(child.pid, signal.SIGKILL)
        self._killed = True
        self._stop_by = time.monotonic() + STOP_TIMEOUT

    def _receive_from(self, child: ChildProcess) -> None:
        if child.line is None:
            return
        sentences, there = child.line.receive_messages()
        for sentence in sentences:
            word, _, rest = sentence.partition(" ")
            if word == READY:
                child.was_ready = True
                self._care.mark(child, True)  # noqa: FBT003  two words say it all
            elif word == FAILED:
                child.why = rest
            elif word == HANGS:
                child.hangs = rest
            elif word == RELOAD:
                self._is_reload_asked = True
            elif word in {TAKEN, REFUSED}:
                child.reload, child.refused = int(rest), word == REFUSED
        if not there:  # it is ending, which a signal will say
            child.line.close()
            child.line = None

    # -------------------------------------------------------------------------------------------------------- telling

    def _has_changed(self) -> bool:
        """Whether a file that is watched has changed, if any is."""
        return self._care.changed is not None and self._care.changed()

    def _reload_all(self) -> None:
        if self._stop_by is not None or not self._care.reload():
            return
        self._reload += 1
        for child in self._children:
            if child.line is not None:
                child.line.send_message(f"{FOLLOW} {self._reload}")

    def _report_progress(self) -> None:
        """What all have done, once it is done."""
        if self._stop_by is not None:
            return
        if not self._told_ready and all(child.was_ready for child in self._children if child.demand is None):
            self._told_ready = True
            self._care.ready()
        if self._told_reload < self._reload and all(
            child.reload >= self._reload for child in self._children if child.pid
        ):
            self._told_reload = self._reload
            refused = [child.name for child in self._children if child.refused]
            if refused:
                log.log_warning("reload.uneven", kept_the_old=",".join(refused), mend="send SIGHUP again")
            else:
                log.log_line("reload.taken")


def _is_readable(one: Demand) -> bool:
    poll = select.poll()
    poll.register(one, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _signal_pipe() -> Iterator[int]:
    """Readable when a signal arrived; each is its number."""
    readable, written = os.pipe()
    for end in (readable, written):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)  # first: a signal between the two would be lost
    before = {number: signal.signal(number, lambda *_: None) for number in _HEARD}
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(written)


def _read_signals(wakeful: int) -> set[int]:
    try:
        return set(os.read(wakeful, 65536))
    except BlockingIOError:
        return set()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Signals wait: one that arrived just after the fork would be handled by the wrong process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exit_cause(status: int) -> str:
    """How a process ended, in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(ValueError):
            return f"killed by {signal.Signals(number).name}"
        return f"killed by signal {number}"
    return f"ended with status {os.WEXITSTATUS(status)}"
