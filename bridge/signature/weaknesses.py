"""What a readable scheme protects less well than it seems: each weakness at its key, with its remedy.

A provider may offer nothing better, so a weakness does not keep a recipe from verifying.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridge.core.model import SourceLocation
from bridge.signature.locators import Locator, LocatorRoot
from bridge.signature.recipe import Part, Placeholder, Recipe, SchemeKind, SignatureScheme
from bridge.yaml.document import MappingNode
from bridge.yaml.key_reader import KeyReader
from bridge.yaml.problems import Problems

_HIDE_STATE = ("sha3_", "shake_", "blake2", "sha384", "sha512_")
"""How the names of those hashes begin whose digest is not their whole state; any other counts as extensible."""


def note_weaknesses(section: MappingNode, made: Recipe, advice: Problems) -> None:
    """Note all weaknesses of the recipe read from `section`, as errors where anybody could make use of them."""
    reader = KeyReader(section, advice, what="webhook")
    signed = _signed_place(reader)
    for text in _length_extension(made.proof):
        advice.add_error(signed, text)
    for text in _adjacent_fields(made.proof):
        advice.add_warning(signed, text)
    ids = [place for place, _ in reader.read_strings("id")]
    for number, text in _weak_identities(made):
        advice.add_warning(ids[number], text)


def _signed_place(section: KeyReader) -> SourceLocation:
    below = section.read_below("signature")
    return below.place_of("signed") if below else section.place


def is_extensible(proof: SignatureScheme) -> bool:
    """Whether somebody who has one signed request can sign a longer one without the secret.

    A digest of SHA-1, SHA-256 or SHA-512 is the whole state of the hash, which can be continued from it, unless the
    secret comes last. Source: https://en.wikipedia.org/wiki/Length_extension_attack.
    """
    return (
        proof.kind is SchemeKind.DIGEST
        and not proof.algorithm.startswith(_HIDE_STATE)
        and Placeholder.SECRET in proof.parts
        and proof.parts[-1] is not Placeholder.SECRET
    )


def _length_extension(proof: SignatureScheme) -> Iterator[str]:
    if is_extensible(proof) and not proof.extension_accepted:
        yield (
            "with the secret before what is signed, whoever has one signed request can sign a longer one without the "
            "secret (length extension); use kind hmac if the provider has it; if it has nothing else, say "
            "`i_accept_length_extension: true`"
        )


def _adjacent_fields(proof: SignatureScheme) -> Iterator[str]:
    for one, other in pairwise(proof.parts):
        if _is_free(proof, one) and _is_free(proof, other):
            yield (
                f"nothing stands between {_format_part(one)} and {_format_part(other)}: bytes can be moved from "
                "one to the other "
                "and the signature still fits; write the separator that the provider signs, or where it signs none, "
                f"read nothing from {_removable_part(one, other)} in this mapping"
            )


def _is_free(proof: SignatureScheme, part: Part) -> bool:
    """Whether a sender could make a part longer or shorter.

    A time of sending has its form, and a method is one of few.
    """
    if isinstance(part, Locator):
        return proof.stamp is None or part != proof.stamp.place
    return part in {Placeholder.BODY, Placeholder.URL, Placeholder.FORM_SORTED}


def _weak_identities(made: Recipe) -> Iterator[tuple[int, str]]:
    """The ids that do not hold, by their number."""
    if made.proof.kind in {SchemeKind.NONE, SchemeKind.TOKEN, SchemeKind.BASIC} or Placeholder.BODY in made.proof.parts:
        return
    for number, entry in enumerate(made.id):
        if entry.place.root is LocatorRoot.FORM and Placeholder.FORM_SORTED in made.proof.parts:
            text = (
                f"{entry.place} can be changed within the signature: {{form_sorted}} signs names and values with "
                f"nothing between them; {_MEND}"
            )
            yield number, text
        elif not entry.signed:
            text = (
                f"{entry.place} is no part of what is signed, and neither are the body's bytes as they came: the same "
                f"signed request can come again as another webhook; {_MEND}"
            )
            yield number, text


_MEND = "write a `dedupe` of signed fields in every rule, and prefer an id that `signed` names"


def _format_part(part: Part) -> str:
    return f"{{{part if isinstance(part, Locator | Placeholder) else part.decode()}}}"


def _removable_part(one: Part, other: Part) -> str:
    """Which of two neighbours a mapping can do without."""
    part = other if one in {Placeholder.BODY, Placeholder.FORM_SORTED} else one
    return "the address's query" if part is Placeholder.URL else _format_part(part)
