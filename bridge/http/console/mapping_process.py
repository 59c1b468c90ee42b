"""The parent's end of the mapping child: starts it when somebody asks, one question at a time, and ends it in time.

The child gets no secret: its environment has nothing of the bridge's, and no file is open in it. Where it dies or
takes too long the next question starts another.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from bridge.core.errors import BridgeError
from bridge.http.console.mapping_child import OUT_OF_MEMORY, SIZE
from bridge.http.console.mapping_trial import CheckQuestion, DraftQuestion, decode_answer

MODULE = "bridge.http.console.mapping_child"
MOST_WAITING = 4
"""Questions that wait for the one before; further ones are refused."""
_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
"""What a Python needs of the environment to start as this one did; nothing else is passed on."""
Answer = TypeVar("Answer")


class TrialFailed(BridgeError):
    """The child gave no answer; the text says why, and what can be done."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What one question may take: processor time, time, and memory."""

    seconds: float = 2.0
    patience: float = 15.0
    mebibytes: int = 256


class MappingProcess:
    """The child, where there is one. Its methods may be called from any thread."""

    def __init__(self, limits: TrialLimits = TrialLimits()) -> None:
        self._limits = limits
        self._one = threading.Lock()
        self._waiting = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int | None:
        """The child's, where there is one."""
        return None if self._child is None else self._child.pid

    async def ask(self, question: CheckQuestion | DraftQuestion, kind: type[Answer]) -> Answer:
        """The answer. Raises TrialFailed."""
        if self._waiting >= MOST_WAITING:
            raise TrialFailed("Others are trying mappings at this moment. Try again in a few seconds.")
        self._waiting += 1
        try:
            content = await asyncio.to_thread(self._ask_alone, pickle.dumps(question, pickle.HIGHEST_PROTOCOL))
            return decode_answer(content, kind)
        except ValueError:
            raise TrialFailed("What it makes cannot be shown: a value of it is no valid text.") from None
        finally:
            self._waiting -= 1

    def _ask_alone(self, content: bytes) -> bytes:
        with self._one:
            for _ in range(2):  # it may have ended just now, since nobody had asked for long
                child = self._running_child()
                answer = self._exchange(child, content)
                if answer is not None:
                    return answer
                status = child.wait()
                if status != 0:
                    raise TrialFailed(self._failure_words(status))
            raise TrialFailed(self._failure_words(0))

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        command = [sys.executable, "-P", "-m", MODULE, str(self._limits.seconds), str(self._limits.mebibytes)]
        try:
            self._child = subprocess.Popen(  # noqa: S603  this Python, and a module of ours
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError as error:
            raise TrialFailed(f"No process can be started to try it: {error.strerror}.") from None
        weakref.finalize(self, _end_child, self._child)
        return self._child

    def _exchange(self, child: subprocess.Popen[bytes], content: bytes) -> bytes | None:
        """The answer; None where the child has ended instead."""
        assert child.stdin is not None  # noqa: S101  it was started with both
        assert child.stdout is not None  # noqa: S101  the same
        timer = threading.Timer(self._limits.patience, child.kill)
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(SIZE.pack(len(content)) + content)
            child.stdin.flush()
            head = child.stdout.read(SIZE.size)
            answer = child.stdout.read(SIZE.unpack(head)[0]) if len(head) == SIZE.size else b""
        except OSError:
            answer = b""
        finally:
            timer.cancel()
        return answer or None

    def _failure_words(self, status: int) -> str:
        match status:
            case _ if status == OUT_OF_MEMORY:
                return f"It takes more than {self._limits.mebibytes} MiB of memory, so it was ended."
            case _ if status == -signal.SIGPROF:
                return f"It takes more than {self._limits.seconds:g} seconds of a core, so it was ended."
            case _ if status == -signal.SIGKILL:
                return f"It gave no answer within {self._limits.patience:g} seconds, so it was ended."
            case _:
                return (
                    "The process that tries mappings has ended. Try again; ended twice, it is a fault of trackbridge."
                )


def _end_child(child: subprocess.Popen[bytes]) -> None:
    """End it, and wait until it has ended."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # a question that it did not take is still to be written
                pipe.close()
