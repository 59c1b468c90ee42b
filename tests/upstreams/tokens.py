"""A token endpoint: Google's for service accounts and refresh tokens, or any OAuth 2.0 one that rotates refresh tokens.

A GET of it is the page on which a person agrees, at once: it redirects with a code.
https://developers.google.com/identity/protocols/oauth2/service-account, RFC 6749 sections 4.1 and 6, RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/datamanager"
AUDIENCE = "https://oauth2.googleapis.com/token"


class TokenEndpoint:
    """`living` are the access tokens that are good; `refresh_tokens` those that may be used, each once where it rotates."""

    def __init__(  # noqa: PLR0913  what a test may want of it
        self,
        *,
        client: tuple[str, str] = ("client-1", "client-secret-1"),
        refresh_tokens: Sequence[str] = ("refresh-1",),
        rotates: bool = False,
        lives: int = 3599,
        script: Sequence[str | int] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client, self.rotates, self.lives, self.clock = client, rotates, lives, clock
        self.refresh_tokens = set(refresh_tokens)
        self.script: deque[str | int] = deque(script)
        self.living: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.faults: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.denies = False
        self.app = Starlette(
            routes=[
                Route("/{path:path}", self._receive, methods=["POST"]),
                Route("/{path:path}", self._authorize, methods=["GET"]),
            ]
        )

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """The key of the service account, made where one is used: that takes a tenth of a second."""
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def service_account(self) -> str:
        """The key file that Google's console would give."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "client_email": "bridge@project-1.iam.gserviceaccount.com",
                "private_key_id": "key-1",
                "private_key": pem.decode(),
                "token_uri": AUDIENCE,
            }
        )

    def revoke(self) -> None:
        """No token that was given is good any longer."""
        self.living.clear()

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if (asked.get("response_type"), asked.get("client_id")) != ("code", self.client[0]):
            return Response("no such client", 400)
        if self.denies:
            answer = {"error": "access_denied", "error_description": "The user said no."}
        else:
            answer = {"code": f"code-{secrets.token_urlsafe(8)}"}
            self.codes[answer["code"]] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}", 302)

    async def _receive(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.asked.append(form)
        mood = self.script.popleft() if self.script else "ok"
        if isinstance(mood, int):
            return Response("the token endpoint failed", mood)
        problem = "invalid_grant" if mood == "invalid_grant" else self._judge(form, request)
        if problem is not None:
            self.faults.append(problem)
            return JSONResponse(
                {"error": problem.split(":")[0], "error_description": "Token has been expired or revoked."}, 400
            )
        return JSONResponse(self._issue(form))

    def _issue(self, form: dict[str, str]) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(16)}"
        self.living.add(token)
        answer = {"access_token": token, "expires_in": self.lives, "token_type": "Bearer"}
        if form["grant_type"] == "authorization_code" or (form["grant_type"] == "refresh_token" and self.rotates):
            self.refresh_tokens.discard(form.get("refresh_token", ""))
            answer["refresh_token"] = f"refresh-{secrets.token_urlsafe(8)}"
            self.refresh_tokens.add(str(answer["refresh_token"]))
        return answer

    def _judge(self, form: dict[str, str], request: Request) -> str | None:
        match form.get("grant_type"):
            case "refresh_token":
                if not self._is_client(form, request):
                    return "invalid_client"
                return None if form.get("refresh_token") in self.refresh_tokens else "invalid_grant"
            case "authorization_code":
                asked = self.codes.pop(form.get("code", ""), {})
                made = base64.urlsafe_b64encode(
                    hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                ).decode()
                fits = (made.rstrip("="), form.get("redirect_uri")) == (
                    asked.get("code_challenge"),
                    asked.get("redirect_uri"),
                )
                return None if fits and self._is_client(form, request) else "invalid_grant"
            case grant if grant == JWT_GRANT:
                return self._judge_assertion(form.get("assertion", ""))
        return "unsupported_grant_type"

    def _is_client(self, form: dict[str, str], request: Request) -> bool:
        basic = base64.b64encode(":".join(self.client).encode()).decode()
        by_header = request.headers.get("authorization") == f"Basic {basic}"
        return by_header or (form.get("client_id"), form.get("client_secret")) == self.client

    def _judge_assertion(self, assertion: str) -> str | None:
        head, _, rest = assertion.partition(".")
        claims, _, signature = rest.partition(".")
        try:
            self.key.public_key().verify(
                _decode(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except (InvalidSignature, ValueError):
            return "invalid_grant: Invalid JWT Signature."
        said, now = json.loads(_decode(claims)), self.clock()
        if json.loads(_decode(head)).get("alg") != "RS256" or said.get("aud") != AUDIENCE or said.get("scope") != SCOPE:
            return "invalid_scope: aud, scope or alg"
        if said.get("iss") != json.loads(self.service_account)["client_email"]:
            return "invalid_grant: iss"
        lasts = said.get("exp", 0) - said.get("iat", 0)
        return (
            None
            if 0 < lasts <= 3600 and said["iat"] <= now + 60 and said["exp"] > now
            else "invalid_grant: iat and exp"
        )


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
