"""Which topics a pattern matches: a text as it is, `*` any run of characters."""

from __future__ import annotations


def matches_topic(pattern: str, topic: str) -> bool:
    """Whether `topic` fits `pattern`. Takes time in proportion to both, whatever they hold."""
    if "*" not in pattern:
        return pattern == topic
    first, *middle, last = pattern.split("*")
    if not topic.startswith(first) or len(topic) < len(first) + len(last) or not topic.endswith(last):
        return False
    here, end = len(first), len(topic) - len(last)
    for part in middle:
        found = topic.find(part, here, end)
        if found < 0:
            return False
        here = found + len(part)
    return True
