"""Our rules beside the code that the platforms publish themselves. Where they differ, the case says why ours stays."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import load_oracle, needs_oracles

from bridge.mapping.functions.identity import hash_identifier, normalise_identifier

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # their own imports' business
    META = load_oracle("facebook_business.adobjects.serverside.normalize")
    GOOGLE = load_oracle("google.ads.datamanager_util.format")
    SNAP = load_oracle("snap_business_sdk.capi_utils")

pytestmark = needs_oracles

LETTERS = st.text("abcXYZ\u00e9\u00d6\u0436", min_size=1, max_size=12)
LOCAL = st.text("aB1._+", min_size=1, max_size=12).filter(lambda text: text.strip(".+") != "")
DOMAIN = st.sampled_from(["Example.com", "gmail.com", "GoogleMail.com", "shop.example"])
MAIL = st.builds("{}@{}".format, LOCAL, DOMAIN)
PHONE = st.sampled_from(
    ["+1 (650) 555-1212", "+44 20 7946 0958", "+39 06 698 12345", "+49 30 901820", "+81-3-1234-5678"]
)


def metas(field: str, value: str) -> Any:
    """What Meta's Python SDK sends."""
    return META.Normalize.normalize(field, value, True)  # noqa: FBT003  its own signature


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@given(mail=MAIL, around=st.sampled_from(["", " ", "\n"]))
def test_meta_hashes_an_address_as_we_do(mail: str, around: str) -> None:
    assert hash_identifier(f"{around}{mail}", "email") == metas("em", f"{around}{mail}")


@given(phone=PHONE)
def test_meta_hashes_a_phone_number_as_we_do(phone: str) -> None:
    assert hash_identifier(phone, "phone_digits") == metas("ph", phone)


@given(word=LETTERS)
def test_meta_hashes_names_and_cities_of_letters_as_we_do(word: str) -> None:
    assert hash_identifier(word, "name") == metas("fn", word) == metas("ln", f" {word} ")
    assert hash_identifier(f"{word} {word}-{word}", "place") == metas("ct", f"{word} {word}-{word}")


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [("zip", "zp", "94035-1234"), ("zip", "zp", "SW1A 1AA"), ("state", "st", "CA"), ("state", "st", "New South Wales"),
     ("country", "country", " DE "), ("place", "ct", "S\u00e3o Paulo"), ("email", "em", "a" * 64)],
)  # fmt: skip
def test_meta_hashes_these_as_we_do(rule: str, field: str, value: str) -> None:
    assert hash_identifier(value, rule) == metas(field, value)


@pytest.mark.parametrize(
    ("rule", "field", "value", "theirs"),
    [
        ("name", "ln", "O'Connor", "o'connor"),  # the page: without punctuation
        ("name", "fn", "Jean-Luc", "jean-luc"),  # the same
        ("state", "st", "California", "california"),  # the page: two letters in the US
        ("place", "ct", "Paris 15", "paris"),  # the pixel keeps the digits
    ],
)
def test_where_metas_sdk_leaves_its_own_page_we_follow_the_page(rule: str, field: str, value: str, theirs: str) -> None:
    assert metas(field, value) == digest(theirs)
    assert normalise_identifier(value, rule) != theirs


@given(mail=MAIL)
def test_google_writes_an_address_as_we_do(mail: str) -> None:
    formatter = GOOGLE.Formatter()
    try:
        theirs = formatter.format_email_address(mail)
    except ValueError:
        theirs = None
    assert normalise_identifier(mail, "email_google") == theirs
    if theirs is not None:
        assert hash_identifier(mail, "email_google") == formatter.process_email_address(mail, GOOGLE.Encoding.HEX)


@given(phone=PHONE, name=LETTERS)
def test_google_hashes_phones_and_names_as_we_do(phone: str, name: str) -> None:
    formatter = GOOGLE.Formatter()
    assert hash_identifier(phone, "phone") == formatter.process_phone_number(phone, GOOGLE.Encoding.HEX)
    assert hash_identifier(f" {name} ", "name_google") == formatter.process_given_name(f" {name} ", GOOGLE.Encoding.HEX)
    assert hash_identifier(f"{name}-{name}", "name_google") == formatter.process_family_name(
        f"{name}-{name}", GOOGLE.Encoding.HEX
    )


def test_google_in_python_keeps_titles_that_its_java_and_its_page_cut() -> None:
    assert GOOGLE.Formatter().format_given_name("Dr. Alex") == "dr. alex"
    assert normalise_identifier("Dr. Alex", "name_google") == "alex"


@given(country=st.sampled_from(["us", " de", "GB "]))
def test_google_writes_a_country_as_we_do_in_upper_case(country: str) -> None:
    assert (normalise_identifier(country, "country") or "").upper() == GOOGLE.Formatter().format_region_code(country)


@given(phone=PHONE.filter(lambda text: not text.startswith("+39")), mail=MAIL)
def test_snap_hashes_addresses_and_phones_as_we_do(phone: str, mail: str) -> None:
    assert hash_identifier(phone, "phone_digits") == SNAP.norm_and_hash_phone_number(phone)
    assert hash_identifier(mail, "email") == SNAP.norm_and_hash_string(mail)


def test_snap_drops_a_zero_that_belongs_to_an_italian_number() -> None:
    assert SNAP.normalize_phone_num("+39 06 698 12345") == "39669812345"
    assert normalise_identifier("+39 06 698 12345", "phone_digits") == "390669812345"
