"""How long each page of the console takes on a store that has grown, as a person waits for it.

A hundred views of each page, one after the other, over one connection; told is the 95th percentile, of an idle bridge.
Searches are typed: for an order in the middle, and for a text that no body has, which looks as far back as a search does. The playground has
no goal of its own: its child translates a hundred webhooks by the draft and by the mapping in use.
Not concerned with browsers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import quantiles
from time import monotonic, perf_counter
from urllib.parse import urlencode

import filled
import servers
from figures import Figure, Rounds
from ground import FIRST_NUMBER, Ground, tell
from visitor import SETTINGS, Visitor
from wrong import hold

from bridge.store.engines import open_store

VIEWS = 100
FILLING = 3_600.0
"""Seconds that filling may take; what was not kept then is told."""
ASIDE_EVERY = 1000
_TRY = "/ui/mappings/shopify/try"
_NOWHERE = "find a text that is in no body"
_NOBODY = {"BRIDGE_TRACK_URL": "http://127.0.0.1:9", "BRIDGE_TRACK_KEY": "upstream-key", "BRIDGE_TRACK_RATE": "0"}


def measured(ground: Ground) -> list[Figure]:
    """Fill a store, serve it, look at each page."""
    rounds = Rounds()
    folder = ground.place()
    count, took = asyncio.run(_fill(folder, ground.plan.webhooks))
    rounds.add("console: webhooks kept", "", count)
    rounds.add("console: filled", "webhooks/s", count / took)
    with servers.bridge(folder, servers.settings(None) | _NOBODY | SETTINGS) as bridge:
        visitor = Visitor(bridge.port)
        pages, words = _pages(visitor, count), _words(count)
        for number in range(ground.plan.rounds):
            tell(f"console: round {number + 1}")
            for name, path in pages.items():
                rounds.add(f"console: {name}, p95", "ms", _watched(partial(visitor.get, path)))
            rounds.add(
                "playground: p95, on as many as were set aside, at most 100", "ms", _watched(partial(visitor.get, _TRY))
            )
            for name, typed in words.items():
                rounds.add(f"console: {name}, p95", "ms", _watched(partial(visitor.post, "/ui/find", {"what": typed})))
        tell(f"console: {_looked(visitor.post('/ui/find', {'what': words[_NOWHERE]}))}")
        visitor.close()
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


def _pages(visitor: Visitor, count: int) -> Mapping[str, str]:
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
        "mappings": "/ui/mappings",
    }


def _words(count: int) -> Mapping[str, str]:
    """What is typed into the search."""
    return {
        "find an order by its id": f"{FIRST_NUMBER + count // 2 + 2:016d}",
        "find a webhook by its id": f"wh_{count // 2 + 2}",
        _NOWHERE: "a text that is in no body",
    }


def _looked(page: str) -> str:
    """How far a search says that it looked."""
    found = re.search(r"(All that is kept was looked at|The newest [0-9,]+ events and)[^<]*", page)
    hold(found is not None, "a search that found nothing does not say how far it looked")
    return found[0] if found else ""


def _watched(act: Callable[[], str]) -> float:
    """The 95th percentile of doing it again and again, in milliseconds."""
    took = []
    for _ in range(VIEWS):
        began = perf_counter()
        act()
        took.append((perf_counter() - began) * 1000)
    return quantiles(took, n=20)[-1]
