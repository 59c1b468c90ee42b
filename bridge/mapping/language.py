"""The words that the mapping language defines: its roots and their fields, what a name may be, what events need."""

from __future__ import annotations

import re
from typing import Literal, get_args

VERSION = 1
ROOTS = ("body", "headers", "query", "webhook", "source", "request")
EARLIER = "earlier"
"""The root of a rule with `recall`: the event that it finds, null where there is none."""


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What can be a name: an identifier of JMESPath."""


WEBHOOK = ("id", "topic", "received_at", "occurred_at", "account", "test")


SOURCE = ("name", "vars")


Path = tuple[str, ...]


REQUIRED = (("properties", "order_id"), ("properties", "value"), ("properties", "currency"))
REQUIRING = frozenset({"purchase", "subscription", "refund"})
"""The event types that need REQUIRED unless `require` says otherwise."""


MOST_RANK = 1_000


LENDS = ("user_data", "context", "consent", "session_id", "user_id", "properties")
"""What an event may take from another; what names or dates it is its own."""


VarType = Literal["text", "choice", "duration"]
VAR_TYPES: tuple[VarType, ...] = get_args(VarType)


SOFT = frozenset({("user_data",), ("context",), ("consent",)})
"""Fields below which nothing is worth an event."""
