"""A body made to look as its provider would send it, so that a source can be tried without the provider.

What is made is verified before it is given out. Not concerned with sending it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from bridge.core import json_text
from bridge.core.errors import NotGenuine, SettingsError
from bridge.core.json_text import Json
from bridge.core.model import Request
from bridge.signature import timestamps
from bridge.signature.keys import Keys, encoded
from bridge.signature.locators import NOTHING, Locator, Parcel, Root, at, scalar
from bridge.signature.recipe import ASYMMETRIC, Kind, Proof, Recipe, needs_secret, needs_url
from bridge.signature.verify import expected, judge, signed_bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """What to post: headers, body, and a query string without its question mark."""

    headers: Mapping[str, str]
    body: bytes
    query: str = ""


def sign(  # noqa: PLR0913  all that a provider puts into a request, by name
    recipe: Recipe, body: bytes, keys: Keys, *, topic: str | None, now: datetime, luck: str, url: str | None
) -> Signed:
    """`body` as the provider would sign and send it at `now`, `luck` (a few random letters) in the ids of headers.

    A scheme with signatures inside the body writes them into it. Raises SettingsError where only the provider could
    sign, where secret, topic or address are wanting, or where the body cannot be made to prove genuine.
    """
    proof = recipe.proof
    if proof.kind in ASYMMETRIC:
        raise SettingsError(f"only the provider can sign: kind {proof.kind} takes its private key")
    if needs_secret(recipe) and not keys.values:
        raise SettingsError("no secret is set; set the source's secret, or give one")
    if needs_url(recipe) and url is None:
        raise SettingsError("the signature covers the address; set the source's public URL")
    draft = _Draft(body, url)
    _name(draft, recipe, topic=topic, luck=luck)
    stamp = _stamp(draft, proof, now)
    _prove(draft, recipe, keys, stamp=stamp, luck=luck)
    try:
        judge(recipe, Parcel(draft.request()), keys, now=now)
    except NotGenuine as error:
        raise SettingsError(f"this body cannot be made to prove genuine: {error.reason}") from None
    return Signed(draft.headers, draft.body, urlencode(draft.query))


@dataclass(slots=True)
class _Draft:
    """A request in the making."""

    body: bytes
    url: str | None
    headers: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        json_like = self.body.lstrip()[:1] in {b"{", b"["}
        self.headers["Content-Type"] = "application/json" if json_like else "application/x-www-form-urlencoded"

    def put(self, place: Locator, text: str) -> None:
        """Write `text` at a place outside the body, once; what stands there already stays."""
        if place.root is Root.HEADER:
            if place.name not in {name.lower() for name in self.headers}:
                self.headers[place.written] = text
        elif place.name not in {name for name, _ in self.query}:
            self.query.append((place.name, text))

    def request(self) -> Request:
        """The request as it would arrive."""
        query = urlencode(self.query)
        url = self.url
        if url is not None and query:
            url += ("&" if "?" in url else "?") + query
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        return Request("POST", headers, self.body, query=tuple(self.query), url=url)


_OUTSIDE = (Root.HEADER, Root.QUERY)


def _name(draft: _Draft, recipe: Recipe, *, topic: str | None, luck: str) -> None:
    _name_topic(draft, recipe, topic)
    for entry in recipe.id:
        if entry.place.root in _OUTSIDE:
            draft.put(entry.place, f"msg_{luck}")


def _name_topic(draft: _Draft, recipe: Recipe, topic: str | None) -> None:
    outside = next((place for place in recipe.topic if place.root in _OUTSIDE), None)
    inside = _topics_inside(recipe, draft)
    if topic is None:
        if outside is not None and not inside:
            raise SettingsError(f"its topic comes in {outside}; say which topic it is, such as --topic NAME")
    elif outside is not None and (outside == recipe.topic[0] or not inside):
        if not (topic.isascii() and topic.isprintable() and topic.strip()):
            raise SettingsError("a topic that comes in a header must be plain ASCII text")
        draft.put(outside, topic)
    elif topic not in inside:
        places = ", ".join(map(str, recipe.topic)) or "nowhere"
        raise SettingsError(f"its topic comes from the body ({places}), which says another; leave the topic out")


def _topics_inside(recipe: Recipe, draft: _Draft) -> list[str]:
    parcel = Parcel(draft.request())
    items: Json = (NOTHING,) if recipe.items is None else at(parcel.document, recipe.items)
    within = items if isinstance(items, list | tuple) else ()
    inside = [place for place in recipe.topic if place.root not in _OUTSIDE]
    return [text for item in within for place in inside for text in parcel.values(place, item)]


def _stamp(draft: _Draft, proof: Proof, now: datetime) -> str | None:
    """The timestamp's text, written where it belongs; one inside the body stays as the body has it."""
    if proof.stamp is None:
        return None
    text = timestamps.said(now, proof.stamp.form)
    if proof.stamp.place.root in _OUTSIDE:
        draft.put(proof.stamp.place, text)
    return text


def _prove(draft: _Draft, recipe: Recipe, keys: Keys, *, stamp: str | None, luck: str) -> None:
    proof, place = recipe.proof, recipe.proof.place
    key = keys.values[0] if keys.values else b""
    if place is None or not isinstance(key, bytes):
        return
    match proof.kind:
        case Kind.TOKEN:
            draft.put(place, proof.prefix + _shown(place, key))
        case Kind.BASIC:
            draft.put(place, "Basic " + encoded(key, "base64"))
        case _:
            for part in proof.parts:
                if isinstance(part, Locator) and part.root in _OUTSIDE:
                    draft.put(part, f"msg_{luck}")
            _sign(draft, recipe, key, stamp=stamp)


def _shown(place: Locator, key: bytes) -> str:
    return key.decode("latin-1") if place.root is Root.HEADER else key.decode("utf-8", "replace")


def _sign(draft: _Draft, recipe: Recipe, key: bytes, *, stamp: str | None) -> None:
    proof, place = recipe.proof, recipe.proof.place
    if place is None or place.root is Root.FORM:
        raise SettingsError(f"its signature comes in the form's field {place}; only the provider can send that")
    if place.root is Root.JSON:
        _sign_inside(draft, recipe, place, key, stamp=stamp)
    else:
        parcel = Parcel(draft.request())
        draft.put(place, _written(proof, key, _content(proof, parcel, stamp, key, NOTHING), stamp))


def _sign_inside(draft: _Draft, recipe: Recipe, place: Locator, key: bytes, *, stamp: str | None) -> None:
    """Write a signature into the body, or into each of its items."""
    parcel = Parcel(draft.request())
    document = parcel.document
    items = at(document, recipe.items) if recipe.proof.by_item and recipe.items is not None else [document]
    if not isinstance(items, list) or not items:
        raise SettingsError("its signatures come inside the items of the body, and this body has no items")
    for item in items:
        content = _content(recipe.proof, parcel, stamp, key, item)
        _set(item, place, _written(recipe.proof, key, content, stamp))
    try:
        draft.body = json_text.write(document)
    except ValueError as error:
        raise SettingsError(f"this body cannot be signed: it {error}") from None


def _set(document: Json, place: Locator, text: str) -> None:
    for step in place.pointer[:-1]:
        if not isinstance(document, dict):
            break
        document = document.setdefault(step, {})
    if not isinstance(document, dict):
        raise SettingsError(f"its signature comes inside the body at {place}, where this body has no room for one")
    document[place.pointer[-1]] = text


def _content(proof: Proof, parcel: Parcel, stamp: str | None, key: bytes, within: Json) -> bytes:
    """The bytes to sign. Raises SettingsError where the body lacks one of the texts that are signed."""
    if proof.stamp is not None and proof.stamp.place.root in {Root.JSON, Root.FORM}:
        stamp = scalar(next(iter(parcel.values(proof.stamp.place, within)), None))
    try:
        return signed_bytes(proof, parcel, stamp=stamp, key=key, within=within)
    except NotGenuine as error:
        raise SettingsError(f"this body cannot be signed: a text that its scheme signs is {error.reason}") from None


def _written(proof: Proof, key: bytes, content: bytes, stamp: str | None) -> str:
    """The signature as its place holds it: prefixed, named, and beside the timestamp where that belongs."""
    text = proof.prefix + encoded(expected(proof, key, content), proof.encoding)
    if proof.pair is None:
        return text
    text = f"{proof.names[0]}{proof.pair}{text}"
    if proof.stamp is not None and proof.stamp.place.root is Root.SIGNATURE:
        return f"{proof.stamp.place.name}{proof.pair}{stamp}{proof.split or ','}{text}"
    return text
