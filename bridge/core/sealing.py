"""Seals texts that the store keeps and nobody may read without the key: AES-256-GCM. Pure: the nonce is an argument."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from bridge.core.errors import SettingsError

KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SealKeys:
    """The first seals, each of them opens: so that a key can be replaced."""

    keys: tuple[bytes, ...] = field(repr=False)

    def seal_text(self, text: str, *, purpose: str, nonce: bytes) -> bytes:
        """The sealed text, which opens for the same purpose only. The nonce is random and never used again."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  takes 8 MB, where it is needed

        return nonce + AESGCM(self.keys[0]).encrypt(nonce, text.encode(), purpose.encode())

    def open_sealed(self, sealed: bytes, *, purpose: str) -> str | None:
        """The text; None where none of the keys has sealed it, or not for this purpose."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  as above

        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        for key in self.keys:
            try:
                return AESGCM(key).decrypt(nonce, content, purpose.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def read_seal_keys(name: str, text: str) -> SealKeys | None:
    """The keys of a setting, comma-separated; None where it is blank. Raises SettingsError that repeats none."""
    if not text.strip():
        return None
    return SealKeys(tuple(_read_seal_key(name, one.strip()) for one in text.split(",")))


def _read_seal_key(name: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"{name} must be {KEY_BYTES} random bytes as base64; make one with `openssl rand -base64 32`"
        )
    return key
