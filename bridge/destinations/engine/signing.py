"""How a request proves who sends it: the kinds of `auth` that need nothing but the request and its secrets. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from bridge.core import json_text
from bridge.core.access_token import RotatingTokenSource, TokenSource
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.google_tokens import read_google_secret
from bridge.destinations.engine.oauth2_tokens import TokenOwner, read_oauth2_tokens

_VISIBLE = re.compile(r"[ -~]+")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_PREFIX = "whsec_"
_OAUTH_KEYS = ("consumer_key", "consumer_secret", "token", "token_secret")
_NOBODY = TokenOwner()


@dataclass(frozen=True, slots=True)
class SignedHeaders:
    """Headers that prove a request. `secrets` are names and values of what was derived for them.

    `token_source` is where the token comes from that is still to be put in.
    """

    headers: Mapping[str, str]
    secrets: tuple[tuple[str, str], ...] = ()
    token_source: TokenSource | RotatingTokenSource | None = None


NO_HEADERS = SignedHeaders({})


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A request before it is signed. `url` is the platform's own address, also where another one stands in for it.

    `ids` are those of its events.
    """

    method: str
    url: str
    body: bytes
    ids: Sequence[str]


def sign_request(  # noqa: PLR0911  one for each kind
    kind: str | None,
    parameters: Mapping[str, Json],
    request: Unsigned,
    *,
    now: datetime,
    token_owner: TokenOwner = _NOBODY,
) -> SignedHeaders:
    """The headers of one kind of AUTH_KINDS. Raises SettingsError for a secret that cannot be used."""
    match kind:
        case "bearer":
            return SignedHeaders({"authorization": f"Bearer {_read_token(parameters, 'token')}"})
        case "header":
            return SignedHeaders({_read_name(parameters, "header"): _read_token(parameters, "token")})
        case "basic":
            return _sign_basic(parameters)
        case "standard_webhooks":
            return _sign_webhook(parameters, body=request.body, ids=request.ids, now=now)
        case "oauth1":
            return _sign_oauth1(parameters, request, now=now)
        case "google":
            text, scope = str(parameters.get("secret") or ""), str(parameters.get("scope") or "")
            source = read_google_secret(text, scope=scope, origin=token_owner.origin)
            return SignedHeaders({}, source.secrets, source)
        case "oauth2":
            tokens = read_oauth2_tokens(parameters, token_owner)
            return SignedHeaders({}, tokens.secrets, tokens)
        case _:
            return NO_HEADERS


def _sign_basic(parameters: Mapping[str, Json]) -> SignedHeaders:
    user, password = _read_token(parameters, "user"), str(parameters.get("password") or "")
    if ":" in user:
        raise SettingsError("the user of basic authentication holds a colon, which no such user may")
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return SignedHeaders({"authorization": f"Basic {encoded}"}, (("authorization", encoded),))


def _sign_webhook(parameters: Mapping[str, Json], *, body: bytes, ids: Sequence[str], now: datetime) -> SignedHeaders:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.

    The id is the event's: who gets an event again, gets the same id. Where `signature_header` names a header, it holds
    the body's signature in hex behind `sha256=` as well.
    """
    given = str(parameters.get("secret") or "").strip()
    if not given:
        return NO_HEADERS
    keys = [_read_key(one.strip()) for one in given.split(",")]
    message_id = ids[0] if len(ids) == 1 else hashlib.sha256(",".join(ids).encode()).hexdigest()[:32]
    timestamp = str(int(now.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
    secrets = [("signature", signature) for signature in signatures]
    if parameters.get("signature_header"):
        plain = hmac.digest(keys[0], body, "sha256").hex()
        headers[_read_name(parameters, "signature_header")] = f"sha256={plain}"
        secrets.append(("signature", plain))
    return SignedHeaders(headers, tuple(secrets))


def _sign_oauth1(parameters: Mapping[str, Json], request: Unsigned, *, now: datetime) -> SignedHeaders:
    """https://www.rfc-editor.org/rfc/rfc5849#section-3.4: the body is no part of it, as it is no form.

    The nonce is made from the request and the time: the same request at another time has another one.
    """
    keys = _read_oauth_keys(parameters)
    made = hashlib.sha256(f"{now.timestamp()} {' '.join(request.ids)} ".encode() + request.body)
    said = {
        "oauth_consumer_key": keys["consumer_key"],
        "oauth_nonce": made.hexdigest()[:32],
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(now.timestamp())),
        "oauth_token": keys["token"],
        "oauth_version": "1.0",
    }
    parts = urlsplit(request.url)
    pairs = sorted(
        (_encode(name), _encode(value))
        for name, value in [*parse_qsl(parts.query, keep_blank_values=True), *said.items()]
    )
    address = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path or "/", "", ""))
    signed = "&".join(map(_encode, (request.method, address, "&".join(f"{name}={value}" for name, value in pairs))))
    key = f"{_encode(keys['consumer_secret'])}&{_encode(keys['token_secret'])}"
    signature = base64.b64encode(hmac.digest(key.encode(), signed.encode(), "sha1")).decode()
    header = ", ".join(f'{name}="{_encode(value)}"' for name, value in {**said, "oauth_signature": signature}.items())
    return SignedHeaders({"authorization": f"OAuth {header}"}, (*keys.items(), ("signature", signature)))


def _read_oauth_keys(parameters: Mapping[str, Json]) -> dict[str, str]:
    try:
        given = json_text.parse_json(str(parameters.get("secret") or ""))
    except ValueError:
        given = None
    found = given if isinstance(given, dict) else {}
    keys = {name: str(found.get(name) or "").strip() for name in _OAUTH_KEYS}
    if not all(map(_VISIBLE.fullmatch, keys.values())):
        raise SettingsError(f"the secret of OAuth 1.0a is JSON with {', '.join(_OAUTH_KEYS)}; copy it again")
    return keys


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _read_key(secret: str) -> bytes:
    """The bytes of a secret: base64 behind `whsec_`, else its text."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise SettingsError("a signing secret that begins with whsec_ is base64 behind it; copy it again") from None


def _read_token(parameters: Mapping[str, Json], name: str) -> str:
    text = str(parameters.get(name) or "").strip()
    if not _VISIBLE.fullmatch(text):
        raise SettingsError(f"the {name} of its authentication is missing, or holds other than visible ASCII")
    return text


def _read_name(parameters: Mapping[str, Json], name: str) -> str:
    text = str(parameters.get(name) or "").strip()
    if not _NAME.fullmatch(text):
        raise SettingsError(f"the {name} of its authentication is no name of a header")
    return text.lower()
