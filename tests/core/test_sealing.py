"""What is sealed opens with its key and for its purpose, and with no other."""

from __future__ import annotations

import base64

import pytest

from bridge.core.errors import SettingsError
from bridge.core.sealing import SealKeys, read_seal_keys

OLD, NEW = b"o" * 32, b"n" * 32
NONCE = b"0" * 12


def test_a_sealed_text_opens_with_each_key_that_is_set_and_for_its_purpose_only() -> None:
    sealed = SealKeys((OLD,)).seal_text("täxt", purpose="one", nonce=NONCE)
    assert "täxt".encode() not in sealed
    assert SealKeys((NEW, OLD)).open_sealed(sealed, purpose="one") == "täxt"
    assert SealKeys((NEW, OLD)).open_sealed(sealed, purpose="two") is None
    assert SealKeys((NEW,)).open_sealed(sealed, purpose="one") is None
    for changed in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"short"):
        assert SealKeys((OLD,)).open_sealed(changed, purpose="one") is None


def test_keys_are_32_bytes_as_base64_and_the_first_seals() -> None:
    keys = read_seal_keys("BRIDGE_SEAL_KEY", f" {base64.b64encode(NEW).decode()} , {base64.b64encode(OLD).decode()}")
    assert keys == SealKeys((NEW, OLD))
    assert repr(NEW) not in repr(keys)
    assert read_seal_keys("BRIDGE_SEAL_KEY", " ") is None


@pytest.mark.parametrize("text", ["c2hvcnQ=", "not base64 at all", base64.b64encode(OLD).decode() + ",", "é" * 44])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"^BRIDGE_SEAL_KEY must be 32 random bytes as base64; make one with"
    ) as told:
        read_seal_keys("BRIDGE_SEAL_KEY", text)
    assert text not in str(told.value)
