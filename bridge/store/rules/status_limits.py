"""How long the signs that `status` shows are kept, and how many rows it reads: the same in every engine."""

from __future__ import annotations

from datetime import timedelta

REFUSALS_KEPT = timedelta(days=30)
"""How long the last refused request of a cause is remembered."""
MOST_REFUSALS = 1000
HEARTBEATS_KEPT = timedelta(days=7)
"""How long a process that gives no sign is remembered: each container has a node name of its own."""
LIVING = timedelta(seconds=30)
"""How long a process without a new sign of life counts as one that runs."""
MOST_PRIVACY_REQUESTS = 1000
MOST_DOUBTED = 100
NEWEST_OUTCOMES = 5000
"""Webhooks, and events, of which `status` says what became of them: some 20 ms, however much is kept."""
MOST_NAMED = 5
"""How many events of a kind are named; `list events --state` has all of them."""
NEWEST_OF_SOURCE = 1000
"""How many of a source's newest events are read to see whether all of them are tests."""
