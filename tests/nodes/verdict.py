"""What must hold when all is quiet again: looked for in the database, at the upstream, and in what was answered 200."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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


BY_UPSTREAM = "of them since the upstream had not answered, told by that attempt"
BY_LOST = "of them though it had answered, told by a lost attempt"
CUT_OFF = "of them though it had answered a node that was cut off or frozen, told by that attempt"
NOT_LOST = "of them though it had answered, told by no lost attempt"
NOT_TOLD = "of them not told"
WAYS = (BY_UPSTREAM, BY_LOST, CUT_OFF, NOT_LOST, NOT_TOLD)


@dataclass(frozen=True)
class Arrivals:
    """What the upstream took, in order, doubles too; and by event, how often nobody can have heard its answer.

    `unanswered` since the upstream did not answer, or not in time; `unheard` since a node was cut off or frozen then.
    """

    taken: Sequence[Mapping[str, Any]]
    unanswered: Mapping[str, int]
    unheard: Mapping[str, int] = field(default_factory=dict)


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


def judge(ask: Ask, *, sent: set[str], acknowledged: set[str], arrivals: Arrivals) -> Verdict:
    """Every promise, by order of each event."""
    wrong = []
    events = {row[0]: (row[1], row[2]) for row in ask("SELECT id, order_id, number FROM events")}
    known = Counter(one for one, _ in events.values())
    upstream = Counter(event["event_id"] for event in arrivals.taken)
    orders = {event["event_id"]: event["properties"]["order_id"] for event in arrivals.taken}
    lost = acknowledged - set(orders.values())
    figures = {
        "acknowledged": len(acknowledged),
        "lost": len(lost),
        "webhooks doubled": _count_doubled(ask, "webhooks", "source, id"),
        "events doubled": sum(n > 1 for n in known.values()) + _count_doubled(ask, "events", "id"),
        "deliveries doubled": _count_doubled(ask, "deliveries", "event, destination"),
        "delivered again upstream": sum(n > 1 for n in upstream.values()),
        **dict.fromkeys(WAYS, 0),
    }
    for one in sorted(event for event, n in upstream.items() if n > 1):
        figures[how_told(ask, one, upstream[one], arrivals)] += 1
    wrong += [
        f"{name}: {figures[name]}" + (f", as {sorted(lost)[:3]}" if name == "lost" else "")
        for name in ("lost", "webhooks doubled", "events doubled", "deliveries doubled", NOT_LOST, NOT_TOLD)
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


def how_told(ask: Ask, event: str, times: int, arrivals: Arrivals) -> str:
    """Which of `WAYS` holds for an event that arrived so many times: each but one needs an attempt that tells it."""
    outcomes = [
        row[0]
        for row in ask(
            "SELECT a.outcome FROM attempts AS a, deliveries AS d, events AS e "
            f"WHERE e.id = '{event}' AND d.event = e.number AND d.number = ANY(a.deliveries) AND a.ambiguous"
        )
    ]
    answered = times - arrivals.unanswered.get(event, 0)
    lost = outcomes.count("lost")
    if len(outcomes) < times - 1:
        return NOT_TOLD
    if answered <= 1:
        return BY_UPSTREAM
    if lost >= answered - 1:
        return BY_LOST
    return CUT_OFF if lost >= answered - 1 - arrivals.unheard.get(event, 0) else NOT_LOST
