"""Signatures of webhooks: whether a request is genuine, and how its webhooks are identified.

Schemes are data: providers differ in their mapping, not here. `read_recipe` reads a mapping's `webhook` section and
`read_keys` the operator's secrets; `head_verifier` refuses what no body can make genuine; `make_receiver` verifies and
identifies; `answer_challenge` answers a provider's question; `sign_request` makes a request that verifies. Pure: time
of receipt, nonce and secrets are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bridge.core.errors import NotGenuine
from bridge.core.model import Request, Webhook
from bridge.signature.challenge import answer_challenge, may_be_unsigned_challenge, takes_get
from bridge.signature.identify import identify_in, identify_webhooks
from bridge.signature.keys import SigningKeys, read_keys
from bridge.signature.locators import RequestView
from bridge.signature.read_recipe import read_recipe
from bridge.signature.recipe import Recipe, SchemeKind, needs_secret, needs_url
from bridge.signature.sign import SignedRequest, sign_request
from bridge.signature.verify import enough_headers, judge_head, quick_test, verify_request, verify_view
from bridge.signature.weaknesses import note_weaknesses

__all__ = [
    "Recipe",
    "SchemeKind",
    "SignedRequest",
    "SigningKeys",
    "answer_challenge",
    "head_verifier",
    "identify_webhooks",
    "make_receiver",
    "needs_secret",
    "needs_url",
    "note_weaknesses",
    "read_keys",
    "read_recipe",
    "sign_request",
    "takes_get",
    "verify_request",
]


def head_verifier(recipe: Recipe, keys: SigningKeys) -> Callable[[Request], None]:
    """What refuses a request by its head alone, which is a Request without a body.

    It raises NotGenuine for a POST that no body can make genuine, nor a challenge that needs no proof. A GET is never a
    webhook, and is left to `challenge`.
    """
    enough = enough_headers(recipe.proof)

    def verify_head(head: Request) -> None:
        if head.method != "POST" or (enough and all(map(dict(head.headers).get, enough))):
            return
        view = RequestView(head)
        try:
            judge_head(recipe, view, keys)
        except NotGenuine:
            if not may_be_unsigned_challenge(recipe, view):
                raise

    return verify_head


def make_receiver(
    recipe: Recipe, keys: SigningKeys, *, source: str
) -> Callable[[Request, datetime], tuple[Webhook, ...]]:
    """What makes the webhooks of a request that proves genuine: one, or one for each item of a batch.

    Where a provider signs every item by itself, all of them must prove genuine. Raises NotGenuine and HeadersTooLarge.
    The body is parsed at most once, and hashed no more than the proof needs: what knows a webhook again by its bytes is
    evaluated when it is applied.
    """
    passes = quick_test(recipe, keys)

    def receive(request: Request, now: datetime) -> tuple[Webhook, ...]:
        view = RequestView(request)
        if passes is None or not passes(view):
            verify_view(recipe, view, keys, now=now)
        return identify_in(recipe, view, source=source, now=now, later=True)

    return receive
