"""What every part stands on: a folder, the programs, the floor, and loads that never use a number twice.

Not concerned with what the parts measure.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import made_up
import native
import servers
from load import Pace, Seen, Work, load
from servers import API_KEY, SECRET, Server, Sink

FIRST_NUMBER = 7_000_000_000_000_000
NUMBERS_A_LOAD = 100_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What the caller chose."""

    rounds: int = 5
    connections: tuple[int, ...] = (32, 64, 128)
    seconds: float = 3
    offered_seconds: float = 60
    webhooks: int = 1_000_000
    cache: Path | None = None


class Ground:
    """The places and the processes of one run."""

    def __init__(self, folder: Path, plan: Plan, stack: ExitStack) -> None:
        self.folder = folder
        self.plan = plan
        self.programs = native.compiled(folder)
        self._stack = stack
        self._floor: Server | None = None
        self._count = 0
        order, event = folder / "order.json", folder / "event.json"
        order.write_bytes(made_up.order())
        event.write_bytes(made_up.event())
        self.webhook = Work("/webhooks/shopify", order, secret=SECRET)
        self.track = Work("/v1/track", event, key=API_KEY)
        self.batch = Work("/v1/track/batch", event, key=API_KEY, events=100)

    def floor(self) -> Server:
        """The bare server; one for the whole run."""
        if self._floor is None:
            self._floor = self._stack.enter_context(servers.floor())
        return self._floor

    def place(self) -> Path:
        """A fresh folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        """A sink with a fresh file."""
        with servers.sink(self.programs["sink"], self.place() / "taken") as sink:
            yield sink

    @contextmanager
    def bridge(
        self, *, workers: int | None = None, more: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Server, Sink, Path]]:
        """A bridge on a fresh store, with `more` settings, delivering to a fresh sink; the folder goes at the end."""
        folder = self.place()
        with (
            self.sink() as sink,
            servers.bridge(folder, servers.settings(sink) | dict(more or {}), workers=workers) as bridge,
        ):
            yield bridge, sink, folder
        shutil.rmtree(folder)

    def load(self, server: Server, work: Work, pace: Pace) -> Seen:
        """A load with numbers of its own, and nothing refused."""
        return self.try_load(server, work, pace).all_taken()

    def try_load(self, server: Server, work: Work, pace: Pace) -> Seen:
        """A load with numbers of its own, whatever is answered."""
        first = FIRST_NUMBER + self._count * NUMBERS_A_LOAD
        self._count += 1
        acknowledged = self.folder / f"acknowledged-{self._count}"
        return load(self.programs["load"], server.port, work, pace, first=first, acknowledged=acknowledged)

    def pace(self, connections: int) -> Pace:
        """As fast as answers come, for as long as the plan says."""
        return Pace(connections, self.plan.seconds)

    def ceiling(self, connections: int) -> Seen:
        """What the generator can do at most: signed webhooks to a C program that answers them unread."""
        with self.sink() as sink:
            return self.load(sink, replace(self.webhook, path="/nothing"), self.pace(connections))


@contextmanager
def ground(plan: Plan, *, folder: Path | None) -> Iterator[Ground]:
    """A ground in a temporary folder (in `folder`, where one is given), which goes at the end."""
    with tempfile.TemporaryDirectory(prefix="trackbridge-bench-", dir=folder) as made, ExitStack() as stack:
        yield Ground(Path(made), plan, stack)


def tell(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)
