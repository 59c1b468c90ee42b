"""One load on one server, by the C generator, and what it saw. Not concerned with what the server then has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wrong import hold

OK = 200


@dataclass(frozen=True, slots=True)
class Work:
    """What is sent: to which path, made of which template file, signed or with a key; `events` of a batch."""

    path: str
    template: Path
    secret: str | None = None
    key: str | None = None
    events: int = 0
    hex: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the generator saw. `rate` is answers a second; `cpu` the share of one core that the generator took."""

    sent: int
    answered: int
    broken: int
    unanswered: int
    statuses: dict[int, int]
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    cpu: float
    first: int
    ids: int
    acknowledged: Path

    def numbers(self) -> Iterator[int]:
        """Every number that was answered 200."""
        with self.acknowledged.open() as lines:
            yield from map(int, lines)

    def all_taken(self) -> Seen:
        """Itself; raises WrongAnswer where a request was refused, broken or not answered."""
        refused = {status: count for status, count in self.statuses.items() if status != OK}
        hold(not refused, f"answers that are not 200: {refused}")
        hold(self.sent == self.answered, f"{self.sent} sent, {self.answered} answered, {self.broken} broken")
        hold(self.answered > 0, "nothing was answered")
        return self


@dataclass(frozen=True, slots=True)
class Pace:
    """How it is sent: over how many connections, for how long, and how many a second (0: as fast as answers come).

    `warm` seconds come first and are not counted; `count` ends it sooner.
    """

    connections: int
    seconds: float
    warm: float = 0.5
    rate: float = 0
    count: int = 0
    grace: float = 15


def load(  # noqa: PLR0913  what a load is, by name
    program: Path, port: int, work: Work, pace: Pace, *, first: int, acknowledged: Path
) -> Seen:
    """Send it. The numbers begin at `first`; those that were answered 200 go to the file `acknowledged`."""
    words = [str(program), "--port", str(port), "--path", work.path, "--template", str(work.template)]
    words += ["--connections", str(pace.connections), "--seconds", str(pace.seconds), "--warm", str(pace.warm)]
    words += ["--rate", str(pace.rate), "--count", str(pace.count), "--grace", str(pace.grace)]
    words += ["--first", str(first), "--acknowledged", str(acknowledged), "--events", str(work.events)]
    words += ["--secret", work.secret] if work.secret else []
    words += ["--key", work.key] if work.key else []
    words += ["--hex"] if work.hex else []
    ended = subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True, timeout=pace.warm + pace.seconds + pace.grace + 30
    )
    said = json.loads(ended.stdout)
    statuses = {int(status): count for status, count in said.pop("statuses").items()}
    said.pop("seconds")
    return Seen(**said, statuses=statuses, first=first, ids=max(1, work.events), acknowledged=acknowledged)
