"""How long each page of the console takes on a store that has grown, as a person waits for it.

A hundred views of each page, one after the other, over one connection; told is the 95th percentile, of an idle bridge.
Not concerned with browsers.
"""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter
from urllib.parse import urlencode

import filled
import servers
from figures import Figure, Rounds
from ground import Ground, tell
from wrong import hold

from bridge.store.engines import open_store

KEY = "a-made-up-console-key-of-the-bench"
VIEWS = 100
FILLING = 3_600.0
"""Seconds that filling may take; what was not kept then is told."""
ASIDE_EVERY = 1000
_SETTINGS = {"BRIDGE_CONSOLE_KEYS": f"bench:look:{KEY}"}
_NOBODY = {"BRIDGE_TRACK_URL": "http://127.0.0.1:9", "BRIDGE_TRACK_KEY": "upstream-key", "BRIDGE_TRACK_RATE": "0"}


def measured(ground: Ground) -> list[Figure]:
    """Fill a store, serve it, look at each page."""
    rounds = Rounds()
    folder = ground.place()
    count, took = asyncio.run(_fill(folder, ground.plan.webhooks))
    rounds.add("console: webhooks kept", "", count)
    rounds.add("console: filled", "webhooks/s", count / took)
    with servers.bridge(folder, servers.settings(None) | _NOBODY | _SETTINGS) as bridge:
        visitor = _Visitor(bridge.port)
        visitor.log_in()
        pages = _pages(visitor, count)
        for number in range(ground.plan.rounds):
            tell(f"console: round {number + 1}")
            for name, path in pages.items():
                rounds.add(f"console: {name}, p95", "ms", visitor.watch(path))
        bridge.stop()
    return rounds.figures()


async def _fill(folder: Path, webhooks: int) -> tuple[int, float]:
    store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
    began = monotonic()
    try:
        filler = filled.Filler(store, aside_every=ASIDE_EVERY)
        count = await filler.fill(webhooks, seconds=FILLING, what="console")
    finally:
        await store.close()
    return count, monotonic() - began


def _pages(visitor: _Visitor, count: int) -> Mapping[str, str]:
    """What is looked at: each kind of page, lists as they open and filtered, searches, one row from the middle."""
    middle = f"wh_{count // 2 + 2}"  # the one before it may have been set aside
    found = re.search(r"/ui/events/([^\"/?]+)\"", visitor.get(f"/ui/webhooks/{middle}"))
    hold(found is not None, f"the page of {middle} names no event")
    return {
        "home": "/ui/",
        "webhooks": "/ui/webhooks",
        "webhooks set aside": "/ui/webhooks?state=set_aside",
        "webhooks of a week": "/ui/webhooks?since=7d",
        "webhooks, older": f"/ui/webhooks?before={middle}",
        "webhooks of a topic that none has": "/ui/webhooks?" + urlencode({"topic": "orders/none"}),
        "events": "/ui/events",
        "events that are duplicates": "/ui/events?state=duplicate",
        "one webhook": f"/ui/webhooks/{middle}",
        "one event": f"/ui/events/{found[1] if found else ''}",
        "needs you": "/ui/needs",
        "sources": "/ui/sources",
        "destinations": "/ui/destinations",
        "actions": "/ui/actions",
    }


class _Visitor:
    """Somebody who looks, with a session."""

    def __init__(self, port: int) -> None:
        self._host = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookie = ""

    def log_in(self) -> None:
        """With the key."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        self._host.request("POST", "/ui/login", urlencode({"key": KEY}), headers)
        answer = self._host.getresponse()
        answer.read()
        hold(answer.status == 303, f"logging in was answered {answer.status}")
        self._cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def get(self, path: str) -> str:
        """A page's HTML."""
        self._host.request("GET", path, headers={"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin"})
        answer = self._host.getresponse()
        text = answer.read().decode()
        hold(answer.status == 200, f"{path} was answered {answer.status}")
        return text

    def watch(self, path: str) -> float:
        """The 95th percentile of its views, in milliseconds."""
        took = []
        for _ in range(VIEWS):
            began = perf_counter()
            self.get(path)
            took.append((perf_counter() - began) * 1000)
        return quantiles(took, n=20)[-1]
