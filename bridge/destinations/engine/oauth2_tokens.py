"""How access tokens are asked for with a refresh token, RFC 6749 section 6, that an answer may replace. Pure.

`pipeline/refresh_tokens.py` keeps the newest one and makes the requests.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote_plus, urlsplit

from bridge.core import json_text
from bridge.core.access_token import AccessToken, TokenDenied, TokenRequest
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.token_endpoint import make_form_request, parse_object, read_token_answer

_VISIBLE = re.compile(r"[ -~]+")
_CLIENT_AUTH = ("post", "basic")
_NO_LONGER = "the platform no longer accepts the refresh token"
_NONE = "there is no refresh token yet"
_OTHERS = "the refresh token in the store is of another client or another address"


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Whose tokens they are; `origin` replaces scheme, host and port of the token endpoint's address."""

    destination: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class OAuth2Client:
    """Who asks, and where. With `is_basic`, id and secret go in the Authorization header, else in the form."""

    token_url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    is_basic: bool = False
    scope: str | None = None
    authorize_url: str | None = None


@dataclass(frozen=True, slots=True)
class OAuth2Tokens:
    """The tokens of one destination. `given` is the refresh token in the settings, `newest` the one to ask with."""

    client: OAuth2Client
    owner: TokenOwner
    given: str | None = field(default=None, repr=False)
    newest: str | None = field(default=None, repr=False)

    @property
    def destination(self) -> str:
        """Whose tokens they are."""
        return self.owner.destination

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """What must not be kept of an answer that repeats it."""
        named = (
            ("client_secret", self.client.client_secret),
            ("refresh_token", self.given),
            ("refresh_token", self.newest),
            ("authorization", self._basic() if self.client.is_basic else None),
        )
        return tuple((name, value) for name, value in named if value)

    @property
    def given_digest(self) -> bytes | None:
        """The SHA-256 of the refresh token in the settings, with the destination's name."""
        return hashlib.sha256(f"{self.destination}\0{self.given}".encode()).digest() if self.given else None

    def with_kept_token(self, kept: str | None) -> OAuth2Tokens | TokenDenied:
        """What asks with the kept refresh token; with that of the settings where none was kept."""
        if kept is None:
            return replace(self, newest=self.given) if self.given else self._deny(_NONE)
        fields = parse_object(kept)
        if (fields.get("client_id"), fields.get("token_url")) != (self.client.client_id, self.client.token_url):
            return self._deny(_OTHERS)
        return replace(self, newest=str(fields.get("refresh_token")))

    def write_kept_token(self, refresh_token: str) -> str:
        """The refresh token, and for whom it is: it is sent to no other address than the one that gave it."""
        fields: dict[str, Json] = {
            "client_id": self.client.client_id,
            "token_url": self.client.token_url,
            "refresh_token": refresh_token,
        }
        return json_text.write_json(fields).decode()

    def make_token_request(self, now: datetime) -> TokenRequest:  # noqa: ARG002  other sources need the time
        """The request for a token."""
        form = {"grant_type": "refresh_token", "refresh_token": self.newest or ""}
        if self.client.scope:
            form["scope"] = self.client.scope
        return self.make_client_request(form)

    def make_client_request(self, form: Mapping[str, str]) -> TokenRequest:
        """A request of this client to the token endpoint."""
        client = self.client
        headers: dict[str, str] = {}
        if client.is_basic:
            headers["authorization"] = f"Basic {self._basic()}"
        else:
            secret = {"client_secret": client.client_secret} if client.client_secret else {}
            form = {**form, "client_id": client.client_id, **secret}
        return make_form_request(
            client.token_url, form, origin=self.owner.origin, secrets=self.secrets, headers=headers
        )

    def read_token_answer(self, status: int | None, text: str) -> AccessToken | TokenDenied:
        """The token of an answer, or why there is none."""
        return read_token_answer(status, text, no_longer=self._deny(_NO_LONGER).reason)

    def _deny(self, reason: str) -> TokenDenied:
        """What needs a person, with the remedy."""
        if self.client.authorize_url is not None:
            return TokenDenied(f"{reason}: type `trackbridge connect {self.destination}`", pauses=True)
        return TokenDenied(f"{reason}; get a new one from the platform, and set it", pauses=True)

    def _basic(self) -> str:
        """RFC 6749, section 2.3.1: both are encoded as in a form first."""
        pair = f"{quote_plus(self.client.client_id)}:{quote_plus(self.client.client_secret or '')}"
        return base64.b64encode(pair.encode()).decode()


def read_oauth2_tokens(parameters: Mapping[str, Json], owner: TokenOwner) -> OAuth2Tokens:
    """The tokens that the parameters of `auth` declare. Raises SettingsError that repeats no value."""
    client_auth = str(parameters.get("client_auth") or _CLIENT_AUTH[0])
    if client_auth not in _CLIENT_AUTH:
        raise SettingsError(f"client_auth of its authentication must be one of {', '.join(_CLIENT_AUTH)}")
    client = OAuth2Client(
        token_url=_read_address(parameters, "token_url") or "",
        client_id=_read_visible(parameters, "client_id") or "",
        client_secret=_read_visible(parameters, "client_secret"),
        is_basic=client_auth == "basic",
        scope=_read_visible(parameters, "scope"),
        authorize_url=_read_address(parameters, "authorize_url"),
    )
    if not client.token_url:
        raise SettingsError("the token_url of its authentication is missing")
    if not client.client_id:
        raise SettingsError("the client_id of its authentication is missing")
    if client.is_basic and not client.client_secret:
        raise SettingsError("client_auth: basic needs a client_secret")
    return OAuth2Tokens(client, owner, _read_visible(parameters, "refresh_token"))


def _read_address(parameters: Mapping[str, Json], name: str) -> str | None:
    """Always https: a proxy or a test has the option `token_url` of the destination, which is checked by itself."""
    text = _read_visible(parameters, name)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme != "https" or not host or "@" in parts.netloc or " " in text or parts.fragment:
        raise SettingsError(f"the {name} of its authentication must begin with https:// and name a host")
    return text


def _read_visible(parameters: Mapping[str, Json], name: str) -> str | None:
    text = str(parameters.get(name) or "").strip()
    if not text:
        return None
    if not _VISIBLE.fullmatch(text):
        raise SettingsError(f"the {name} of its authentication holds other than visible ASCII; copy it again")
    return text
