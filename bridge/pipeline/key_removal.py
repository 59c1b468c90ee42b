"""An upstream's answer without the API key that it was asked with, however it spells the key.

What is kept of an answer is shown by commands and copied into tickets. An upstream that repeats the key on purpose can
always encode it in a way that is not known here; these are the ways of frameworks and proxies that repeat a request.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

LEAST_KEY = 8
"""Characters of a key that is looked for: a shorter one would be found in ordinary words."""
REMOVED = "[key]"
_LONG = 256
"""Characters beyond which a secret, such as a private key, is looked for by its beginning: a pattern of all of it would
take a second to compile."""
_HEAD = 64


def remove_key(text: str, key: str, *, removed: str = REMOVED) -> str:
    r"""The text with `[key]`, or what else is to stand for it, for each time that it has the key.

    Each character may be itself or escaped as JSON (`\u0061`), Python (`\x61`), URLs (`%61`) or HTML (`&#97;`) do,
    more than once, too. The whole key may be hexadecimal or, also as a part of something longer, base64. Of a long one
    the beginning is looked for, and as much as could be the rest of it is removed.
    """
    return _spellings(key).sub(removed, text) if len(key) >= LEAST_KEY else text


@lru_cache(maxsize=64)
def _spellings(key: str) -> re.Pattern[str]:
    head = key if len(key) <= _LONG else key[:_HEAD]
    content = head.encode()
    whole = [f"(?i:{content.hex()})", *(re.escape(text) for text in sorted(_base64_parts(content)))]
    pattern = "|".join(["".join(map(_character_spellings, head)), *whole])
    rest = 4 * (len(key) - len(head))
    return re.compile(rf"(?:{pattern})[\s\S]{{0,{rest}}}" if rest else pattern)


def _character_spellings(character: str) -> str:
    """A pattern for one character; its repetitions are bounded, so that a hostile answer takes no long time."""
    code = ord(character)
    units = character.encode("utf-16-be").hex()
    escaped = r"\\{1,8}".join(f"u{units[at : at + 4]}" for at in range(0, len(units), 4))
    percent = "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in character.encode())
    entity = rf"&(?:amp;){{0,3}}#(?:0{{0,6}}{code}|x0{{0,6}}{code:x});?"
    short = r"\\{1,8}n|" if character == "\n" else ""  # in the key files of service accounts
    return rf"(?:{short}\\{{0,8}}{re.escape(character)}|(?i:\\{{1,8}}(?:{escaped}|x{code:02x})|{percent}|{entity}))"


def _base64_parts(content: bytes) -> set[str]:
    """The base64 of content wherever it begins in what is encoded, without the letters that its neighbours change."""
    parts = set()
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            parts.add(encode(b"\0" * before + content).decode()[first:last])
    return parts
