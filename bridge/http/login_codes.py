"""Codes that open the web console once, within five minutes: what `trackbridge console` prints. Pure.

A command makes them and the console takes them, so they are no part of it. Randomness comes from the caller.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

CODE_LASTS = timedelta(minutes=5)
_LETTERS = b"abcdefghjkmnpqrstuvwxyz23456789"
"""None that looks like another."""
CODE_SIZE = 16
"""Random bytes, and letters, of a code: some 79 bits, for five minutes, and five wrong ones a minute."""


def format_code(nonce: bytes) -> str:
    """A code of random bytes, as people read it: `k7qm-2x9p-…`."""
    letters = "".join(chr(_LETTERS[byte % len(_LETTERS)]) for byte in nonce)
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def is_code(typed: str) -> bool:
    """Whether what was typed has the form of a code."""
    plain = _plain_letters(typed)
    return len(plain) == CODE_SIZE and set(plain) <= set(_LETTERS.decode())


def code_digest(typed: str) -> bytes:
    """What is kept of a code: its SHA-256, without blanks, hyphens and capitals."""
    return hashlib.sha256(b"login code\0" + _plain_letters(typed).encode("utf-8", "surrogatepass")).digest()


def _plain_letters(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()
