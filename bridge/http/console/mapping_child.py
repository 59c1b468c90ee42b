"""The child in which the console checks mappings and tries drafts: questions on standard input, answers on the output.

    python -m bridge.http.console.mapping_child SECONDS MEBIBYTES

It ends with its input, after a minute without a question, and at once where a question takes more processor time or
memory than it may: then it says nothing, and its parent knows by its exit status. It runs at the lowest priority, so
that a draft that compiles all day delays no webhook.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import select
import signal
import struct
import sys

from setproctitle import setproctitle

from bridge.core.lowest_priority import take_lowest_priority
from bridge.http.console.mapping_trial import CheckQuestion, DraftQuestion, check_file, encode_answer, try_draft
from bridge.mapping.engine.module import FUNCTION_CODES

SIZE = struct.Struct(">Q")
"""What goes before each message: its length."""
GC_THRESHOLDS = (10_000, 10, 10)
"""How seldom Python looks for garbage that refers to itself: a trial keeps a hundred thousand objects till its end."""
IDLE = 60.0
FUNCTIONS = 512
"""Functions whose code is kept, so that a draft costs what is new in it: a long mapping has 100, and 100 explain it."""
OUT_OF_MEMORY = 3
"""The exit status for more memory than it may have."""
MEBIBYTE = 2**20


def answer_question(question: CheckQuestion | DraftQuestion) -> bytes:
    """The answer as it is sent."""
    return encode_answer(check_file(question.path) if isinstance(question, CheckQuestion) else try_draft(question))


def _limit_process(mebibytes: int) -> None:
    take_lowest_priority()
    resource.setrlimit(resource.RLIMIT_AS, (mebibytes * MEBIBYTE, mebibytes * MEBIBYTE))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):  # it writes no file
        resource.setrlimit(kind, (0, 0))


def main() -> None:
    """Answer until the input ends."""
    seconds, mebibytes = float(sys.argv[1]), int(sys.argv[2])
    setproctitle("trackbridge: console-mapping-child")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which ends its input
    _limit_process(mebibytes)
    FUNCTION_CODES.most = FUNCTIONS
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    while select.select([asked], [], [], IDLE)[0] and (head := asked.read(SIZE.size)):
        question = pickle.loads(asked.read(SIZE.unpack(head)[0]))  # noqa: S301  from our own parent
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends it
        try:
            content = answer_question(question)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(SIZE.pack(len(content)))
        answers.write(content)
        answers.flush()


if __name__ == "__main__":
    main()
