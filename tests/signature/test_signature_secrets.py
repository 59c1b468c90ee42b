"""A secret that would verify nothing, or everything, is refused when it is set; no message holds any of it."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signing_providers import SECRETS, recipe

from bridge import signature
from bridge.core.errors import SettingsError
from bridge.signature import SigningKeys

P384 = ec.generate_private_key(ec.SECP384R1()).public_key()
RSA = rsa.generate_private_key(65537, 2048).public_key()


def der(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


EMPTY = "secret 1 of 1 is empty; set it to the one the provider shows"
EMPTY_DECODED = "secret 1 of 1 is empty once decoded; set it to the one the provider shows"
AROUND = "secret 1 of 1 has whitespace (often a line's end) around it; set it without"
NO_BASE64 = "secret 1 of 1 is no base64; copy it whole from the provider, with nothing added"
NO_HEX = "secret 1 of 1 is no hex; copy it whole from the provider, with nothing added"
NO_P256 = "secret 1 of 1 is no P-256 public key (DER, as the provider shows it)"
NO_ED25519 = "secret 1 of 1 is no Ed25519 public key of 32 bytes; use the public key, not the private"
NO_PAIR = "secret 1 of 1 must be written user:password"


@pytest.mark.parametrize(
    ("provider", "secret", "text"),
    [
        ("stripe", "", EMPTY),
        ("stripe", " \t\n", EMPTY),
        ("stripe", "\0\0", EMPTY_DECODED),
        ("stripe", "whsec_abc\n", AROUND),
        ("stripe", " whsec_abc", AROUND),
        ("stripe", "\ud800", "secret 1 of 1 is no text; set it to the one the provider shows"),
        ("standard", "whsec_", EMPTY_DECODED),
        ("standard", "whsec_AAAA", EMPTY_DECODED),
        ("standard", "whsec_MfKQ9r8G!", NO_BASE64),
        ("standard", "whsec_MfKQ-_8G", NO_BASE64),
        ("standard", "whsec_é", NO_BASE64),
        ("standard", "whsec_A", NO_BASE64),
        ("adyen", "44782D 44", NO_HEX),
        ("adyen", "447", NO_HEX),
        ("adyen", "0000", EMPTY_DECODED),
        ("chargebee", "password", NO_PAIR),
        ("chargebee", ":password", NO_PAIR),
        ("chargebee", "user:", NO_PAIR),
        ("discord", "00ff", NO_ED25519),
        ("discord", "ff" * 64, NO_ED25519),
        ("sendgrid", "AAAB", NO_P256),
        ("sendgrid", der(P384), NO_P256),
        ("sendgrid", der(RSA), NO_P256),
        (
            "unsigned",
            "x",
            "a secret is set, but this mapping verifies nothing (kind none); take the secret away",
        ),
    ],
)
def test_a_secret_that_is_none_is_refused(provider: str, secret: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        signature.read_keys(recipe(provider), [secret])
    assert str(refused.value) == text


def test_the_secret_at_fault_is_named_by_its_position_alone() -> None:
    with pytest.raises(SettingsError) as refused:
        signature.read_keys(recipe("standard"), [SECRETS["standard"], "whsec_not-base64!!"])
    assert str(refused.value).startswith("secret 2 of 2 ")
    assert "not-base64" not in str(refused.value)


def test_keys_do_not_show_themselves() -> None:
    made = signature.read_keys(recipe("stripe"), ["very-secret", "more-secret"])
    assert repr(made) == str(made) == "Keys(2)"


@pytest.mark.parametrize(
    ("provider", "secret", "key"),
    [
        ("stripe", "whsec_abc", b"whsec_abc"),
        ("stripe", "schlüssel", "schlüssel".encode()),
        ("stripe", "\udcff", b"\xff"),
        ("standard", "whsec_AAEC", b"\0\x01\x02"),
        ("standard", "AAEC", b"\0\x01\x02"),
        ("standard", "whsec_AAE", b"\0\x01"),
        ("adyen", "00Ff", b"\0\xff"),
        ("chargebee", "user:pass:word", b"user:pass:word"),
    ],
)
def test_a_secret_is_decoded_as_the_recipe_says(provider: str, secret: str, key: bytes) -> None:
    assert signature.read_keys(recipe(provider), [secret]) == SigningKeys((key,))


def test_no_secrets_make_no_keys() -> None:
    assert signature.read_keys(recipe("stripe"), []) == SigningKeys()
    assert signature.read_keys(recipe("unsigned"), []) == SigningKeys()
