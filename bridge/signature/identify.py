"""The webhooks of a genuine request, each with its id, topic and the ledger keys by which it is recognised.

An id that the signature covers identifies a webhook; an id that anybody could have written does not, and its bytes do.
Headers that no signature covers (topic, account, test) are part of that identity: a request with another value is
another webhook, and cannot make the genuine one a duplicate.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from bridge.core import dedupe_keys, json_text
from bridge.core.errors import HeadersTooLarge
from bridge.core.json_text import Json
from bridge.core.model import Request, Webhook
from bridge.signature.locators import NOTHING, LocatorRoot, RequestView, format_pointer, value_at
from bridge.signature.recipe import Recipe, needed_headers

CREDENTIALS = frozenset({"api_key", "apikey", "access_token", "auth_token", "client_secret", "secret", "password"})
"""Parameters of the query that are never kept with a webhook, in lower case and with `_` for `-`."""
_KEY_IN_ADDRESS = re.compile(r"[?&;]\s*api[_-]?key=", re.IGNORECASE)
MAX_ITEMS = 10_000
"""Items of one batch; one with more stays whole, without a topic, so that it is set aside and not lost."""
MOST_KEPT = 8192
"""Bytes of headers, names and values, that are kept with a webhook: whoever has one signed body may send others."""


def identify_webhooks(recipe: Recipe, request: Request, *, source: str, now: datetime) -> tuple[Webhook, ...]:
    """The webhooks in a request: one, or one for each item of a batch.

    Raises HeadersTooLarge, and nothing else, whatever the bytes are. A batch without items is one webhook whose `item`
    is the empty text. A request that should be a batch and is none is one webhook whose `item` is None and whose id and
    topic come from headers and query alone.
    """
    return identify_in(recipe, RequestView(request), source=source, now=now)


def identify_in(
    recipe: Recipe, view: RequestView, *, source: str, now: datetime, later: bool = False
) -> tuple[Webhook, ...]:
    """The same as `identify_webhooks`, for a request of which other functions read parts as well.

    With `later`, a whole request that would be known by its bytes comes without identity keys; they are made later.
    """
    headers = _kept_headers(recipe, view)
    naming = _WebhookIdentifier(
        recipe,
        view,
        source,
        now,
        headers,
        _kept_query(recipe, view.request),
        _unsigned_facts(recipe, headers),
        later,
    )
    if recipe.items is None:
        return (naming.identify_whole(None, NOTHING),)
    items = value_at(view.json_document, recipe.items)
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        return (naming.identify_whole(None, None),)
    if not items:
        return (naming.identify_whole("", None),)
    return tuple(
        naming.identify_item(format_pointer((*recipe.items, number)), item) for number, item in enumerate(items)
    )


@dataclass(slots=True)
class _WebhookIdentifier:
    """One request being named; what all of its webhooks share."""

    recipe: Recipe
    view: RequestView
    source: str
    now: datetime
    headers: Mapping[str, str]
    query: Mapping[str, str]
    said: str
    later: bool

    def identify_whole(self, item: str | None, within: Json) -> Webhook:
        """The webhook of the whole request; `within` None finds no JSON place."""
        topic = self._find_topic(within)
        webhook_id, identity = self._known_by(topic, within, self.view.request.body, mark="")
        return self._make_webhook(webhook_id, topic, identity, item)

    def identify_item(self, pointer: str, item: Json) -> Webhook:
        """The webhook of one item. An id that all items share is reported apart by the item's pointer."""
        topic = self._find_topic(item)
        content = self._item_bytes(pointer, item)
        webhook_id, identity = self._known_by(topic, item, content, mark="#" + pointer)
        return self._make_webhook(webhook_id, topic, identity, pointer)

    def _find_topic(self, within: Json) -> str | None:
        for place in self.recipe.topic:
            text = self.view.name_at(place, within, trim=True)
            if text is not None:
                return text
        return None

    def _known_by(self, topic: str | None, within: Json, content: bytes, *, mark: str) -> tuple[str, tuple[bytes, ...]]:
        later = self.later and not mark
        for entry in self.recipe.id:
            text = self.view.name_at(entry.place, within)
            if text is None:
                continue
            if entry.place.root is not LocatorRoot.JSON:
                text += mark
            if entry.signed:
                return text, (dedupe_keys.signed_webhook_key(self.source, text, said=self._facts_beside(topic)),)
            return text, () if later else self._by_bytes(topic, content)
        return hashlib.sha256(content).hexdigest(), () if later else self._by_bytes(topic, content)

    def _by_bytes(self, topic: str | None, content: bytes) -> tuple[bytes, ...]:
        return (dedupe_keys.unsigned_webhook_key(self.source, topic, content, said=self.said),)

    def _facts_beside(self, topic: str | None) -> str:
        """What a webhook with a signed id says outside of the signature."""
        return self.said if self.recipe.topic_signed else f"{topic or ''}\n{self.said}"

    def _item_bytes(self, pointer: str, item: Json) -> bytes:
        try:
            return json_text.write_json(item)
        except ValueError:  # a lone surrogate, say: the position in the request's bytes names it as well
            return self.view.request.body + b"\n" + pointer.encode()

    def _make_webhook(
        self, webhook_id: str, topic: str | None, identity: tuple[bytes, ...], item: str | None
    ) -> Webhook:
        return Webhook(
            source=self.source,
            id=webhook_id,
            topic=topic,
            received_at=self.now,
            body=self.view.request.body,
            identity=identity,
            headers=self.headers,
            query=self.query,
            item=item,
            unsigned_facts=self.said,
        )


def _unsigned_facts(recipe: Recipe, headers: Mapping[str, str]) -> str:
    """The unsigned headers that say which account a webhook is about, and whether it is a test; "" for none.

    No header holds a line's end, so that no two lists of headers read the same.
    """
    if not recipe.saying:
        return ""
    return "\n".join(f"{name}: {headers[name]}" for name in recipe.saying if name in headers)


def _kept_headers(recipe: Recipe, view: RequestView) -> dict[str, str]:
    """The headers without credentials, and without any in which a proxy or a caller repeats an address with a key."""
    headers = dict(view.headers)
    for name in recipe.hidden_headers:
        headers.pop(name, None)
    for name in [name for name, value in headers.items() if "?" in value and _holds_key(value)]:
        del headers[name]
    return headers if _count_bytes(headers) <= MOST_KEPT else _drop_needless(recipe, headers)


def _drop_needless(recipe: Recipe, headers: dict[str, str]) -> dict[str, str]:
    """The headers that are read, and as many of the others, in order, as there is room for."""
    needed = needed_headers(recipe)
    room = MOST_KEPT - _count_bytes({name: value for name, value in headers.items() if name in needed})
    if room < 0:
        raise HeadersTooLarge(
            f"the headers that say what this webhook is are over {MOST_KEPT // 1024} KiB; send shorter ones"
        )
    kept: dict[str, str] = {}
    for name, value in headers.items():
        size = 0 if name in needed else _count_bytes({name: value})
        if size <= room:
            kept[name] = value
            room -= size
    return kept


def _count_bytes(headers: Mapping[str, str]) -> int:
    return len("".join((*headers, *headers.values())).encode("utf-8", "surrogatepass"))


def _kept_query(recipe: Recipe, request: Request) -> dict[str, str]:
    """The query's parameters without credentials, in whatever case their names are written."""
    query: dict[str, str] = {}
    hidden = {*CREDENTIALS, *map(_plain_name, recipe.hidden_query)} if request.query else ()
    for name, value in request.query:
        if _plain_name(name) not in hidden and not _holds_key(value):
            query.setdefault(name, value)
    return query


def _plain_name(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _holds_key(text: str) -> bool:
    return _KEY_IN_ADDRESS.search(unquote(text)) is not None
