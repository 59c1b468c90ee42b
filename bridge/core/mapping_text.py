"""The text of a mapping or of a destination file, as it was when something was made by it. Pure values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MappingText:
    """A mapping or a destination file: its name and its bytes.

    `digest` names both: the SHA-256 of the name, a zero byte, the text.
    """

    name: str
    text: bytes = field(repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.name.encode() + b"\0" + self.text).digest())

    def __str__(self) -> str:
        return f"{self.name} {self.digest.hex()[:12]}"
