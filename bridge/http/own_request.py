"""A webhook that the bridge posts to itself, within this process: it is received as one from outside is."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp

from bridge.core.source import SignedBody


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What the bridge answered."""

    status: int
    text: str


async def post_to_source(app: ASGIApp, source: str, signed: SignedBody) -> OwnAnswer:
    """Post a signed body to the address of a source in an application that has the route of webhooks."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", trust_env=False) as client:
        query = f"?{signed.query}" if signed.query else ""
        answer = await client.post(f"/webhooks/{source}{query}", content=signed.body, headers=dict(signed.headers))
    return OwnAnswer(answer.status_code, answer.text)
