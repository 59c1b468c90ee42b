"""The text of a mapping, as its file had it when it translated something. Pure values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MappingText:
    """A mapping's file: its name and its bytes. `digest` names both: the SHA-256 of the name, a zero byte, the text."""

    name: str
    text: bytes = field(repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.name.encode() + b"\0" + self.text).digest())
