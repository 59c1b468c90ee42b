"""A destination file is read and checked: each mistake is told at its line and column, with its remedy."""

from __future__ import annotations

import pytest
from declaring import ACME, acme, platform, problems

from bridge.core.errors import SettingsError
from bridge.destinations.language import read_platform
from bridge.destinations.language.files import platform_files


def changed(old: str, new: str) -> str:
    assert old in ACME
    return ACME.replace(old, new)


def test_a_file_without_mistakes_has_no_problems() -> None:
    assert problems(ACME) == []


def test_the_files_that_are_shipped_have_no_problems() -> None:
    files = platform_files(None)
    assert files
    found = {file.name: read_platform(file.read_bytes(), name=file.name) for file in files}
    assert {name: [str(one) for one in reading.all_problems] for name, reading in found.items()} == {
        name: [] for name in found
    }
    assert {name: f"{reading.parts.kind}.yaml" for name, reading in found.items()} == {name: name for name in found}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("destination: 1", "destination: 2", "acme.yaml:1:14: error: this is version 1 of the language: write `destination: 1`"),
        ("purpose: ads", "purpose: add", "acme.yaml:4:10: error: `purpose` must be one of ads, analytics, marketing, own"),
        ("identify: [em", "identfy: [em", "unknown key 'identfy'; did you mean 'identify'?"),
        ("hashed(who", "hashd(who", "acme.yaml:21:12: error: unknown function 'hashd'; did you mean 'hashed'?"),
        ("'email')", "'emial')", "did you mean 'email'?"),
        ("destination.vars.site", "destination.vars.sit", "no var is called `sit`; did you mean 'site'?"),
        ("=secrets.token", "=secrets.tokn", "no secret is called `tokn`; did you mean 'token'?"),
        ("id: =event.event_id", "id: =evnt.event_id", "unknown name 'evnt'; did you mean 'event'?"),
        ("id: =event.event_id", "id: =secrets.token", "secrets are read in `request` only"),
        ("who.email", "who.mail", "event.user_data has no `mail`; did you mean `email`?"),
        ("id: =event.event_id", "id: =event.event_di", "event has no `event_di`; did you mean `event_id`?"),
        ("require: [name, at]", "require: [name, att]", "no item has `att`; did you mean 'at'?"),
        ("kind: bearer", "kind: bearr", "auth.kind names no kind; did you mean `bearer`?"),
        ("token: =secrets.token}", "}", "auth of kind bearer needs `token`"),
        ("is: pause", "is: paused", "`is` must be one of delivered, rejected, retry, pause"),
        ("is: pause, reason: =response.body.message", "reason: expired", "an answer needs `is` or `each`: it says nothing"),
        ("rest: delivered", "rest: sent", "`rest` must be one of delivered, retry, resend"),
        ("oldest: 7d", "oldest: week", "oldest must be a length of time such as 5m, 72h or 7d"),
        ("events: 3", "events: 0", "events must be a whole number from 1 to 10000"),
        ('needed: true, help: "The pixel', 'needed: true, default: x, help: "The pixel', "what is needed has no default"),
        ("purchase: Bought", "purchase: [Bought]", "must be the platform's name of the event"),
        ("response.body.failed\n", "response.bdy.failed\n", "response has no `bdy`; did you mean 'body'?"),
        ("vars:\n", "vars:\n  test: {default: x}\n", "`test` is an option of every destination"),
        ("=format('https://acme", "=format(event.context.page_url, 'https://acme", "must not depend on an event"),
        ("/events', destination.vars.pixel)", "/events', items[0].id)", "must be encoded here: write percent_encode(…)"),
        ("kind: acme", "kind: track", "not be `track`, which is built in"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_that_names_the_remedy(old: str, new: str, told: str) -> None:
    assert any(told in one for one in problems(changed(old, new), "error")), problems(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("em: =hashed(who.email, 'email')", "em: =who.email", "`user_data.email` goes to an ad platform in clear"),
        ("value: =choose(event.properties.currency, event.properties.value, `null`)", "value: =event.properties.value",
         "the value is sent also where its currency is not known"),
        ("reason: =bad.message", "reason: =bad.attemptedValue", "`attemptedValue` may repeat personal data"),
        ("site: {default", "shop: {default: x, help: y}\n  site: {default", "nothing reads the var `shop`"),
        ("  token: {", "  spare: {help: x}\n  token: {", "nothing reads the secret `spare`"),
        ("answers:\n", "answers:\n  - {is: delivered}\n", "an answer before this one always holds: it is never used"),
        ("request:\n", "  - item: {name: =event_name}\nrequest:\n", "an entry before this one takes every event"),
        ("who.email, 'email'", "who.gender, 'id'", "event.user_data has no `gender` in the contract"),
    ],
)  # fmt: skip
def test_what_is_probably_not_meant_is_a_warning(old: str, new: str, told: str) -> None:
    assert any(told in one for one in problems(changed(old, new), "warning")), problems(changed(old, new))


def test_google_has_an_email_rule_of_its_own() -> None:
    assert any("write 'email_google'" in one for one in problems(changed("kind: acme", "kind: google_acme")))


def test_what_an_event_adds_to_an_address_is_encoded() -> None:
    text = changed("/events', destination.vars.pixel)", "/{}', destination.vars.pixel, percent_encode(items[0].id))")
    assert problems(text) == []
    assert acme(text).address == "https://acme.example"


def test_an_address_with_braces_is_told_how_a_var_is_put_in() -> None:
    text = ACME.replace(
        "=format('https://acme.example/{}/events', destination.vars.pixel)", "https://{pixel}.acme.example/"
    )
    assert any("is an expression: write =format('https://{}/" in one for one in problems(text, "error"))


def test_every_mistake_of_a_file_is_told_and_not_the_first_alone() -> None:
    text = ACME.replace("hashed(who", "hashd(who").replace("=event.context.ip", "=evnt.context.ip")
    assert len(problems(text, "error")) == 2


def test_a_file_says_whether_it_passes_on_that_sale_was_opted_out_of() -> None:
    assert not platform().program.limits_sale
    limited = changed("page: =", "ldu: =event.consent.sale_opt_out\n      page: =")
    assert platform(limited).program.limits_sale


FOLLOWING = ACME.replace(
    "events: {purchase: Bought, lead: Lead}",
    'events: {purchase: Bought, refund: "="}\nfollows:\n  refund: {event_type: purchase, by: properties.order_id}',
).replace("event.properties.value, `null`)", "value_left || event.properties.value, `null`)")


@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        ("by: properties.order_id", "by: user_id", "acme.yaml:12:38: error: `by` must be properties.order_id: the store finds the event that is followed by its order"),
        ("by: properties.order_id", "by: properties.order_id, of: 1", "acme.yaml:12:59: error: unknown key 'of'"),
        ("event_type: purchase", "event_type: search", "acme.yaml:12:3: error: `search` is not found by its order; what can be followed is lead, purchase, signup, subscription"),
        ("refund: {event", "purchase: {event", "acme.yaml:12:3: error: `purchase` follows another event itself"),
        ('refund: "="', "refund: Refund", 'acme.yaml:12:3: error: an event that follows another has its name: write `refund: "="` under `events`'),
        ("value_left || ", "", "acme.yaml:12:3: warning: nothing reads `value_left`, which is what is left of the event followed"),
        ("follows:\n  refund: {event_type: purchase, by: properties.order_id}", "", "acme.yaml:26:14: error: `value_left` is of an event that `follows` another: declare that"),
    ],
)  # fmt: skip
def test_what_follows_is_checked_at_its_line(written: str, instead: str, told: str) -> None:
    assert problems(FOLLOWING) == []
    assert [one for one in problems(FOLLOWING.replace(written, instead)) if one.startswith(told)], problems(
        FOLLOWING.replace(written, instead)
    )


def test_an_operator_gives_what_follows_no_name_of_its_own() -> None:
    with pytest.raises(SettingsError, match=r'a refund follows the purchase of its order .* write `refund: "="`'):
        acme(FOLLOWING, events={"refund": "Refund"})
