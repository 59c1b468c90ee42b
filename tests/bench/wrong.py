"""What fails the bench whatever its figures are: something was lost, invented or refused."""

from __future__ import annotations


class WrongAnswer(Exception):
    """A fast wrong answer. The message says what came and what should have."""


def hold(what: bool, message: str) -> None:  # noqa: FBT001  reads like assert
    """Raise WrongAnswer with the message where it is not so."""
    if not what:
        raise WrongAnswer(message)
