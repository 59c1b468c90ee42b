"""Reads the `signature` block of a mapping into a SignatureScheme, with all problems in it.

It also refuses what could be read but would protect nothing: a time or a body that the signature does not cover.
"""

from __future__ import annotations

from typing import get_args

from bridge.signature import templates
from bridge.signature.grammar import KIND_KEYS, SECRET_KEYS, SIGNATURE_KEYS, TIMESTAMP_KEYS, TOLERANCE
from bridge.signature.locators import Locator, LocatorRoot, parse_locator
from bridge.signature.recipe import (
    ASYMMETRIC,
    Algorithm,
    Clock,
    Encoding,
    KeyEncoding,
    Part,
    Placeholder,
    SchemeKind,
    SignatureScheme,
    TimestampSpec,
)
from bridge.yaml.key_reader import KeyReader


def read_scheme(reader: KeyReader, *, ids: tuple[Locator, ...], items: bool) -> SignatureScheme | None:
    """The proof that a `signature` block asks for; None where it names no kind. Problems go to the reader's.

    `ids` are the places of the webhook's id, for `{id}`; `items` is whether the body is a batch.
    """
    reader.note_missing("kind", f"say one of {', '.join(SchemeKind)}")
    kind = reader.read_choice("kind", tuple(SchemeKind))
    if kind is None:
        return None
    reader.refuse_unknown(KIND_KEYS[kind], elsewhere=SIGNATURE_KEYS, here=f"kind {kind}")
    match kind:
        case SchemeKind.NONE:
            return _read_unsigned(reader)
        case SchemeKind.BASIC:
            return SignatureScheme(kind, _AUTHORIZATION)
        case SchemeKind.TOKEN:
            return _read_token(reader)
        case SchemeKind.HMAC | SchemeKind.DIGEST | SchemeKind.ED25519 | SchemeKind.ECDSA_P256:
            return _read_signed(reader, kind, ids=ids, items=items)


_AUTHORIZATION = Locator(LocatorRoot.HEADER, "authorization", written="Authorization")
_ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
_ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_KEY_ENCODINGS: tuple[KeyEncoding, ...] = get_args(KeyEncoding)
_CLOCKS: tuple[Clock, ...] = get_args(Clock)


def _read_unsigned(reader: KeyReader) -> SignatureScheme:
    if reader.read_flag("i_accept_unsigned") is not True:
        reader.note_wrong(
            "i_accept_unsigned",
            "kind none takes every request as genuine, whoever sent it; if that is meant, say "
            "`i_accept_unsigned: true`",
        )
    return SignatureScheme(SchemeKind.NONE)


def _read_token(reader: KeyReader) -> SignatureScheme:
    place = _read_from(reader)
    if place is not None and place.root not in {LocatorRoot.HEADER, LocatorRoot.QUERY}:
        reader.note_wrong(
            "from", "a token in the body would be kept with it; it can stand in header:NAME or query:NAME"
        )
    return SignatureScheme(
        SchemeKind.TOKEN, place, prefix=_read_prefix(reader), prefix_optional=bool(reader.read_flag("prefix_optional"))
    )


def _read_signed(reader: KeyReader, kind: SchemeKind, *, ids: tuple[Locator, ...], items: bool) -> SignatureScheme:
    place = _read_from(reader)
    split, pair, names = _read_listed(reader)
    key_encoding, strip_prefix = _read_secret(reader, kind)
    stamp = _read_timestamp(reader, names=names)
    parts = _read_parts(reader, ids)
    reader.note_missing("encoding", f"say one of {', '.join(_ENCODINGS)}")
    made = SignatureScheme(
        kind,
        place,
        algorithm=_read_algorithm(reader, kind),
        encoding=reader.read_choice("encoding", _ENCODINGS) or "hex",
        split=split,
        pair=pair,
        names=names,
        prefix=_read_prefix(reader),
        prefix_optional=bool(reader.read_flag("prefix_optional")),
        parts=parts or (),
        key_encoding=key_encoding,
        strip_prefix=strip_prefix,
        stamp=stamp,
        by_item=items and place is not None and place.root is LocatorRoot.JSON,
        extension_accepted=bool(reader.read_flag("i_accept_length_extension")),
    )
    if parts is not None:
        _check_coverage(reader, made)
    return made


def _read_from(reader: KeyReader) -> Locator | None:
    reader.note_missing("from", "say where the signature stands, such as header:X-Signature")
    text = reader.read_string("from")
    if text is None:
        return None
    try:
        place = parse_locator(text)
    except ValueError as error:
        reader.note_wrong("from", str(error))
        return None
    if place.root in {LocatorRoot.SIGNATURE, LocatorRoot.BODY_SHA256}:
        reader.note_wrong("from", f"{text!r} is no place for a signature; write header:, query:, form: or json:")
        return None
    return place


def _read_listed(reader: KeyReader) -> tuple[str | None, str | None, tuple[str, ...]]:
    split, pair = reader.read_string("split"), reader.read_string("pair")
    names = tuple(text for _, text in reader.read_strings("key"))
    if pair is not None and not names:
        reader.note_wrong("pair", "`pair` needs `key`: the names whose values are signatures, such as [v1]")
    if names and pair is None:
        reader.note_wrong("key", "`key` needs `pair`: what stands between a name and its value, such as '='")
    return split, pair, names


def _read_prefix(reader: KeyReader) -> str:
    prefix = reader.read_string("prefix")
    if prefix is None and reader.read_flag("prefix_optional") is not None:
        reader.note_wrong("prefix_optional", "`prefix_optional` needs `prefix`")
    return prefix or ""


def _read_algorithm(reader: KeyReader, kind: SchemeKind) -> Algorithm:
    match kind:
        case SchemeKind.HMAC | SchemeKind.DIGEST:
            reader.note_missing("algorithm", f"say one of {', '.join(_ALGORITHMS)}")
            return reader.read_choice("algorithm", _ALGORITHMS) or "sha256"
        case SchemeKind.ECDSA_P256:
            reader.read_choice("algorithm", ("sha256",))
            return "sha256"
        case _:
            return "sha256"


def _read_secret(reader: KeyReader, kind: SchemeKind) -> tuple[KeyEncoding, str]:
    below = reader.read_below("secret")
    encoding: KeyEncoding = "utf8"
    prefix = None
    if below is not None:
        below.refuse_unknown(SECRET_KEYS)
        encoding = below.read_choice("encoding", _KEY_ENCODINGS) or "utf8"
        prefix = below.read_string("strip_prefix")
    if kind in ASYMMETRIC and encoding == "utf8":
        (below or reader).note_wrong(
            "encoding" if below else "secret",
            f"a public key of kind {kind} needs `secret: {{encoding: base64}}` or hex",
        )
    return encoding, prefix or ""


def _read_timestamp(reader: KeyReader, *, names: tuple[str, ...]) -> TimestampSpec | None:
    below = reader.read_below("timestamp")
    if below is None:
        return None
    below.refuse_unknown(TIMESTAMP_KEYS)
    below.note_missing("from", "say where the time of sending stands, such as header:X-Timestamp")
    below.note_missing("format", f"say one of {', '.join(_CLOCKS)}")
    form = below.read_choice("format", _CLOCKS)
    tolerance = below.read_seconds("tolerance")
    text = below.read_string("from")
    if text is None:
        return None
    try:
        place = parse_locator(text)
    except ValueError as error:
        below.note_wrong("from", str(error))
        return None
    if place.root is LocatorRoot.BODY_SHA256:
        below.note_wrong("from", "'body_sha256' is no place for a timestamp")
    if place.root is LocatorRoot.SIGNATURE and not names:
        below.note_wrong("from", f"{text!r} needs `pair` and `key` in `signature`")
    return TimestampSpec(place, form or "unix", TOLERANCE if tolerance is None else tolerance)


def _read_parts(reader: KeyReader, ids: tuple[Locator, ...]) -> tuple[Part, ...] | None:
    reader.note_missing("signed", 'say what is signed, such as "{timestamp}.{body}"')
    text = reader.read_string("signed")
    if text is None:
        return None
    try:
        parts = templates.parse_signed_template(text)
    except ValueError as error:
        reader.note_wrong("signed", str(error))
        return None
    named = [place for place in ids if place.root is not LocatorRoot.BODY_SHA256]
    if None in parts and len(named) != 1:
        reader.note_wrong(
            "signed", "{id} needs exactly one place under `id`; name the place itself, such as {header:NAME}"
        )
        return None
    return tuple(named[0] if part is None else part for part in parts)


def _check_coverage(reader: KeyReader, made: SignatureScheme) -> None:
    """Note where the parts do not fit together, or where what they protect would be less than it seems."""
    parts, place, stamp = made.parts, made.place, made.stamp
    if Placeholder.TIMESTAMP in parts and "timestamp" not in reader:
        reader.note_wrong("signed", "{timestamp} needs a `timestamp` block that says where it stands")
    if stamp is not None and Placeholder.TIMESTAMP not in parts and stamp.place not in parts:
        reader.note_wrong(
            "timestamp", "`signed` does not cover the timestamp, so anyone could write it; add {timestamp}"
        )
    if (made.kind is SchemeKind.DIGEST) != (Placeholder.SECRET in parts):
        reader.note_wrong(
            "signed", _SECRET if made.kind is SchemeKind.DIGEST else f"{{secret}} has no meaning for kind {made.kind}"
        )
    if made.extension_accepted and parts[-1] is Placeholder.SECRET:
        reader.note_wrong("i_accept_length_extension", "the secret stands last, so nothing can be added; leave it out")
    if not any(_of_body(part) for part in parts):
        reader.note_wrong("signed", "covers nothing of the body, so any body would pass with it; add {body}")
    if place is None:
        return
    inside = {
        LocatorRoot.JSON: {Placeholder.BODY},
        LocatorRoot.FORM: {Placeholder.BODY, Placeholder.FORM_SORTED},
        LocatorRoot.QUERY: {Placeholder.URL},
    }
    around = inside.get(place.root, set()) & set(parts)
    for word in sorted(around):
        reader.note_wrong("signed", f"{{{word}}} holds the signature itself ({place}), which cannot cover itself")


_SECRET = "kind digest without {secret} could be made by anyone; add {secret}, or use kind hmac"  # noqa: S105  a message


def _of_body(part: Part) -> bool:
    if isinstance(part, Locator):
        return part.root in {LocatorRoot.JSON, LocatorRoot.FORM}
    return part is Placeholder.BODY or part is Placeholder.FORM_SORTED
