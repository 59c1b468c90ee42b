"""How a person authorises trackbridge at a platform: the address to open, and the redirect that brings the code. Pure.

RFC 6749 section 4.1 with PKCE (RFC 7636). `cli/redirect_listener.py` waits for the redirect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from bridge.destinations.answer_words import cut_words


class NoSuchRedirect(Exception):
    """An address is not the redirect that is awaited; the text says why."""


class NotAuthorized(Exception):
    """The platform redirected without a code; the text says why."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """One attempt. `state` and `verifier` are random texts; `redirect` is the address at which the code comes."""

    authorize_url: str
    client_id: str
    scope: str | None
    redirect: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def address(self) -> str:
        """What the person opens in a browser; what the platform's own address asks for stays in it."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"scope": self.scope} if self.scope else {}),
        }
        parts = urlsplit(self.authorize_url)
        kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in asked]
        return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode([*kept, *asked.items()]), ""))

    def read_redirect(self, text: str) -> str:
        """The code in the address to which the platform redirected. Raises NoSuchRedirect or NotAuthorized."""
        try:
            fields = parse_qs(urlsplit(text.strip()).query, keep_blank_values=True)
        except ValueError:
            fields = {}
        state, code = (fields.get(name, [""])[0] for name in ("state", "code"))
        if not state:
            raise NoSuchRedirect("this is no address with `code=` and `state=`; copy all of the address bar")
        if not hmac.compare_digest(state.encode(), self.state.encode()):
            raise NoSuchRedirect(
                "this address is of another attempt; open the address above, and copy what it leads to"
            )
        if not code:
            words = " ".join(fields.get(name, [""])[0] for name in ("error", "error_description"))
            raise NotAuthorized(f"the platform gave no code: {cut_words(words) or 'it does not say why'}")
        return code

    def make_exchange_form(self, code: str) -> dict[str, str]:
        """What the token endpoint is asked with."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
