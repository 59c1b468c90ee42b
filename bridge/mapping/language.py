"""The names that the mapping language defines: its roots, their fields, and what a name may be."""

from __future__ import annotations

import re

ROOTS = ("body", "headers", "query", "webhook", "source", "request")
EARLIER = "earlier"
"""The root of a rule with `recall`: the event that it finds, null where there is none."""


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What can be a name: an identifier of JMESPath."""


WEBHOOK = ("id", "topic", "received_at", "occurred_at", "account", "test")


SOURCE = ("name", "vars")


Path = tuple[str, ...]


SOFT = frozenset({("user_data",), ("context",)})
"""Fields below which nothing is worth an event."""
