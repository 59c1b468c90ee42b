"""The operator's secrets as keys that verify signatures.

A message names a wrong secret by its position and never repeats its text.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.errors import SettingsError
from bridge.signature.recipe import Encoding, Recipe, SchemeKind, SignatureScheme


class PublicKey(Protocol):
    """The public half of a key whose private one only the provider has."""

    def verify_signature(self, content: bytes, signature: bytes) -> bool:
        """Whether the key's owner signed the content."""
        ...


Key = bytes | PublicKey


@dataclass(frozen=True, slots=True, repr=False)
class SigningKeys:
    """The keys of one source, in the order in which their secrets were set. Empty, nothing proves genuine."""

    values: tuple[Key, ...] = ()

    def __repr__(self) -> str:
        return f"Keys({len(self.values)})"


def read_keys(recipe: Recipe, secrets: Sequence[str]) -> SigningKeys:
    """The keys in `secrets`, read as the recipe's `secret` block says.

    Raises SettingsError for a secret that is empty, blank, all NUL, has whitespace around it or cannot be decoded.
    """
    proof = recipe.proof
    if proof.kind is SchemeKind.NONE and secrets:
        raise SettingsError("a secret is set, but this mapping verifies nothing (kind none); take the secret away")
    return SigningKeys(
        tuple(_read_key(proof, secret, f"secret {n} of {len(secrets)}") for n, secret in enumerate(secrets, 1))
    )


def decode_text(text: str, encoding: Encoding) -> bytes | None:
    """The bytes in strict hex (any case) or base64 (padding may be missing), or None for anything else."""
    try:
        if encoding == "hex":
            return binascii.unhexlify(text)
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None


def encode_bytes(content: bytes, encoding: Encoding) -> str:
    """`content` in lower-case hex or padded base64."""
    return content.hex() if encoding == "hex" else binascii.b2a_base64(content, newline=False).decode()


def _read_key(proof: SignatureScheme, secret: str, name: str) -> Key:
    if not secret or secret.isspace():
        raise SettingsError(f"{name} is empty; set it to the one the provider shows")
    if secret != secret.strip():
        raise SettingsError(f"{name} has whitespace (often a line's end) around it; set it without")
    content = _secret_bytes(proof, secret, name)
    if not content.strip(b"\0"):
        raise SettingsError(f"{name} is empty once decoded; set it to the one the provider shows")
    match proof.kind:
        case SchemeKind.ED25519 | SchemeKind.ECDSA_P256:
            return _read_public_key(proof, content, name)
        case SchemeKind.BASIC:
            user, colon, password = content.partition(b":")
            if not (user and colon and password):
                raise SettingsError(f"{name} must be written user:password")
            return content
        case _:
            return content


def _secret_bytes(proof: SignatureScheme, secret: str, name: str) -> bytes:
    text = secret.removeprefix(proof.strip_prefix)
    if proof.key_encoding == "utf8":
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise SettingsError(f"{name} is no text; set it to the one the provider shows") from None
    content = decode_text(text, proof.key_encoding)
    if content is None:
        raise SettingsError(f"{name} is no {proof.key_encoding}; copy it whole from the provider, with nothing added")
    return content


def _read_public_key(proof: SignatureScheme, content: bytes, name: str) -> PublicKey:
    from bridge.signature import public_keys  # noqa: PLC0415  takes 8 MB, and few providers sign with a private key

    if proof.kind is SchemeKind.ED25519:
        key: PublicKey | None = public_keys.read_ed25519_key(content)
        wrong = "no Ed25519 public key of 32 bytes; use the public key, not the private"
    else:
        key = public_keys.ecdsa_p256(content)
        wrong = "no P-256 public key (DER, as the provider shows it)"
    if key is None:
        raise SettingsError(f"{name} is {wrong}")
    return key
