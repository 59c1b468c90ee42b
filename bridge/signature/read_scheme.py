"""The `signature` block of a mapping, read into a Proof; every sentence that can be said against one.

Refused is also what would be read but protect nothing: a time or a body that the signature does not cover.
Not concerned with ids, topics and challenges.
"""

from __future__ import annotations

from bridge.signature import templates
from bridge.signature.locators import Locator, Root, locator
from bridge.signature.reader import Sheet
from bridge.signature.recipe import (
    ASYMMETRIC,
    Algorithm,
    Clock,
    Encoding,
    KeyEncoding,
    Kind,
    Part,
    Proof,
    Stamp,
    Word,
)

TOLERANCE = 300
"""Seconds a timestamp may differ where a recipe says nothing: what Stripe, Slack and Standard Webhooks use."""


def proof(sheet: Sheet, *, ids: tuple[Locator, ...], items: bool) -> Proof | None:
    """The proof that a `signature` block asks for; None where it names no kind. Problems go to the sheet.

    `ids` are the places of the webhook's id, for `{id}`; `items` is whether the body is a batch.
    """
    sheet.missing("kind", f"say one of {', '.join(Kind)}")
    kind = sheet.choice("kind", tuple(Kind))
    if kind is None:
        return None
    sheet.only(KEYS[kind], elsewhere=_EVERY_KEY, here=f"kind {kind}")
    match kind:
        case Kind.NONE:
            return _unsigned(sheet)
        case Kind.BASIC:
            return Proof(kind, _AUTHORIZATION)
        case Kind.TOKEN:
            return _token(sheet)
        case Kind.HMAC | Kind.DIGEST | Kind.ED25519 | Kind.ECDSA_P256:
            return _signed(sheet, kind, ids=ids, items=items)


_AUTHORIZATION = Locator(Root.HEADER, "authorization", written="Authorization")
_PREFIX = ("prefix", "prefix_optional")
_TEXT = ("encoding", "from", "split", "pair", "key", *_PREFIX, "signed", "secret", "timestamp")
KEYS: dict[Kind, tuple[str, ...]] = {
    Kind.HMAC: ("kind", "algorithm", *_TEXT),
    Kind.DIGEST: ("kind", "algorithm", *_TEXT, "i_accept_length_extension"),
    Kind.ECDSA_P256: ("kind", "algorithm", *_TEXT),
    Kind.ED25519: ("kind", *_TEXT),
    Kind.TOKEN: ("kind", "from", *_PREFIX),
    Kind.BASIC: ("kind",),
    Kind.NONE: ("kind", "i_accept_unsigned"),
}
_EVERY_KEY = tuple({key: None for keys in KEYS.values() for key in keys})
_ALGORITHMS: tuple[Algorithm, ...] = ("sha256", "sha1", "sha512")
_ENCODINGS: tuple[Encoding, ...] = ("hex", "base64")
_KEY_ENCODINGS: tuple[KeyEncoding, ...] = ("utf8", "base64", "hex")
_CLOCKS: tuple[Clock, ...] = ("unix", "unix_ms", "rfc3339", "http_date")


def _unsigned(sheet: Sheet) -> Proof:
    if sheet.flag("i_accept_unsigned") is not True:
        sheet.wrong(
            "i_accept_unsigned",
            "kind none takes every request as genuine, whoever sent it; if that is meant, say `i_accept_unsigned: true`",
        )
    return Proof(Kind.NONE)


def _token(sheet: Sheet) -> Proof:
    place = _from(sheet)
    if place is not None and place.root not in {Root.HEADER, Root.QUERY}:
        sheet.wrong("from", "a token in the body would be kept with it; it can stand in header:NAME or query:NAME")
    return Proof(Kind.TOKEN, place, prefix=_prefix(sheet), prefix_optional=bool(sheet.flag("prefix_optional")))


def _signed(sheet: Sheet, kind: Kind, *, ids: tuple[Locator, ...], items: bool) -> Proof:
    place = _from(sheet)
    split, pair, names = _listed(sheet)
    key_encoding, strip_prefix = _secret(sheet, kind)
    stamp = _stamp(sheet, names=names)
    parts = _parts(sheet, ids)
    sheet.missing("encoding", f"say one of {', '.join(_ENCODINGS)}")
    made = Proof(
        kind,
        place,
        algorithm=_algorithm(sheet, kind),
        encoding=sheet.choice("encoding", _ENCODINGS) or "hex",
        split=split,
        pair=pair,
        names=names,
        prefix=_prefix(sheet),
        prefix_optional=bool(sheet.flag("prefix_optional")),
        parts=parts or (),
        key_encoding=key_encoding,
        strip_prefix=strip_prefix,
        stamp=stamp,
        by_item=items and place is not None and place.root is Root.JSON,
        extension_accepted=bool(sheet.flag("i_accept_length_extension")),
    )
    if parts is not None:
        _protects(sheet, made)
    return made


def _from(sheet: Sheet) -> Locator | None:
    sheet.missing("from", "say where the signature stands, such as header:X-Signature")
    text = sheet.text("from")
    if text is None:
        return None
    try:
        place = locator(text)
    except ValueError as error:
        sheet.wrong("from", str(error))
        return None
    if place.root in {Root.SIGNATURE, Root.BODY_SHA256}:
        sheet.wrong("from", f"{text!r} is no place for a signature; write header:, query:, form: or json:")
        return None
    return place


def _listed(sheet: Sheet) -> tuple[str | None, str | None, tuple[str, ...]]:
    split, pair = sheet.text("split"), sheet.text("pair")
    names = tuple(text for _, text in sheet.texts("key"))
    if pair is not None and not names:
        sheet.wrong("pair", "`pair` needs `key`: the names whose values are signatures, such as [v1]")
    if names and pair is None:
        sheet.wrong("key", "`key` needs `pair`: what stands between a name and its value, such as '='")
    return split, pair, names


def _prefix(sheet: Sheet) -> str:
    prefix = sheet.text("prefix")
    if prefix is None and sheet.flag("prefix_optional") is not None:
        sheet.wrong("prefix_optional", "`prefix_optional` needs `prefix`")
    return prefix or ""


def _algorithm(sheet: Sheet, kind: Kind) -> Algorithm:
    match kind:
        case Kind.HMAC | Kind.DIGEST:
            sheet.missing("algorithm", f"say one of {', '.join(_ALGORITHMS)}")
            return sheet.choice("algorithm", _ALGORITHMS) or "sha256"
        case Kind.ECDSA_P256:
            sheet.choice("algorithm", ("sha256",))
            return "sha256"
        case _:
            return "sha256"


def _secret(sheet: Sheet, kind: Kind) -> tuple[KeyEncoding, str]:
    below = sheet.sheet("secret")
    encoding: KeyEncoding = "utf8"
    prefix = None
    if below is not None:
        below.only(("encoding", "strip_prefix"))
        encoding = below.choice("encoding", _KEY_ENCODINGS) or "utf8"
        prefix = below.text("strip_prefix")
    if kind in ASYMMETRIC and encoding == "utf8":
        (below or sheet).wrong(
            "encoding" if below else "secret",
            f"a public key of kind {kind} needs `secret: {{encoding: base64}}` or hex",
        )
    return encoding, prefix or ""


def _stamp(sheet: Sheet, *, names: tuple[str, ...]) -> Stamp | None:
    below = sheet.sheet("timestamp")
    if below is None:
        return None
    below.only(("from", "format", "tolerance"))
    below.missing("from", "say where the time of sending stands, such as header:X-Timestamp")
    below.missing("format", f"say one of {', '.join(_CLOCKS)}")
    form = below.choice("format", _CLOCKS)
    tolerance = below.seconds("tolerance")
    text = below.text("from")
    if text is None:
        return None
    try:
        place = locator(text)
    except ValueError as error:
        below.wrong("from", str(error))
        return None
    if place.root is Root.BODY_SHA256:
        below.wrong("from", "'body_sha256' is no place for a timestamp")
    if place.root is Root.SIGNATURE and not names:
        below.wrong("from", f"{text!r} needs `pair` and `key` in `signature`")
    return Stamp(place, form or "unix", TOLERANCE if tolerance is None else tolerance)


def _parts(sheet: Sheet, ids: tuple[Locator, ...]) -> tuple[Part, ...] | None:
    sheet.missing("signed", 'say what is signed, such as "{timestamp}.{body}"')
    text = sheet.text("signed")
    if text is None:
        return None
    try:
        parts = templates.signed(text)
    except ValueError as error:
        sheet.wrong("signed", str(error))
        return None
    named = [place for place in ids if place.root is not Root.BODY_SHA256]
    if None in parts and len(named) != 1:
        sheet.wrong("signed", "{id} needs exactly one place under `id`; name the place itself, such as {header:NAME}")
        return None
    return tuple(named[0] if part is None else part for part in parts)


def _protects(sheet: Sheet, made: Proof) -> None:
    """Note where the parts do not fit together, or where what they protect would be less than it seems."""
    parts, place, stamp = made.parts, made.place, made.stamp
    if Word.TIMESTAMP in parts and "timestamp" not in sheet:
        sheet.wrong("signed", "{timestamp} needs a `timestamp` block that says where it stands")
    if stamp is not None and Word.TIMESTAMP not in parts and stamp.place not in parts:
        sheet.wrong("timestamp", "`signed` does not cover the timestamp, so anyone could write it; add {timestamp}")
    if (made.kind is Kind.DIGEST) != (Word.SECRET in parts):
        sheet.wrong(
            "signed", _SECRET if made.kind is Kind.DIGEST else f"{{secret}} has no meaning for kind {made.kind}"
        )
    if made.extension_accepted and parts[-1] is Word.SECRET:
        sheet.wrong("i_accept_length_extension", "the secret stands last, so nothing can be added; leave it out")
    if not any(_of_body(part) for part in parts):
        sheet.wrong("signed", "covers nothing of the body, so any body would pass with it; add {body}")
    if place is None:
        return
    inside = {Root.JSON: {Word.BODY}, Root.FORM: {Word.BODY, Word.FORM_SORTED}, Root.QUERY: {Word.URL}}
    around = inside.get(place.root, set()) & set(parts)
    for word in sorted(around):
        sheet.wrong("signed", f"{{{word}}} holds the signature itself ({place}), which cannot cover itself")


_SECRET = "kind digest without {secret} could be made by anyone; add {secret}, or use kind hmac"  # noqa: S105  a message


def _of_body(part: Part) -> bool:
    if isinstance(part, Locator):
        return part.root in {Root.JSON, Root.FORM}
    return part is Word.BODY or part is Word.FORM_SORTED
