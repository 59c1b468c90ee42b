"""What of a compiled mapping is for webhooks of one topic: looked for once, then remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bridge.mapping.engine.program import AliasCode, Program, RefusalCode, RuleCode
from bridge.mapping.engine.topics import matches_topic

_MOST_TOPICS = 1_000
"""Topics that are remembered; a provider has fewer."""
_LONGEST_TOPIC = 200


class _HasTopics(Protocol):
    @property
    def topics(self) -> tuple[str, ...] | None: ...


_Each = TypeVar("_Each", bound=_HasTopics)


@dataclass(frozen=True, slots=True)
class TopicCode:
    """The rules, refusals and aliases of one topic, in the file's order."""

    rules: tuple[RuleCode, ...]
    refusals: tuple[RefusalCode, ...]
    aliases: tuple[AliasCode, ...]


class CodeByTopic:
    """A program's parts by the topic of a webhook; None is a webhook that names none."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._found: dict[str | None, TopicCode] = {}

    def find_code(self, topic: str | None) -> TopicCode:
        """What is for webhooks of this topic."""
        found = self._found.get(topic)
        if found is None:
            program = self._program
            found = TopicCode(
                _of_topic(program.rules, topic), _of_topic(program.refusals, topic), _of_topic(program.aliases, topic)
            )
            if len(self._found) < _MOST_TOPICS and len(topic or "") <= _LONGEST_TOPIC:
                self._found[topic] = found
        return found


def _of_topic(parts: Iterable[_Each], topic: str | None) -> tuple[_Each, ...]:
    return tuple(each for each in parts if each.topics is None or _is_among(each.topics, topic))


def _is_among(patterns: tuple[str, ...], topic: str | None) -> bool:
    return topic is not None and any(matches_topic(pattern, topic) for pattern in patterns)
