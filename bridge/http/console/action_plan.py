"""An action of the console before it is done: what it would do, to which things, and the token of that dry run. Pure.

The token fits only while the same person would do the same to the same things in the same state.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bridge.core.errors import BridgeError
from bridge.http.console_keys import ConsoleKey
from bridge.store.by_hand import ActingPerson

_PURPOSE = b"trackbridge console action\0"
MOST_ROWS = 1000
"""Things that one action is done to, at most: all of them are named, so that nothing else is changed."""
MOST_LISTED = 50


class ActionRefused(BridgeError):
    """What was asked for is not done; the text says why, and what can be done."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One thing that would be changed, masked as it is shown. `path` is the page of it, below the console's root."""

    id: str
    name: str
    now: str
    then: str = ""
    tone: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class ActionAnswer:
    """What an action was answered, masked as it is shown. `live` is where the rows that it makes appear."""

    count: int
    title: str
    is_good: bool
    text: str
    detail: str
    live: str = ""


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """What an action would do. `asked` are the fields that ask for it again; `state` is what it depends on.

    `done` is what the button says, `subject` what the record calls it; `run` does it, and returns to how many things,
    or what it was answered. `only_shown` is why it may not be done, empty where it may; `detail` a text to look at,
    `choices` names and paths of the same action with something else.
    """

    verb: str
    asked: Mapping[str, str]
    title: str
    done: str
    text: str
    subject: str
    rows: tuple[PlanRow, ...]
    count: int
    state: str
    run: Callable[[ActingPerson], Awaitable[int | ActionAnswer]]
    only_shown: str = ""
    detail: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def listed(self) -> tuple[PlanRow, ...]:
        """The rows that the page shows."""
        return self.rows[:MOST_LISTED]


def sign_plan(plan: ActionPlan, person: ConsoleKey, secret: bytes) -> str:
    """The token of a dry run that this person saw."""
    said = json.dumps([person.digest.hex(), plan.verb, sorted(plan.asked.items()), plan.count, plan.state])
    return hmac.new(secret, _PURPOSE + said.encode(), hashlib.sha256).hexdigest()


def is_same_plan(token: str, plan: ActionPlan, person: ConsoleKey, secret: bytes) -> bool:
    """Whether the dry run that a token stands for is still what would be done."""
    return hmac.compare_digest(token.encode(), sign_plan(plan, person, secret).encode())


def describe_state(*parts: object) -> str:
    """What a plan depends on, in few letters: the same for the same state."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
