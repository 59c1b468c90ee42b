"""Webhooks at a steady pace while the console is used: what a webhook's p99 is then, and what it is without.

Ten viewers have the live list open, each of which asks every second, and one person's playground compiles a draft in a
loop: each draft is another text, so that none was compiled before. Calm and watched rounds take turns on one bridge,
and which comes first alternates, so that what the machine does meanwhile meets both. All webhooks must be in the store.
The viewers and the writer stand for people at other machines. They share the cores of this one, and take only what
nobody else wants: else they would delay the generator, too.
"""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import truth
import visitor
from figures import Figure, Rounds
from goals import WATCHED
from ground import Ground, tell
from load import Pace, Seen
from servers import Server
from wrong import hold

from bridge.core.lowest_priority import take_lowest_priority

OFFERED = 200
"""Webhooks a second."""
CONNECTIONS = 32
VIEWERS = 10
POLL = 1.0
"""Seconds between two questions of an open list, as the page has it."""
_PLAYGROUND = "/ui/mappings/shopify/try"


@dataclass
class Used:
    """What the people did: answers of the live list, and drafts that were compiled."""

    polls: int = 0
    drafts: int = 0


def measured(ground: Ground) -> list[Figure]:
    """Calm and watched, in turns."""
    rounds, pace = Rounds(), Pace(CONNECTIONS, ground.plan.offered_seconds, warm=2, rate=OFFERED)
    seen: list[Seen] = []
    with ground.bridge(more=visitor.SETTINGS) as (bridge, _, folder):
        for number in range(ground.plan.rounds):
            tell(f"watched: round {number + 1}")
            measures: list[Callable[[], Seen]] = [lambda: _calm(ground, bridge, pace, rounds)]
            measures.insert(number % 2, lambda: _watched(ground, bridge, pace, rounds))
            both = [measure() for measure in measures]
            seen += both
            watched, calm = both if number % 2 == 0 else reversed(both)
            rounds.add(WATCHED, "", watched.p99_ms / calm.p99_ms)
        bridge.stop()
        truth.webhooks_kept(folder, *seen)
    return rounds.figures()


def _calm(ground: Ground, bridge: Server, pace: Pace, rounds: Rounds) -> Seen:
    seen = ground.load(bridge, ground.webhook, pace)
    _add(rounds, "calm", seen)
    return seen


def _watched(ground: Ground, bridge: Server, pace: Pace, rounds: Rounds) -> Seen:
    with _people(bridge.port) as used:
        seen = ground.load(bridge, ground.webhook, pace)
    _add(rounds, "watched", seen)
    hold(used.drafts > 0 and used.polls > 0, f"nobody used the console: {used}")
    rounds.add("watched: drafts compiled", "1/s", used.drafts / pace.seconds)
    rounds.add("watched: answers of the live list", "1/s", used.polls / pace.seconds)
    return seen


def _add(rounds: Rounds, name: str, seen: Seen) -> None:
    rounds.add(f"watched: {name}: p50", "ms", seen.p50_ms)
    rounds.add(f"watched: {name}: p99", "ms", seen.p99_ms)


@contextmanager
def _people(port: int) -> Iterator[Used]:
    """Ten who look and one who writes, until the end of the block; raises what went wrong for one of them."""
    used, ended = Used(), threading.Event()
    with ThreadPoolExecutor(VIEWERS + 1) as pool:
        acts: list[Future[None]] = [pool.submit(_view, port, used, ended) for _ in range(VIEWERS)]
        acts.append(pool.submit(_write, port, used, ended))
        try:
            yield used
        finally:
            ended.set()
        for each in acts:
            each.result()


def _view(port: int, used: Used, ended: threading.Event) -> None:
    """Have the live list open."""
    take_lowest_priority()
    one, newest = visitor.Visitor(port), "~0"
    while not ended.wait(POLL):
        newest = one.poll(newest)
        used.polls += 1
    one.close()


def _write(port: int, used: Used, ended: threading.Event) -> None:
    """Change a draft again and again, each time as soon as the last one was answered."""
    take_lowest_priority()
    one = visitor.Visitor(port)
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", one.get(_PLAYGROUND), re.DOTALL)
    hold(found is not None, "the playground has no text")
    draft = html.unescape(found[1]) if found else ""
    while not ended.is_set():
        page = one.post(_PLAYGROUND, {"draft": f"{draft}# {used.drafts}\n", "state": "translated", "source": "shopify"})
        hold("others change" in page or "change</b>" in page, "a draft was not tried")
        used.drafts += 1
    one.close()
