"""Is this request genuine? Any candidate signature under any key, compared in constant time on decoded bytes.

The order of the questions makes the reasons useful: `missing`, `malformed`, `mismatch`, and `stale` only for a
request whose signature is right. Not concerned with what the request says.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from bridge.core.errors import NotGenuine
from bridge.core.json_text import Json
from bridge.core.model import Request
from bridge.signature import timestamps
from bridge.signature.keys import Key, Keys, decoded
from bridge.signature.locators import IN_HEAD, NOTHING, Locator, Parcel, Root, at, raw
from bridge.signature.recipe import Kind, Part, Proof, Recipe, Word

MAX_CANDIDATES = 10
"""Signatures of one request that are looked at; a rotation has two or three."""
MAX_ENTRIES = 64
"""Entries in a signature that is a list."""
MAX_LENGTH = 8192
"""Characters of a signature; a request with a longer one is refused unread."""


def verify(recipe: Recipe, request: Request, keys: Keys, *, now: datetime) -> None:
    """Nothing, where the request proves genuine at the time of receipt `now`.

    Raises NotGenuine, whose reason is `missing`, `malformed`, `mismatch` or `stale`.
    """
    judge(recipe, Parcel(request), keys, now=now)


def judge(recipe: Recipe, parcel: Parcel, keys: Keys, *, now: datetime) -> None:
    """The same as `verify`, of a request that others look into as well."""
    proof = recipe.proof
    match proof.kind:
        case Kind.NONE:
            return
        case Kind.TOKEN:
            _credential(_token(proof, parcel), keys)
        case Kind.BASIC:
            _credential(_basic(proof, parcel), keys)
        case Kind.HMAC | Kind.DIGEST | Kind.ED25519 | Kind.ECDSA_P256:
            for within in _signed_documents(recipe, parcel):
                _signature(proof, parcel, keys, now=now, within=within)


def judge_head(recipe: Recipe, head: Parcel, keys: Keys) -> None:
    """Nothing, where a request with this head may prove genuine once its body is there.

    Raises NotGenuine: `missing` where the signature or its timestamp should stand in the head and does not, anything
    that `judge` may raise where a token or a password proves a request, as these stand in the head whole.
    """
    proof = recipe.proof
    if proof.kind in _PROVED_BY_HEAD:
        _credential(_token(proof, head) if proof.kind is Kind.TOKEN else _basic(proof, head), keys)
        return
    for place in (proof.place, proof.stamp.place if proof.stamp else None):
        if place is not None and place.root in IN_HEAD and not any(head.values(place)):
            raise NotGenuine("missing")


def enough_headers(proof: Proof) -> tuple[str, ...]:
    """The headers of which it is enough for `judge_head` that none is blank; empty where that is not enough."""
    if proof.kind in _PROVED_BY_HEAD:
        return ()
    places = [place for place in (proof.place, proof.stamp and proof.stamp.place) if place and place.root in IN_HEAD]
    return tuple(place.name for place in places) if all(place.root is Root.HEADER for place in places) else ()


_PROVED_BY_HEAD = frozenset({Kind.TOKEN, Kind.BASIC})


def quick(recipe: Recipe, keys: Keys) -> Callable[[Parcel], bool] | None:
    """The one test that a genuine request of the plainest kind passes: an HMAC of the body alone, in one header.

    True proves it genuine; False says nothing, and `judge` finds out why. None for any other kind.
    """
    proof, place = recipe.proof, recipe.proof.place
    if proof.kind is not Kind.HMAC or proof.parts != _BODY_ALONE or place is None or place.root is not Root.HEADER:
        return None
    if proof.split is not None or proof.pair is not None or proof.stamp is not None or proof.by_item:
        return None
    keyed = [hmac.new(key, digestmod=proof.algorithm) for key in keys.values if isinstance(key, bytes)]
    name, prefix, encoding = place.name, proof.prefix, proof.encoding

    def passes(parcel: Parcel) -> bool:
        given = parcel.headers.get(name)  # where it stands twice, the two joined cannot be decoded
        if given is None or len(given) > MAX_LENGTH or not given.startswith(prefix):
            return False
        candidate, content = decoded(given.removeprefix(prefix), encoding), parcel.request.body
        return candidate is not None and any(
            [hmac.compare_digest(_digest(one, content), candidate) for one in keyed]  # noqa: C419  all are compared
        )

    return passes


def _digest(keyed: hmac.HMAC, content: bytes) -> bytes:
    """The same as `hmac.digest`, which sets up OpenSSL and the key anew each time."""
    one = keyed.copy()
    one.update(content)
    return one.digest()


def expected(proof: Proof, key: bytes, content: bytes) -> bytes:
    """What a provider that holds `key` makes of the signed bytes; for a digest they hold the key themselves."""
    if proof.kind is Kind.DIGEST:
        return hashlib.new(proof.algorithm, content).digest()
    return hmac.digest(key, content, proof.algorithm)


def signed_bytes(proof: Proof, parcel: Parcel, *, stamp: str | None, key: Key, within: Json = NOTHING) -> bytes:
    """The bytes that a signature covers, every text in them exactly as it was received.

    Raises NotGenuine where the request lacks one of them, or holds it twice.
    """
    if proof.parts == _BODY_ALONE:
        return parcel.request.body
    return b"".join(_rendered(part, parcel, stamp=stamp, key=key, within=within) for part in proof.parts)


_BODY_ALONE: tuple[Part, ...] = (Word.BODY,)


def _signed_documents(recipe: Recipe, parcel: Parcel) -> Sequence[Json]:
    """The items that carry a signature each, or NOTHING once for a request that is signed as a whole."""
    if not recipe.proof.by_item or recipe.items is None:
        return _WHOLE
    items = at(parcel.document, recipe.items)
    if not isinstance(items, list) or not items:
        raise NotGenuine("missing")
    return items


_WHOLE = (NOTHING,)


def _token(proof: Proof, parcel: Parcel) -> bytes:
    place, text = _only(proof, parcel)
    if proof.prefix and not text.startswith(proof.prefix) and not proof.prefix_optional:
        raise NotGenuine("malformed")
    return raw(place, text.removeprefix(proof.prefix))


def _basic(proof: Proof, parcel: Parcel) -> bytes:
    """`user:password` of RFC 7617, https://www.rfc-editor.org/rfc/rfc7617; compared whole, so no colon can mislead."""
    _, text = _only(proof, parcel)
    scheme, _, rest = text.partition(" ")
    content = decoded(rest.strip(" "), "base64") if scheme.lower() == "basic" else None
    if content is None:
        raise NotGenuine("malformed")
    return content


def _only(proof: Proof, parcel: Parcel) -> tuple[Locator, str]:
    if proof.place is None:
        raise NotGenuine("missing")
    return proof.place, _single(parcel.values(proof.place))


def _single(values: Sequence[str]) -> str:
    if not values or not values[0]:
        raise NotGenuine("missing")
    if len(values) > 1 or len(values[0]) > MAX_LENGTH:
        raise NotGenuine("malformed")
    return values[0]


def _credential(given: bytes, keys: Keys) -> None:
    if not any([hmac.compare_digest(given, key) for key in keys.values if isinstance(key, bytes)]):  # noqa: C419  all are compared
        raise NotGenuine("mismatch")


def _signature(proof: Proof, parcel: Parcel, keys: Keys, *, now: datetime, within: Json) -> None:
    candidates, beside = _candidates(proof, parcel, within)
    stamp, sent_at = _stamp(proof, parcel, beside, within)
    for key in keys.values:
        content = signed_bytes(proof, parcel, stamp=stamp, key=key, within=within)
        if _proves(proof, key, content, candidates):
            break
    else:
        raise NotGenuine("mismatch")
    if proof.stamp and sent_at is not None and abs(now.timestamp() - sent_at) > proof.stamp.tolerance:
        raise NotGenuine("stale")


def _candidates(proof: Proof, parcel: Parcel, within: Json) -> tuple[list[bytes], list[str]]:
    """The decoded signatures, and the texts of the timestamp that stand beside them."""
    texts, beside = _listed(proof, parcel, within)
    if not texts:
        raise NotGenuine("missing")
    candidates: list[bytes] = []
    for text in texts[:MAX_CANDIDATES]:
        if proof.prefix and not text.startswith(proof.prefix) and not proof.prefix_optional:
            continue
        candidate = decoded(text.removeprefix(proof.prefix), proof.encoding)
        if candidate:
            candidates.append(candidate)
    if not candidates:
        raise NotGenuine("malformed")
    return candidates, beside


def _listed(proof: Proof, parcel: Parcel, within: Json) -> tuple[list[str], list[str]]:
    if proof.place is None:
        raise NotGenuine("missing")
    values = parcel.values(proof.place, within)
    if proof.split is None:
        entries = [_single(values)]
    elif sum(map(len, values)) > MAX_LENGTH:
        raise NotGenuine("malformed")
    else:
        entries = [entry for value in values for entry in value.split(proof.split)]
    if len(entries) > MAX_ENTRIES:
        raise NotGenuine("malformed")
    if proof.pair is None:
        # whole signatures, joined by a proxy that folded two header lines into one, come with a blank between
        return [text for entry in entries if (text := entry.strip(" \t"))], []
    return _paired(proof, proof.pair, entries)


def _paired(proof: Proof, pair: str, entries: Sequence[str]) -> tuple[list[str], list[str]]:
    """The values under the wanted names and those under the timestamp's; each entry is cut once, as base64 has `=`."""
    beside_name = proof.stamp.place.name if proof.stamp and proof.stamp.place.root is Root.SIGNATURE else None
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


def _stamp(proof: Proof, parcel: Parcel, beside: list[str], within: Json) -> tuple[str | None, float | None]:
    """The timestamp's text as received, and its Unix seconds; of several beside the signatures the first counts."""
    if proof.stamp is None:
        return None, None
    place = proof.stamp.place
    text = _single(beside[:1] if place.root is Root.SIGNATURE else parcel.values(place, within))
    sent_at = timestamps.seconds(text, proof.stamp.form)
    if sent_at is None:
        raise NotGenuine("malformed")
    return text, sent_at


def _rendered(part: Part, parcel: Parcel, *, stamp: str | None, key: Key, within: Json) -> bytes:  # noqa: PLR0911  one a word
    match part:
        case bytes():
            return part
        case Locator():
            return _located(part, parcel, within)
        case Word.BODY:
            return parcel.request.body
        case Word.TIMESTAMP:
            return (stamp or "").encode("latin-1")
        case Word.URL:
            if parcel.request.url is None:
                raise NotGenuine("missing")
            return parcel.request.url.encode("utf-8", "surrogatepass")
        case Word.METHOD:
            return parcel.request.method.encode("utf-8", "surrogatepass")
        case Word.SECRET:
            return key if isinstance(key, bytes) else b""
        case Word.FORM_SORTED:
            return _form_sorted(parcel)


def _located(place: Locator, parcel: Parcel, within: Json) -> bytes:
    """The text at a place; a JSON field that is missing or null is empty, as in Adyen's scheme, others must be there.

    An object or list is no text: taken as empty, it could be slipped in beside a signature that does not cover it.
    """
    if place.root is Root.JSON:
        if isinstance(parcel.json(place, within), dict | list):
            raise NotGenuine("malformed")
        return raw(place, next(iter(parcel.values(place, within)), ""))
    values = parcel.values(place)
    if len(values) > 1:
        raise NotGenuine("malformed")
    if not values:
        raise NotGenuine("missing")
    return raw(place, values[0])


def _form_sorted(parcel: Parcel) -> bytes:
    """Every form field's name and value, sorted, doubles once.

    Source: https://github.com/twilio/twilio-python/blob/main/twilio/request_validator.py
    """
    fields = sorted(set(parcel.form))
    return "".join(name + value for name, value in fields).encode("utf-8", "surrogateescape")


def _proves(proof: Proof, key: Key, content: bytes, candidates: Sequence[bytes]) -> bool:
    if isinstance(key, bytes):
        wanted = expected(proof, key, content)
        return any([hmac.compare_digest(wanted, candidate) for candidate in candidates])  # noqa: C419  all are compared
    return any(key.proves(content, candidate) for candidate in candidates)
