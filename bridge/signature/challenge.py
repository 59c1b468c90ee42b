"""Requests by which a provider asks whether an address is ours, and their answers.

A rule of a mapping's `challenge` list is `{when: {PLACE: WANTED, method: GET}, respond: {content_type, body},
signed: true}`. WANTED is the text at the place, `true` for any text, `false` for none; all conditions must hold.
`method` is POST by default. Rules for POST need a genuine request unless they say `signed: false`; rules for GET need
none unless they say `signed: true`. `body` may hold `{json:/pointer}`, `{query:NAME}`, `{form:NAME}`, `{header:NAME}`
and `{hmac:PLACE}` (HMAC-SHA256 of the text there under the first secret, in hex).
"""

from __future__ import annotations

import hmac
import json
from datetime import datetime

from bridge.core.model import Request
from bridge.signature.keys import SigningKeys
from bridge.signature.locators import IN_HEAD, Locator, RequestView, raw_bytes
from bridge.signature.recipe import ChallengeRule, Condition, KeyedReply, Recipe
from bridge.signature.verify import verify_view

MAX_TEXT = 4096
"""Characters of a text that is given back; a request that wants more given back is no challenge."""


def answer_challenge(recipe: Recipe, request: Request, keys: SigningKeys, *, now: datetime) -> tuple[str, bytes] | None:
    """The content type and body that a challenge wants answered, or None where the request is no challenge.

    Raises NotGenuine for a challenge that must be signed and is not.
    """
    if not recipe.challenges:
        return None
    view = RequestView(request)
    for rule in recipe.challenges:
        if rule.method == request.method and all(_condition_holds(condition, view) for condition in rule.conditions):
            reply = _build_reply(rule, view, keys)
            if reply is None:
                continue
            if rule.signed:
                verify_view(recipe, view, keys, now=now)
            return rule.content_type, reply
    return None


def may_be_unsigned_challenge(recipe: Recipe, head: RequestView) -> bool:
    """Whether a request with this head is a challenge that needs no proof, as far as it shows without its body."""
    return any(
        rule.method == head.request.method
        and not rule.signed
        and all(
            condition.place.root not in IN_HEAD or _condition_holds(condition, head) for condition in rule.conditions
        )
        for rule in recipe.challenges
    )


def takes_get(recipe: Recipe) -> bool:
    """Whether the provider asks by GET."""
    return any(rule.method == "GET" for rule in recipe.challenges)


def _condition_holds(condition: Condition, view: RequestView) -> bool:
    values = view.values_at(condition.place)
    match condition.wanted:
        case bool():
            return any(values) is condition.wanted
        case str():
            return values == [condition.wanted]


def _build_reply(rule: ChallengeRule, view: RequestView, keys: SigningKeys) -> bytes | None:
    texts: list[str] = []
    for part in rule.body:
        text = _part_text(part, view, keys)
        if text is None:
            return None
        inserted = not isinstance(part, str)
        texts.append(json.dumps(text)[1:-1] if inserted and rule.content_type == "application/json" else text)
    return "".join(texts).encode("utf-8", "replace")


def _part_text(part: str | Locator | KeyedReply, view: RequestView, keys: SigningKeys) -> str | None:
    match part:
        case str():
            return part
        case Locator():
            return _find_text(part, view)
        case KeyedReply():
            text = _find_text(part.place, view)
            key = keys.values[0] if keys.values else None
            if text is None or not isinstance(key, bytes):
                return None
            return hmac.digest(key, raw_bytes(part.place, text), "sha256").hex()


def _find_text(place: Locator, view: RequestView) -> str | None:
    text = next(iter(view.values_at(place)), None)
    return None if text is None or len(text) > MAX_TEXT else text
