"""How much of an answer is kept with its attempt, and what is said of an attempt that nobody recorded."""

from __future__ import annotations

ANSWER_BYTES = 2048
LOST = "its process ended, or hung, before it recorded how this went; the request may have been made"


def first_bytes(answer: str) -> str:
    """The part of an answer that is kept: at most ANSWER_BYTES of UTF-8, and no character in part."""
    return answer.encode()[:ANSWER_BYTES].decode("utf-8", "ignore")
