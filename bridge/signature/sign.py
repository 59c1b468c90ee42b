"""A request as its provider would send it, so that a source can be tried without the provider.

The result is verified before it is returned.
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
from bridge.signature.keys import SigningKeys, encode_bytes
from bridge.signature.locators import NOTHING, Locator, LocatorRoot, RequestView, scalar_text, value_at
from bridge.signature.recipe import ASYMMETRIC, Recipe, SchemeKind, SignatureScheme, needs_secret, needs_url
from bridge.signature.verify import expected_signature, signed_bytes, verify_view


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What to post: headers, body, and a query string without its question mark."""

    headers: Mapping[str, str]
    body: bytes
    query: str = ""


def sign_request(  # noqa: PLR0913  all that a provider puts into a request, by name
    recipe: Recipe, body: bytes, keys: SigningKeys, *, topic: str | None, now: datetime, nonce: str, url: str | None
) -> SignedRequest:
    """`body` as the provider would sign and send it at `now`, `nonce` (a few random letters) in the ids of headers.

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
    draft = _RequestDraft(body, url)
    _name_webhook(draft, recipe, topic=topic, nonce=nonce)
    stamp = _put_timestamp(draft, proof, now)
    _put_proof(draft, recipe, keys, stamp=stamp, nonce=nonce)
    try:
        verify_view(recipe, RequestView(draft.as_request()), keys, now=now)
    except NotGenuine as error:
        raise SettingsError(f"this body cannot be made to prove genuine: {error.reason}") from None
    return SignedRequest(draft.headers, draft.body, urlencode(draft.query))


@dataclass(slots=True)
class _RequestDraft:
    """A request in the making."""

    body: bytes
    url: str | None
    headers: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        json_like = self.body.lstrip()[:1] in {b"{", b"["}
        self.headers["Content-Type"] = "application/json" if json_like else "application/x-www-form-urlencoded"

    def put_text(self, place: Locator, text: str) -> None:
        """Write `text` at a place outside the body, once; what is there already stays."""
        if place.root is LocatorRoot.HEADER:
            if place.name not in {name.lower() for name in self.headers}:
                self.headers[place.written] = text
        elif place.name not in {name for name, _ in self.query}:
            self.query.append((place.name, text))

    def as_request(self) -> Request:
        """The request as it would arrive."""
        query = urlencode(self.query)
        url = self.url
        if url is not None and query:
            url += ("&" if "?" in url else "?") + query
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        return Request("POST", headers, self.body, query=tuple(self.query), url=url)


_OUTSIDE = (LocatorRoot.HEADER, LocatorRoot.QUERY)


def _name_webhook(draft: _RequestDraft, recipe: Recipe, *, topic: str | None, nonce: str) -> None:
    _name_topic(draft, recipe, topic)
    for entry in recipe.id:
        if entry.place.root in _OUTSIDE:
            draft.put_text(entry.place, f"msg_{nonce}")


def _name_topic(draft: _RequestDraft, recipe: Recipe, topic: str | None) -> None:
    outside = next((place for place in recipe.topic if place.root in _OUTSIDE), None)
    inside = _topics_inside(recipe, draft)
    if topic is None:
        if outside is not None and not inside:
            raise SettingsError(f"its topic comes in {outside}; say which topic it is, such as --topic NAME")
    elif outside is not None and (outside == recipe.topic[0] or not inside):
        if not (topic.isascii() and topic.isprintable() and topic.strip()):
            raise SettingsError("a topic that comes in a header must be plain ASCII text")
        draft.put_text(outside, topic)
    elif topic not in inside:
        places = ", ".join(map(str, recipe.topic)) or "nowhere"
        raise SettingsError(f"its topic comes from the body ({places}), which says another; leave the topic out")


def _topics_inside(recipe: Recipe, draft: _RequestDraft) -> list[str]:
    view = RequestView(draft.as_request())
    items: Json = (NOTHING,) if recipe.items is None else value_at(view.json_document, recipe.items)
    within = items if isinstance(items, list | tuple) else ()
    inside = [place for place in recipe.topic if place.root not in _OUTSIDE]
    return [text for item in within for place in inside for text in view.values_at(place, item)]


def _put_timestamp(draft: _RequestDraft, proof: SignatureScheme, now: datetime) -> str | None:
    """The timestamp's text, written where it belongs; one inside the body stays as the body has it."""
    if proof.stamp is None:
        return None
    text = timestamps.format_timestamp(now, proof.stamp.form)
    if proof.stamp.place.root in _OUTSIDE:
        draft.put_text(proof.stamp.place, text)
    return text


def _put_proof(draft: _RequestDraft, recipe: Recipe, keys: SigningKeys, *, stamp: str | None, nonce: str) -> None:
    proof, place = recipe.proof, recipe.proof.place
    key = keys.values[0] if keys.values else b""
    if place is None or not isinstance(key, bytes):
        return
    match proof.kind:
        case SchemeKind.TOKEN:
            draft.put_text(place, proof.prefix + _put_token(place, key))
        case SchemeKind.BASIC:
            draft.put_text(place, "Basic " + encode_bytes(key, "base64"))
        case _:
            for part in proof.parts:
                if isinstance(part, Locator) and part.root in _OUTSIDE:
                    draft.put_text(part, f"msg_{nonce}")
            _put_signature(draft, recipe, key, stamp=stamp)


def _put_token(place: Locator, key: bytes) -> str:
    return key.decode("latin-1") if place.root is LocatorRoot.HEADER else key.decode("utf-8", "replace")


def _put_signature(draft: _RequestDraft, recipe: Recipe, key: bytes, *, stamp: str | None) -> None:
    proof, place = recipe.proof, recipe.proof.place
    if place is None or place.root is LocatorRoot.FORM:
        raise SettingsError(f"its signature comes in the form's field {place}; only the provider can send that")
    if place.root is LocatorRoot.JSON:
        _sign_inside(draft, recipe, place, key, stamp=stamp)
    else:
        view = RequestView(draft.as_request())
        draft.put_text(place, _format_signature(proof, key, _signed_content(proof, view, stamp, key, NOTHING), stamp))


def _sign_inside(draft: _RequestDraft, recipe: Recipe, place: Locator, key: bytes, *, stamp: str | None) -> None:
    """Write a signature into the body, or into each of its items."""
    view = RequestView(draft.as_request())
    document = view.json_document
    items = value_at(document, recipe.items) if recipe.proof.by_item and recipe.items is not None else [document]
    if not isinstance(items, list) or not items:
        raise SettingsError("its signatures come inside the items of the body, and this body has no items")
    for item in items:
        content = _signed_content(recipe.proof, view, stamp, key, item)
        _set_in_document(item, place, _format_signature(recipe.proof, key, content, stamp))
    try:
        draft.body = json_text.write_json(document)
    except ValueError as error:
        raise SettingsError(f"this body cannot be signed: it {error}") from None


def _set_in_document(document: Json, place: Locator, text: str) -> None:
    for step in place.pointer[:-1]:
        if not isinstance(document, dict):
            break
        document = document.setdefault(step, {})
    if not isinstance(document, dict):
        raise SettingsError(f"its signature comes inside the body at {place}, where this body has no room for one")
    document[place.pointer[-1]] = text


def _signed_content(proof: SignatureScheme, view: RequestView, stamp: str | None, key: bytes, within: Json) -> bytes:
    """The bytes to sign. Raises SettingsError where the body lacks one of the texts that are signed."""
    if proof.stamp is not None and proof.stamp.place.root in {LocatorRoot.JSON, LocatorRoot.FORM}:
        stamp = scalar_text(next(iter(view.values_at(proof.stamp.place, within)), None))
    try:
        return signed_bytes(proof, view, stamp=stamp, key=key, within=within)
    except NotGenuine as error:
        raise SettingsError(f"this body cannot be signed: a text that its scheme signs is {error.reason}") from None


def _format_signature(proof: SignatureScheme, key: bytes, content: bytes, stamp: str | None) -> str:
    """The signature as its place holds it: prefixed, named, and beside the timestamp where that belongs."""
    text = proof.prefix + encode_bytes(expected_signature(proof, key, content), proof.encoding)
    if proof.pair is None:
        return text
    text = f"{proof.names[0]}{proof.pair}{text}"
    if proof.stamp is not None and proof.stamp.place.root is LocatorRoot.SIGNATURE:
        return f"{proof.stamp.place.name}{proof.pair}{stamp}{proof.split or ','}{text}"
    return text
