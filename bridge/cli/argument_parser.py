"""The parser of the command's arguments, whose messages repeat no argument that may hold a secret.

An address can hold a password or a key, and whatever is long may be one. Short plain words are repeated: they help.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from bridge.core.visible_text import make_visible

LONGEST = 40
"""Characters of an argument that a message repeats."""
_ADDRESS = re.compile(r"://|@|\?.*=", re.DOTALL)


class VisibleParser(argparse.ArgumentParser):
    """Repeats what was typed only as `make_visible` has it, and no argument that may hold a secret."""

    _typed: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]  # it has overloads for namespaces of one's own
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """The same as argparse's; what is typed is remembered for messages. Subcommands are parsed by it, too."""
        self._typed = tuple(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with status 2; the message has a position in place of an argument that may hold a secret."""
        hidden = {text: shown for at, word in enumerate(self._typed, 1) for text, shown in self._hide_word(word, at)}
        for text in sorted(hidden, key=len, reverse=True):
            message = message.replace(repr(text), hidden[text]).replace(text, hidden[text])
        super().error(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End; the message is visible text."""
        super().exit(status, make_visible(message, lines=True) if message else None)

    def _hide_word(self, word: str, position: int) -> Iterator[tuple[str, str]]:
        """What of a word a message may not hold, as argparse may repeat it, and what stands there instead."""
        place = f"[argument {position} after {self.prog}]"
        option, equals, value = word.partition("=")
        if word.startswith("-") and equals and not may_hold_secret(option):
            yield word, f"{option}=[…]"
            if may_hold_secret(value):
                yield value, place
        elif may_hold_secret(word):
            yield word, place
            if word.startswith("-"):
                yield word[2:], place  # what follows a flag of one letter


def may_hold_secret(argument: str) -> bool:
    """Whether an argument looks like an address, or is longer than any word of a command."""
    return len(argument) > LONGEST or _ADDRESS.search(argument) is not None


def quote_argument(argument: str) -> str:
    """The argument in a message, or `[…]` for one that may hold a secret."""
    return "[…]" if may_hold_secret(argument) else argument
