"""The headers of authentication as people see them: each secret and signature is its name in brackets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.core.json_text import Json
from bridge.destinations.engine.signing import SignedHeaders


def masked_headers(  # noqa: PLR0911  one for each kind
    kind: str | None, parameters: Mapping[str, Json], ids: Sequence[str]
) -> SignedHeaders:
    """The same headers as a request would have."""
    match kind:
        case "bearer":
            return SignedHeaders({"authorization": f"Bearer {parameters.get('token')}"})
        case "header":
            return SignedHeaders({str(parameters.get("header")).lower(): str(parameters.get("token"))})
        case "basic":
            return SignedHeaders({"authorization": f"Basic {parameters.get('user')}"})
        case "oauth1":
            return SignedHeaders({"authorization": f'OAuth {parameters.get("secret")}, oauth_signature="[signature]"'})
        case "standard_webhooks" if parameters.get("secret"):
            headers = {"webhook-id": ids[0], "webhook-timestamp": "[timestamp]", "webhook-signature": "v1,[signature]"}
            if parameters.get("signature_header"):
                headers[str(parameters["signature_header"]).lower()] = "sha256=[signature]"
            return SignedHeaders(headers)
        case "google" | "oauth2":
            return SignedHeaders({"authorization": "Bearer [token]"})
        case _:
            return SignedHeaders({})
