"""Three nodes on one PostgreSQL with a standby, a load that resends, an upstream that misbehaves, and faults at random.

    python tests/nodes/run.py --faults 300
    python tests/nodes/run.py --faults 300 --seed 7      (the same faults in the same order)
    python tests/nodes/run.py --asynchronous 3           (what failovers to an asynchronous standby lose)

One node reaches the servers through a line that is frozen and reset, one through pgbouncer under a clock that is an hour
ahead, one from a network namespace of its own. It ends with 1 where a promise did not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

HERE = Path(__file__).parent
for place in (HERE, HERE.parent, HERE.parent / "faults", HERE.parent / "bench", HERE.parent / "store"):
    if str(place) not in sys.path:  # as a script, beside the tests' own peers
        sys.path.insert(0, str(place))

from crash_run import settings_for, wall_clock  # noqa: E402
from cut_lines import Line, namespace  # noqa: E402
from cutting_proxy import cutting  # noqa: E402
from node import Node  # noqa: E402
from node_faults import FAULTS, Scene, possible_faults  # noqa: E402
from peers import HangUp, Upstream, until, upstream  # noqa: E402
from resending_load import ResendingLoad  # noqa: E402
from server_pair import running_pair  # noqa: E402
from verdict import Arrivals, Verdict, judge, wait_until_done  # noqa: E402

HOUR = 3600
LATE = 0.5
"""Seconds for an answer, beyond which a sender on a busy machine, who waits for one second in all, may not hear it."""
REQUEST = 1.0
"""Seconds that a request may take in all, by the policy that the nodes run with."""
RECOVERED = 3
"""Acknowledgements after a fault by which it is over."""


ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{"success": true'
"""The beginning of one that is cut."""


@dataclass
class Misbehaving(Upstream):
    """An upstream that is busy, broken or slow now and then, and takes events without saying so.

    `unanswered` counts, by event, the arrivals that were taken and not answered, or not in the time that a sender waits.
    """

    rng: random.Random = field(default_factory=random.Random)
    well: bool = False
    unanswered: Counter[str] = field(default_factory=Counter)

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        luck = 1.0 if self.well else self.rng.random()
        if luck < 0.02:
            return 429, {"Retry-After": "1"}, b'{"success": false, "error": "too many"}'
        if luck < 0.05:
            return 500, {}, b'{"success": false, "error": "broken"}'
        began = time.monotonic()
        answered = super().answer(headers, body)
        time.sleep(0 if self.well else self.rng.uniform(0, 0.1))  # so that many a fault comes while it is under way
        if luck < 0.07:
            time.sleep(1.5)  # longer than a request may take: it is taken, and nobody hears of it
        is_cut = 0.07 <= luck < 0.09
        if answered[0] == HTTPStatus.OK and (is_cut or time.monotonic() - began > LATE):
            with self.lock:
                self.unanswered.update(event["event_id"] for event in json.loads(body)["events"])
        if is_cut:
            raise HangUp(ANSWER[: self.rng.randrange(len(ANSWER))])
        return answered

    def count_taken_within(self, spans: Sequence[tuple[float, float]]) -> Mapping[str, int]:
        """By event, the arrivals that were taken within one of these spans of time, or a request's time beside it."""
        with self.lock:
            posted = [post for post in self.posted if post.status == HTTPStatus.OK]
        return Counter(
            event["event_id"]
            for post in posted
            if any(begins - REQUEST <= post.at <= ends + REQUEST for begins, ends in spans)
            for event in post.events
        )


@dataclass
class Counted:
    """How often a fault came, the longest time without an acknowledgement, and until the load went on after it."""

    times: int = 0
    longest_gap: float = 0.0
    slowest: float = 0.0


@contextmanager
def running_scene(folder: Path, seed: int, peer: Misbehaving, *, synchronous: bool = True) -> Iterator[Scene]:
    """The servers, the lines and the nodes, under load until the end of the block."""
    with ExitStack() as stack:
        pair = stack.enter_context(running_pair(synchronous=synchronous))
        link = stack.enter_context(namespace())
        upstream_at = stack.enter_context(cutting(peer.url, seed=seed, share=0, listen="0.0.0.0")).url
        lines = [Line(one.port) for one in (pair.primary, pair.standby)]
        for line in lines:
            line.start()
            stack.callback(line.close)
        clock = wall_clock(folder)
        clock.is_ahead(seconds=HOUR)
        servers = [pair.primary.port, pair.standby.port]
        ports = {"a": [line.port for line in lines], "b": servers, "c": servers}
        hosts = {"c": link.here} if link is not None else {}
        settings = {
            name: settings_for(upstream_at.replace("127.0.0.1", hosts.get(name, "127.0.0.1")))
            | {"BRIDGE_STORE": _url(hosts.get(name, "127.0.0.1"), ports[name]), "BRIDGE_QUEUE_PATIENCE": "3"}
            for name in ports
        }
        if pair.bouncer is not None:
            settings["b"]["BRIDGE_STORE"] = pair.bouncer.url
        settings["b"] |= clock.settings
        inside: Sequence[str] = ()
        if link is not None:
            settings["c"]["BRIDGE_HOST"] = link.there
            inside = link.program
        nodes = [Node(name, folder / name, settings[name], inside if name == "c" else ()) for name in ports]
        for node in nodes:
            node.start()
            stack.callback(node.stop)
        until(lambda: all(node.url for node in nodes), what="three nodes")
        yield Scene(pair, nodes, lines, clock, ResendingLoad(nodes, seed), random.Random(seed), link)


def _url(host: str, ports: Sequence[int]) -> str:
    hosts = ",".join(f"{host}:{port}" for port in ports)
    return f"postgresql://bridge@{hosts}/postgres?target_session_attrs=read-write"


def run_faults(
    scene: Scene, count: int, *, minutes: float = 60, only: Sequence[str] = (), shown: bool = False
) -> dict[str, Counted]:
    """So many faults, each kind once before any comes again; after each, until the load goes on."""
    figures: dict[str, Counted] = {}
    bag: list[str] = []
    ends = time.monotonic() + minutes * 60
    with scene.load.running():
        until(lambda: scene.load.so_far() > RECOVERED, what="the first acknowledgements")
        for number in range(count):
            if time.monotonic() > ends:
                break
            if not bag:
                bag = [one for one in possible_faults(scene) if one in only or not only]
                scene.rng.shuffle(bag)
            name = bag.pop()
            one = figures.setdefault(name, Counted())
            scene.load.longest_gap = 0.0
            FAULTS[name](scene)
            over, before = time.monotonic(), scene.load.so_far()
            until(lambda before=before: scene.load.so_far() >= before + RECOVERED, what=f"the load after {name}")  # type: ignore[misc]
            took = time.monotonic() - over
            one.times += 1
            one.slowest, one.longest_gap = max(one.slowest, took), max(one.longest_gap, scene.load.longest_gap)
            if shown:
                print(f"{number + 1:4} {name}: on after {took:.1f} s; {scene.load.so_far()} acknowledged", flush=True)
            time.sleep(scene.rng.uniform(0, 0.5))
    return figures


def finish(scene: Scene, peer: Misbehaving) -> Verdict:
    """Let all be done, and look whether each promise held."""
    peer.well = True
    left = wait_until_done(scene.pair.primary.ask, patience=90)
    found = judge(
        scene.pair.primary.ask,
        sent=scene.load.sent,
        acknowledged=scene.load.acknowledged,
        arrivals=Arrivals(peer.taken(), peer.unanswered, peer.count_taken_within(scene.deaf)),
    )
    faults = [f"{node.name}: {line}" for node in scene.nodes for line in node.log.splitlines() if "fault" in line]
    wrong = [*([left] if left else []), *scene.load.wrong, *found.wrong, *faults[:5]]
    return Verdict(found.figures, wrong)


def run_nodes(  # noqa: PLR0913  by name
    folder: Path, *, faults: int, seed: int, minutes: float = 60, only: Sequence[str] = (), shown: bool = False
) -> tuple[dict[str, Counted], Verdict]:
    """The whole run."""
    with upstream(peer := Misbehaving(rng=random.Random(seed))), running_scene(folder, seed, peer) as scene:
        if shown:
            print(_described(scene), flush=True)
        figures = run_faults(scene, faults, minutes=minutes, only=only, shown=shown)
        verdict = finish(scene, peer)
        if shown:
            print(f"answers: {dict(Counter(scene.load.answers))}", flush=True)
        return figures, verdict


def lose_asynchronously(folder: Path, *, seed: int, lag: float) -> Verdict:
    """One failover to an asynchronous standby that lags so many seconds behind: what was acknowledged and is gone."""
    with (
        upstream(peer := Misbehaving(rng=random.Random(seed), well=True)),
        running_scene(folder, seed, peer, synchronous=False) as scene,
    ):
        with scene.load.running():
            until(lambda: scene.load.so_far() > 200, what="acknowledgements")
            scene.pair.fail_over(lag=lag)
            before = scene.load.so_far()
            until(lambda: scene.load.so_far() > before + 20, what="acknowledgements by the new primary")
        return finish(scene, peer)


def _described(scene: Scene) -> str:
    link = "a namespace of its own" if scene.link else "no namespace: this user may not make any, cut_link is left out"
    bouncer = "pgbouncer" if scene.pair.bouncer else "no pgbouncer: it is not installed, kill_pgbouncer is left out"
    return f"node a: a line that is frozen and reset; node b: {bouncer}; node c: {link}"


def main() -> int:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=60, help="no further fault after so many")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", action="append", default=[], choices=list(FAULTS), help="only this fault; repeatable")
    parser.add_argument("--asynchronous", type=int, default=0, help="so many failovers that may lose, and nothing else")
    parser.add_argument("--lag", type=float, default=1.0, help="seconds that the asynchronous standby is behind")
    parser.add_argument("--folder", type=Path, help="where the nodes' logs stay")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        folder.mkdir(exist_ok=True)
        if options.asynchronous:
            for number in range(options.asynchronous):
                (place := folder / str(number)).mkdir()
                verdict = lose_asynchronously(place, seed=options.seed + number, lag=options.lag)
                print(", ".join(f"{name}: {value}" for name, value in verdict.figures.items()), flush=True)
            return 0
        began = time.monotonic()
        figures, verdict = run_nodes(
            folder, faults=options.faults, seed=options.seed, minutes=options.minutes, only=options.only, shown=True
        )
    print(f"{'fault':30} times  longest without a 200  slowest to go on")
    for name, one in sorted(figures.items()):
        print(f"{name:30} {one.times:5}  {one.longest_gap:19.1f} s  {one.slowest:14.1f} s")
    for name, value in verdict.figures.items():
        print(f"{name}: {value}")
    for sentence in verdict.wrong:
        print(f"WRONG: {sentence}")
    total = sum(one.times for one in figures.values())
    print(f"{total} faults in {time.monotonic() - began:.0f} s, seed {options.seed}")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
