"""What must hold when all is quiet again: looked for in the database, at the upstream, and in what was answered 200."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

Ask = Callable[[str], list[tuple[Any, ...]]]
LEFT = """
    SELECT (SELECT count(*) FROM unapplied) * 3 + (SELECT count(*) FROM webhooks WHERE state = 'received') * 2
        + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM claims)
"""
COUNTED = """
    SELECT of, state, sum(n)::bigint FROM (
        SELECT of, at, state, n FROM counts
        UNION ALL SELECT one.* FROM count_changes AS c,
            unnest(c.of, c.at, c.state, c.n) AS one (of, at, state, n)
    ) AS all_counts WHERE of IN ('webhooks', 'deliveries', 'events') AND at = 0 GROUP BY 1, 2 HAVING sum(n) <> 0
"""
ROWS = """
    SELECT 'webhooks', state, count(*) FROM webhooks GROUP BY 2
    UNION ALL SELECT 'deliveries', state, count(*) FROM deliveries GROUP BY 2
    UNION ALL SELECT 'events', CASE WHEN duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END, count(*) FROM events
        GROUP BY 2
"""


@dataclass(frozen=True)
class Verdict:
    """What was found. `wrong` has a sentence for each promise that did not hold."""

    figures: Mapping[str, int]
    wrong: Sequence[str]


def wait_until_done(ask: Ask, *, patience: float) -> str | None:
    """Until nothing is left to translate or deliver; returns what is left where nothing of it is done for so long."""
    least, deadline = sys.maxsize, time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            left = int(ask(LEFT)[0][0])
        except psycopg.Error:
            left = sys.maxsize
        if left == 0:
            return None
        if left < least:
            least, deadline = left, time.monotonic() + patience
        time.sleep(0.1)
    return f"{least} steps are left, and none was taken for {patience:.0f} s"


def judge(ask: Ask, *, sent: set[str], acknowledged: set[str], taken: Sequence[Mapping[str, Any]]) -> Verdict:
    """Every promise, by order of each event."""
    wrong = []
    events = {row[0]: (row[1], row[2]) for row in ask("SELECT id, order_id, number FROM events")}
    known = Counter(one for one, _ in events.values())
    upstream = Counter(event["event_id"] for event in taken)
    orders = {event["event_id"]: event["properties"]["order_id"] for event in taken}
    lost = acknowledged - set(orders.values())
    figures = {
        "acknowledged": len(acknowledged),
        "lost": len(lost),
        "webhooks doubled": _count_doubled(ask, "webhooks", "source, id"),
        "events doubled": sum(n > 1 for n in known.values()) + _count_doubled(ask, "events", "id"),
        "deliveries doubled": _count_doubled(ask, "deliveries", "event, destination"),
        "delivered again upstream": sum(n > 1 for n in upstream.values()),
        "of them told by a lost attempt": 0,
        "of them told by another attempt without an answer": 0,
        "of them not told": 0,
    }
    for one in sorted(event for event, n in upstream.items() if n > 1):
        figures[f"of them {_how_told(ask, one)}"] += 1
    wrong += [
        f"{name}: {figures[name]}" + (f", as {sorted(lost)[:3]}" if name == "lost" else "")
        for name in ("lost", "webhooks doubled", "events doubled", "deliveries doubled", "of them not told")
        if figures[name]
    ]
    if invented := set(orders.values()) - sent:
        wrong.append(f"invented: {sorted(invented)[:3]}")
    if missing := set(events) ^ set(orders):
        wrong.append(f"the database and the upstream know different events: {sorted(missing)[:3]} of {len(missing)}")
    for name, query in (
        ("webhooks that made no event", "SELECT count(*) FROM webhooks WHERE state <> 'translated'"),
        ("deliveries that ended otherwise", "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"),
        ("events without a delivery",
         "SELECT count(*) FROM events WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE event = events.number)"),
    ):  # fmt: skip
        if count := ask(query)[0][0]:
            wrong.append(f"{name}: {count}")
    if (counted := sorted(ask(COUNTED))) != (rows := sorted(ask(ROWS))):
        wrong.append(f"the counts say {counted}, the rows {rows}")
    return Verdict(figures, wrong)


def _count_doubled(ask: Ask, table: str, columns: str) -> int:
    query = f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {columns} HAVING count(*) > 1) AS doubled"
    return int(ask(query)[0][0])


def _how_told(ask: Ask, event: str) -> str:
    """By which attempt that got no answer an event's second arrival is told."""
    outcomes = {
        row[0]
        for row in ask(
            "SELECT a.outcome FROM attempts AS a, deliveries AS d, events AS e "
            f"WHERE e.id = '{event}' AND d.event = e.number AND d.number = ANY(a.deliveries) AND a.ambiguous"
        )
    }
    if "lost" in outcomes:
        return "told by a lost attempt"
    return "told by another attempt without an answer" if outcomes else "not told"
