"""The parts of a signature scheme, once they are read and checked.

Frozen values, prepared so that a request costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from bridge.signature.locators import Locator, LocatorRoot


class SchemeKind(StrEnum):
    """How a request proves genuine."""

    HMAC = "hmac"
    DIGEST = "digest"
    TOKEN = "token"  # noqa: S105  the word of the mapping language, no password
    BASIC = "basic"
    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa_p256"
    NONE = "none"


ASYMMETRIC = frozenset({SchemeKind.ED25519, SchemeKind.ECDSA_P256})

Algorithm = Literal["sha256", "sha1", "sha512"]
"""Names of hashlib. To add one, write it here and in `mappings/README.md`; the mapping language then takes it.

`weaknesses.is_extensible` says which of them a digest with a secret can be extended under.
"""
Encoding = Literal["hex", "base64"]
KeyEncoding = Literal["utf8", "base64", "hex"]
Clock = Literal["unix", "unix_ms", "rfc3339", "http_date"]


class Placeholder(StrEnum):
    """What a `signed` template can hold beside constants and locators."""

    BODY = "body"
    TIMESTAMP = "timestamp"
    URL = "url"
    METHOD = "method"
    SECRET = "secret"  # noqa: S105  a placeholder's name, no password
    FORM_SORTED = "form_sorted"


Part = bytes | Placeholder | Locator


@dataclass(frozen=True, slots=True)
class TimestampSpec:
    """Where the time of sending is, the state of it written, and how many seconds it may differ either way."""

    place: Locator
    form: Clock
    tolerance: int


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """How a request proves genuine: the `signature` block of a mapping.

    `place` is None where the kind needs none. `parts` is what is signed; `by_item` means that every item of a batch
    carries a signature of its own, and then JSON places in it are the item's. `extension_accepted` is whether the
    mapping takes a digest that can be extended without the secret, as its provider has nothing else.
    """

    kind: SchemeKind
    place: Locator | None = None
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    split: str | None = None
    pair: str | None = None
    names: tuple[str, ...] = ()
    prefix: str = ""
    prefix_optional: bool = False
    parts: tuple[Part, ...] = ()
    key_encoding: KeyEncoding = "utf8"
    strip_prefix: str = ""
    stamp: TimestampSpec | None = None
    by_item: bool = False
    extension_accepted: bool = False


@dataclass(frozen=True, slots=True)
class IdPlace:
    """A place where a webhook's id may be, and whether nobody but the provider could have written it."""

    place: Locator
    signed: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """What a challenge must have at a place: this text; any text (`True`); or none at all (`False`)."""

    place: Locator
    wanted: str | bool


@dataclass(frozen=True, slots=True)
class KeyedReply:
    """A placeholder of a reply: HMAC-SHA256 of the text at a place under the first secret, in hex."""

    place: Locator


@dataclass(frozen=True, slots=True)
class ChallengeRule:
    """A request that is a question of the provider's, and its answer."""

    method: str
    conditions: tuple[Condition, ...]
    signed: bool
    content_type: str
    body: tuple[str | Locator | KeyedReply, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How requests of one provider prove genuine, and where they say what they are.

    `topic_signed` is whether nobody but the provider could have written the topic. `saying` are the lower-case names of
    unsigned headers that the mapping reads the account and the test flag from. `reads` are all names in the mapping's
    expressions, those of the headers that it reads among them.
    """

    proof: SignatureScheme
    id: tuple[IdPlace, ...] = ()
    topic: tuple[Locator, ...] = ()
    items: tuple[str, ...] | None = None
    challenges: tuple[ChallengeRule, ...] = ()
    hidden_headers: frozenset[str] = frozenset()
    hidden_query: frozenset[str] = frozenset()
    topic_signed: bool = True
    saying: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()


def needs_secret(recipe: Recipe) -> bool:
    """Whether nothing can be verified before the operator has set a secret or a public key."""
    return recipe.proof.kind is not SchemeKind.NONE


def needs_url(recipe: Recipe) -> bool:
    """Whether the signature covers the address, so that the operator must set the public one."""
    return Placeholder.URL in recipe.proof.parts


def needed_headers(recipe: Recipe) -> frozenset[str]:
    """The lower-case names of the headers that name, prove or translate a webhook, and of any that might."""
    proof = recipe.proof
    places = (
        *(entry.place for entry in recipe.id),
        *recipe.topic,
        proof.place,
        proof.stamp.place if proof.stamp else None,
        *(part for part in proof.parts if isinstance(part, Locator)),
    )
    named = {place.name for place in places if place is not None and place.root is LocatorRoot.HEADER}
    return frozenset({"content-type", "content-encoding", *named, *recipe.saying, *recipe.reads})


def is_covered(proof: SignatureScheme, place: Locator, *, items: bool) -> bool:
    """Whether the proof vouches for the text at `place` of an item (where there are `items`) or of the request.

    A token or a password vouches for the whole request it came with, as nobody without it could have sent that.
    """
    if proof.kind in {SchemeKind.TOKEN, SchemeKind.BASIC}:
        return True
    named = place in proof.parts or (proof.stamp is not None and proof.stamp.place == place)
    match place.root:
        case LocatorRoot.JSON:
            return Placeholder.BODY in proof.parts or (named and (proof.by_item or not items))
        case LocatorRoot.FORM:
            return named or Placeholder.BODY in proof.parts or Placeholder.FORM_SORTED in proof.parts
        case LocatorRoot.QUERY:
            return named or Placeholder.URL in proof.parts
        case _:
            return named
