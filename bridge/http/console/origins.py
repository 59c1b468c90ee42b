"""Whether a request is the console's to answer: its host name, and for one that changes something, who sent it. Pure.

A foreign name that leads to 127.0.0.1 (DNS rebinding) is no name of the console. Another port of the same host is
another site here, although cookies do not tell ports apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_OTHER_NAME = (
    "The console does not answer to this host name. Open it at http://127.0.0.1, or set BRIDGE_CONSOLE_URL to the "
    "address that you opened."
)
_OTHER_SITE = "Another site sent this request. Nothing was done."
_UNKNOWN_SITE = "This request does not say which site sent it. Nothing was done."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered: its status, and a sentence for a person."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class ConsoleOrigin:
    """Where the console is opened: `url` is the address that the operator set, None for this machine alone."""

    url: str | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it is opened over TLS only."""
        return self.url is not None and self.url.startswith("https://")

    def refuse_request(self, method: str, headers: Mapping[str, str]) -> Refusal | None:
        """Why a request is not answered, whoever sends it; None where it is.

        A browser says by `Sec-Fetch-Site` which site sent a request, to addresses over TLS and of this machine; to
        others it says by `Origin`: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site.
        """
        host = headers.get("host", "")
        if not self._is_own(host):
            return Refusal(421, _OTHER_NAME)
        if method in SAFE:
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return None if site in {"same-origin", "none"} else Refusal(403, _OTHER_SITE)
        if origin is None:
            return Refusal(403, _UNKNOWN_SITE)
        return None if origin in self._own_origins(host) else Refusal(403, _OTHER_SITE)

    def _is_own(self, host: str) -> bool:
        name = _host_name(host)
        return name is not None and (name in _LOCAL or (self.url is not None and name == _host_name(self._netloc)))

    def _own_origins(self, host: str) -> frozenset[str]:
        """The origins of the console's own pages, for a request to this host."""
        public = {f"{urlsplit(self.url).scheme}://{self._netloc}"} if self.url else set()
        return frozenset(public | ({f"http://{host}"} if _host_name(host) in _LOCAL else set()))

    @property
    def _netloc(self) -> str:
        return urlsplit(self.url or "").netloc.lower()


def _host_name(host: str) -> str | None:
    """The name or address in a `Host` header, in small letters; None if it is none."""
    if not host or host.strip("[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:_"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        has_port = parts.port != 0
    except ValueError:
        return None
    return parts.hostname if has_port else None
