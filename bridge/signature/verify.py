"""Whether a request is genuine: any candidate signature under any key, compared in constant time on decoded bytes.

The order of the checks makes the reasons useful: `missing`, `malformed`, `mismatch`, and `stale` only for a request
whose signature is right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bridge.core.errors import NotGenuine
from bridge.core.json_text import Json
from bridge.core.model import Request
from bridge.signature import timestamps
from bridge.signature.keys import Key, SigningKeys, decode_text
from bridge.signature.locators import IN_HEAD, NOTHING, Locator, LocatorRoot, RequestView, raw_bytes, value_at
from bridge.signature.recipe import Part, Placeholder, Recipe, SchemeKind, SignatureScheme

MAX_CANDIDATES = 10
"""Signatures of one request that are looked at; a rotation has two or three."""
MAX_ENTRIES = 64
"""Entries in a signature that is a list."""
MAX_LENGTH = 8192
"""Characters of a signature; a request with a longer one is refused unread."""

_MOST_SKEW = 1e9
"""Seconds by which a clock is said to be off, at most: 31 years."""


def verify_request(recipe: Recipe, request: Request, keys: SigningKeys, *, now: datetime) -> None:
    """Nothing, where the request proves genuine at the time of receipt `now`.

    Raises NotGenuine, whose reason is `missing`, `malformed`, `mismatch` or `stale`.
    """
    verify_view(recipe, RequestView(request), keys, now=now)


def verify_view(recipe: Recipe, view: RequestView, keys: SigningKeys, *, now: datetime) -> None:
    """The same as `verify_request`, of a request that others look into as well."""
    proof = recipe.proof
    match proof.kind:
        case SchemeKind.NONE:
            return
        case SchemeKind.TOKEN:
            _verify_credential(_verify_token(proof, view), keys)
        case SchemeKind.BASIC:
            _verify_credential(_basic_credential(proof, view), keys)
        case SchemeKind.HMAC | SchemeKind.DIGEST | SchemeKind.ED25519 | SchemeKind.ECDSA_P256:
            for within in _signed_documents(recipe, view):
                _verify_signature(proof, view, keys, now=now, within=within)


def judge_head(recipe: Recipe, head: RequestView, keys: SigningKeys) -> None:
    """Nothing, where a request with this head may prove genuine once its body is there.

    Raises NotGenuine: `missing` where the signature or its timestamp should be in the head and does not, anything
    that `verify_view` may raise where a token or a password proves a request, as these are in the head whole.
    """
    proof = recipe.proof
    if proof.kind in _PROVED_BY_HEAD:
        _verify_credential(
            _verify_token(proof, head) if proof.kind is SchemeKind.TOKEN else _basic_credential(proof, head), keys
        )
        return
    for place in (proof.place, proof.stamp.place if proof.stamp else None):
        if place is not None and place.root in IN_HEAD and not any(head.values_at(place)):
            raise NotGenuine("missing")


def enough_headers(proof: SignatureScheme) -> tuple[str, ...]:
    """The headers of which it is enough for `judge_head` that none is blank; empty where that is not enough."""
    if proof.kind in _PROVED_BY_HEAD:
        return ()
    places = [place for place in (proof.place, proof.stamp and proof.stamp.place) if place and place.root in IN_HEAD]
    return tuple(place.name for place in places) if all(place.root is LocatorRoot.HEADER for place in places) else ()


_PROVED_BY_HEAD = frozenset({SchemeKind.TOKEN, SchemeKind.BASIC})


def quick_test(recipe: Recipe, keys: SigningKeys) -> Callable[[RequestView], bool] | None:
    """The one test that a genuine request of the plainest kind passes: an HMAC of the body alone, in one header.

    True proves it genuine; False says nothing, and `verify_view` finds out why. None for any other kind.
    """
    proof, place = recipe.proof, recipe.proof.place
    if (
        proof.kind is not SchemeKind.HMAC
        or proof.parts != _BODY_ALONE
        or place is None
        or place.root is not LocatorRoot.HEADER
    ):
        return None
    if proof.split is not None or proof.pair is not None or proof.stamp is not None or proof.by_item:
        return None
    keyed = [hmac.new(key, digestmod=proof.algorithm) for key in keys.values if isinstance(key, bytes)]
    name, prefix, encoding = place.name, proof.prefix, proof.encoding

    def passes(view: RequestView) -> bool:
        given = view.headers.get(name)  # where it is twice, the two joined cannot be decoded
        if given is None or len(given) > MAX_LENGTH or not given.startswith(prefix):
            return False
        candidate, content = decode_text(given.removeprefix(prefix), encoding), view.request.body
        return candidate is not None and any(
            [hmac.compare_digest(_hmac_digest(one, content), candidate) for one in keyed]  # noqa: C419  all are compared
        )

    return passes


def _hmac_digest(keyed: hmac.HMAC, content: bytes) -> bytes:
    """The same as `hmac.digest`, which sets up OpenSSL and the key again each time."""
    one = keyed.copy()
    one.update(content)
    return one.digest()


def expected_signature(proof: SignatureScheme, key: bytes, content: bytes) -> bytes:
    """What a provider that holds `key` makes of the signed bytes; for a digest they hold the key themselves."""
    if proof.kind is SchemeKind.DIGEST:
        return hashlib.new(proof.algorithm, content).digest()
    return hmac.digest(key, content, proof.algorithm)


def signed_bytes(
    proof: SignatureScheme, view: RequestView, *, stamp: str | None, key: Key, within: Json = NOTHING
) -> bytes:
    """The bytes that a signature covers, every text in them exactly as it was received.

    Raises NotGenuine where the request lacks one of them, or holds it twice.
    """
    if proof.parts == _BODY_ALONE:
        return view.request.body
    return b"".join(_render_part(part, view, stamp=stamp, key=key, within=within) for part in proof.parts)


_BODY_ALONE: tuple[Part, ...] = (Placeholder.BODY,)


def _signed_documents(recipe: Recipe, view: RequestView) -> Sequence[Json]:
    """The items that carry a signature each, or NOTHING once for a request that is signed as a whole."""
    if not recipe.proof.by_item or recipe.items is None:
        return _WHOLE
    items = value_at(view.json_document, recipe.items)
    if not isinstance(items, list) or not items:
        raise NotGenuine("missing")
    return items


_WHOLE = (NOTHING,)


def _verify_token(proof: SignatureScheme, view: RequestView) -> bytes:
    place, text = _only_value(proof, view)
    if proof.prefix and not text.startswith(proof.prefix) and not proof.prefix_optional:
        raise NotGenuine("malformed")
    return raw_bytes(place, text.removeprefix(proof.prefix))


def _basic_credential(proof: SignatureScheme, view: RequestView) -> bytes:
    """`user:password` of RFC 7617, https://www.rfc-editor.org/rfc/rfc7617; compared whole, so no colon can mislead."""
    _, text = _only_value(proof, view)
    scheme, _, rest = text.partition(" ")
    content = decode_text(rest.strip(" "), "base64") if scheme.lower() == "basic" else None
    if content is None:
        raise NotGenuine("malformed")
    return content


def _only_value(proof: SignatureScheme, view: RequestView) -> tuple[Locator, str]:
    if proof.place is None:
        raise NotGenuine("missing")
    return proof.place, _single_value(view.values_at(proof.place))


def _single_value(values: Sequence[str]) -> str:
    if not values or not values[0]:
        raise NotGenuine("missing")
    if len(values) > 1 or len(values[0]) > MAX_LENGTH:
        raise NotGenuine("malformed")
    return values[0]


def _verify_credential(given: bytes, keys: SigningKeys) -> None:
    if not any([hmac.compare_digest(given, key) for key in keys.values if isinstance(key, bytes)]):  # noqa: C419  all are compared
        raise NotGenuine("mismatch")


def _verify_signature(
    proof: SignatureScheme, view: RequestView, keys: SigningKeys, *, now: datetime, within: Json
) -> None:
    candidates, beside = _find_candidates(proof, view, within)
    stamp, sent_at = _find_timestamp(proof, view, beside, within)
    for key in keys.values:
        content = signed_bytes(proof, view, stamp=stamp, key=key, within=within)
        if _matches_any(proof, key, content, candidates):
            break
    else:
        raise NotGenuine("mismatch")
    if proof.stamp and sent_at is not None and abs(ahead := now.timestamp() - sent_at) > proof.stamp.tolerance:
        raise NotGenuine("stale", skew=timedelta(seconds=max(-_MOST_SKEW, min(ahead, _MOST_SKEW))))


def _find_candidates(proof: SignatureScheme, view: RequestView, within: Json) -> tuple[list[bytes], list[str]]:
    """The decoded signatures, and the texts of the timestamp that are beside them."""
    texts, beside = _listed_signatures(proof, view, within)
    if not texts:
        raise NotGenuine("missing")
    candidates: list[bytes] = []
    for text in texts[:MAX_CANDIDATES]:
        if proof.prefix and not text.startswith(proof.prefix) and not proof.prefix_optional:
            continue
        candidate = decode_text(text.removeprefix(proof.prefix), proof.encoding)
        if candidate:
            candidates.append(candidate)
    if not candidates:
        raise NotGenuine("malformed")
    return candidates, beside


def _listed_signatures(proof: SignatureScheme, view: RequestView, within: Json) -> tuple[list[str], list[str]]:
    if proof.place is None:
        raise NotGenuine("missing")
    values = view.values_at(proof.place, within)
    if proof.split is None:
        entries = [_single_value(values)]
    elif sum(map(len, values)) > MAX_LENGTH:
        raise NotGenuine("malformed")
    else:
        entries = [entry for value in values for entry in value.split(proof.split)]
    if len(entries) > MAX_ENTRIES:
        raise NotGenuine("malformed")
    if proof.pair is None:
        # whole signatures, joined by a proxy that folded two header lines into one, come with a blank between
        return [text for entry in entries if (text := entry.strip(" \t"))], []
    return _paired_values(proof, proof.pair, entries)


def _paired_values(proof: SignatureScheme, pair: str, entries: Sequence[str]) -> tuple[list[str], list[str]]:
    """The values under the wanted names and those under the timestamp's; each entry is cut once, as base64 has `=`."""
    beside_name = proof.stamp.place.name if proof.stamp and proof.stamp.place.root is LocatorRoot.SIGNATURE else None
    texts: list[str] = []
    beside: list[str] = []
    for entry in entries:
        name, cut, value = entry.partition(pair)
        if name != beside_name and name not in proof.names:
            continue
        if not cut:
            raise NotGenuine("malformed")
        (beside if name == beside_name else texts).append(value)
    return texts, beside


def _find_timestamp(
    proof: SignatureScheme, view: RequestView, beside: list[str], within: Json
) -> tuple[str | None, float | None]:
    """The timestamp's text as received, and its Unix seconds; of several beside the signatures the first counts."""
    if proof.stamp is None:
        return None, None
    place = proof.stamp.place
    text = _single_value(beside[:1] if place.root is LocatorRoot.SIGNATURE else view.values_at(place, within))
    sent_at = timestamps.parse_timestamp(text, proof.stamp.form)
    if sent_at is None:
        raise NotGenuine("malformed")
    return text, sent_at


def _render_part(part: Part, view: RequestView, *, stamp: str | None, key: Key, within: Json) -> bytes:  # noqa: PLR0911  one a word
    match part:
        case bytes():
            return part
        case Locator():
            return _text_at(part, view, within)
        case Placeholder.BODY:
            return view.request.body
        case Placeholder.TIMESTAMP:
            return (stamp or "").encode("latin-1")
        case Placeholder.URL:
            if view.request.url is None:
                raise NotGenuine("missing")
            return view.request.url.encode("utf-8", "surrogatepass")
        case Placeholder.METHOD:
            return view.request.method.encode("utf-8", "surrogatepass")
        case Placeholder.SECRET:
            return key if isinstance(key, bytes) else b""
        case Placeholder.FORM_SORTED:
            return _form_sorted(view)


def _text_at(place: Locator, view: RequestView, within: Json) -> bytes:
    """The text at a place; a JSON field that is missing or null is empty, as in Adyen's scheme, others must be there.

    An object or list is no text: taken as empty, it could be slipped in beside a signature that does not cover it.
    """
    if place.root is LocatorRoot.JSON:
        if isinstance(view.json_at(place, within), dict | list):
            raise NotGenuine("malformed")
        return raw_bytes(place, next(iter(view.values_at(place, within)), ""))
    values = view.values_at(place)
    if len(values) > 1:
        raise NotGenuine("malformed")
    if not values:
        raise NotGenuine("missing")
    return raw_bytes(place, values[0])


def _form_sorted(view: RequestView) -> bytes:
    """Every form field's name and value, sorted, doubles once.

    Source: https://github.com/twilio/twilio-python/blob/main/twilio/request_validator.py
    """
    fields = sorted(set(view.form_fields))
    return "".join(name + value for name, value in fields).encode("utf-8", "surrogateescape")


def _matches_any(proof: SignatureScheme, key: Key, content: bytes, candidates: Sequence[bytes]) -> bool:
    if isinstance(key, bytes):
        wanted = expected_signature(proof, key, content)
        return any([hmac.compare_digest(wanted, candidate) for candidate in candidates])  # noqa: C419  all are compared
    return any(key.verify_signature(content, candidate) for candidate in candidates)
