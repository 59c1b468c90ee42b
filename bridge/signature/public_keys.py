"""Public keys of providers that sign with a private one: Ed25519, and ECDSA over P-256 with SHA-256.

Only this file loads `cryptography`, which takes 8 MB; it is loaded where a mapping needs such a key.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key


@dataclass(frozen=True, slots=True, repr=False)
class Ed25519Key:
    """A key of Ed25519."""

    key: Ed25519PublicKey

    def verify_signature(self, content: bytes, signature: bytes) -> bool:
        """Whether the key's owner signed the content."""
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class EcdsaP256Key:
    """A key of ECDSA over P-256; signatures are DER, of a SHA-256."""

    key: EllipticCurvePublicKey

    def verify_signature(self, content: bytes, signature: bytes) -> bool:
        """Whether the key's owner signed the content."""
        try:
            self.key.verify(signature, content, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def read_ed25519_key(content: bytes) -> Ed25519Key | None:
    """The key in its 32 bytes, or None where they are none."""
    try:
        return Ed25519Key(Ed25519PublicKey.from_public_bytes(content))
    except ValueError:
        return None


def ecdsa_p256(content: bytes) -> EcdsaP256Key | None:
    """The key in its DER, or None where that is no key of this curve."""
    try:
        key = load_der_public_key(content)
    except Exception:  # noqa: BLE001  several kinds are raised for bytes that are no key, UnsupportedAlgorithm too
        return None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return None
    return EcdsaP256Key(key)
