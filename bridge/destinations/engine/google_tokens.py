"""How Google's access tokens are asked for: by a service account's key file, or by a user's refresh token. Pure.

https://developers.google.com/identity/protocols/oauth2/service-account. `pipeline/access_tokens.py` makes the requests.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core import json_text
from bridge.core.access_token import AccessToken, TokenDenied, TokenRequest
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.token_endpoint import make_form_request, parse_object, read_token_answer

ADDRESS = "https://oauth2.googleapis.com/token"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LASTS = timedelta(hours=1)
_SERVICE_ACCOUNT = ("client_email", "private_key")
_REFRESH = ("client_id", "client_secret", "refresh_token")
_NO_LONGER = (
    "Google no longer accepts the refresh token: an OAuth app in *Testing* loses it after 7 days; publish the app, or "
    "use a service account"
)


@dataclass(frozen=True, slots=True)
class GoogleTokens:
    """Where one destination's tokens come from. `origin` replaces scheme, host and port of Google's address."""

    fields: Mapping[str, str]
    scope: str
    origin: str | None = None

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """What must not be kept of an answer that repeats it."""
        named = ("private_key", "client_secret", "refresh_token")
        return tuple((name, self.fields[name]) for name in named if name in self.fields)

    def make_token_request(self, now: datetime) -> TokenRequest:
        """The request for a token."""
        if "private_key" in self.fields:
            form = {"grant_type": JWT_GRANT, "assertion": self._make_assertion(now)}
        else:
            form = {"grant_type": "refresh_token", **{name: self.fields[name] for name in _REFRESH}}
        return make_form_request(ADDRESS, form, origin=self.origin, secrets=self.secrets)

    def read_token_answer(self, status: int | None, text: str) -> AccessToken | TokenDenied:
        """The token of an answer, or why there is none: a grant that is refused pauses, all else is asked again."""
        no_longer = _NO_LONGER if "refresh_token" in self.fields else None
        return read_token_answer(status, text, no_longer=no_longer)

    def _make_assertion(self, now: datetime) -> str:
        issued = int(now.timestamp())
        head = {"alg": "RS256", "typ": "JWT"}
        if "private_key_id" in self.fields:
            head["kid"] = self.fields["private_key_id"]
        claims = {
            "iss": self.fields["client_email"],
            "scope": self.scope,
            "aud": ADDRESS,
            "iat": issued,
            "exp": issued + int(_LASTS.total_seconds()),
        }
        signed = f"{_encode_part(head)}.{_encode_part(claims)}"
        return f"{signed}.{_encode_bytes(_sign_rs256(self.fields['private_key'], signed.encode()))}"


def read_google_secret(text: str, *, scope: str, origin: str | None) -> GoogleTokens:
    """A service account's key file, or the three values of a refresh token, as JSON.

    Raises SettingsError that repeats nothing of it.
    """
    document = parse_object(text)
    fields = {name: value for name, value in document.items() if isinstance(value, str)}
    if all(fields.get(name) for name in _SERVICE_ACCOUNT):
        _sign_rs256(fields["private_key"], b"")
    elif not all(fields.get(name) for name in _REFRESH):
        raise SettingsError(
            f"the secret for Google is the key file of a service account as JSON, or JSON with {', '.join(_REFRESH)}"
        )
    return GoogleTokens(fields, scope, origin)


def _sign_rs256(pem: str, content: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256. Raises SettingsError for what is no private RSA key."""
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  takes 8 MB, for Google alone
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415  as above

    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError("the private key of the service account cannot be read; download it again")
    return key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def _encode_part(value: Json) -> str:
    return _encode_bytes(json_text.write_json(value))


def _encode_bytes(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
