"""Sessions of the web console: a signed cookie that names the digest of a key, and when it ends. Pure.

A key that is taken out of the settings, or changed, ends its sessions. The time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bridge.http.console_keys import ConsoleKey, find_key

LASTS = 12 * 3600
"""Seconds."""
_NAME = "trackbridge_console"
_VALUE = re.compile(r"([0-9a-f]{64})\.([0-9]{1,12})\.([0-9a-f]{64})")
_PURPOSE = b"trackbridge console session\0"


@dataclass(frozen=True, slots=True)
class SessionCookies:
    """Writes and reads cookies for the paths below `path`; only over TLS where `secure`."""

    secret: bytes = field(repr=False)
    path: str
    secure: bool

    @property
    def name(self) -> str:
        """The cookie's name; a browser takes `__Secure-` over TLS only (RFC 6265bis, 4.1.3)."""
        return f"__Secure-{_NAME}" if self.secure else _NAME

    def write_cookie(self, key: ConsoleKey, *, now: float) -> str:
        """A `Set-Cookie` for a session that begins now."""
        said = f"{key.digest.hex()}.{int(now) + LASTS}"
        return self._with_attributes(f"{said}.{self._sign(said)}", LASTS)

    def end_cookie(self) -> str:
        """A `Set-Cookie` that ends a session in the browser."""
        return self._with_attributes("", 0)

    def read_session(self, header: str, keys: Sequence[ConsoleKey], *, now: float) -> ConsoleKey | None:
        """The key whose session a `Cookie` header holds; None for anything else, however it is written."""
        for value in self._values(header):
            found = _VALUE.fullmatch(value)
            if found and hmac.compare_digest(self._sign(f"{found[1]}.{found[2]}"), found[3]) and now < int(found[2]):
                return find_key(keys, bytes.fromhex(found[1]))
        return None

    def _values(self, header: str) -> Iterator[str]:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.name:
                yield value

    def _sign(self, said: str) -> str:
        return hmac.new(self.secret, _PURPOSE + said.encode(), hashlib.sha256).hexdigest()

    def _with_attributes(self, value: str, age: int) -> str:
        secure = "; Secure" if self.secure else ""
        return f"{self.name}={value}; Path={self.path}; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"
