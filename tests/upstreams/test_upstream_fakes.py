"""The fakes are held themselves: each takes a request that its platform's page shows, and finds fault with a spoilt one."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from starlette.types import ASGIApp

from upstreams.google_ads import GoogleAdsUpstream
from upstreams.kinds import FAKES
from upstreams.meta import MetaUpstream
from upstreams.platform import FakePlatform, serving_platform
from upstreams.samples import NOW, SAMPLES, Sample, bearer, spoilt
from upstreams.tokens import AUDIENCE, JWT_GRANT, SCOPE, TokenEndpoint
from upstreams.webhook import WebhookUpstream

SILENT = {"ga4", "segment", "posthog"}
"""They answer 2xx to what they drop; the fake's `faults` say so."""
ALL_OR_NOTHING = {"meta", "google_ads", "snapchat", "reddit", "x", "openai_ads", "amplitude"}
BY_ITEM = {"tiktok", "pinterest", "linkedin", "microsoft", "mixpanel", "matomo"}
SPOILS = [(kind, path, value) for kind, sample in SAMPLES.items() for path, value in sample.spoils]


def send(app: ASGIApp, path: str, **request: Any) -> httpx.Response:
    """One POST, without a socket."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fake.example") as client:
            return await client.post(path, **request)

    return asyncio.run(ask())


def post(fake: FakePlatform, sample: Sample, *items: Any) -> httpx.Response:
    body = sample.request_body(list(items))
    headers = {"content-type": "application/json", **sample.request_headers(sample.path.partition("?")[0], body)}
    return send(fake.app, sample.path, content=body, headers=headers)


def test_every_fake_has_its_sample() -> None:
    assert SAMPLES.keys() == FAKES.keys()


@pytest.mark.parametrize("kind", FAKES)
def test_a_request_of_the_platforms_page_is_taken(kind: str) -> None:
    fake, sample = FAKES[kind](), SAMPLES[kind]
    answer = post(fake, sample, sample.item)
    assert (answer.is_success, fake.faults) == (True, [])
    assert len(fake.received) == 1
    assert fake.taken == ([] if kind == "ga4" else [sample.item])  # its page's validator records nothing


@pytest.mark.parametrize(
    ("kind", "path", "value"), SPOILS, ids=[f"{kind}-{path}-{n}" for n, (kind, path, _) in enumerate(SPOILS)]
)
def test_a_spoilt_item_is_found_out_and_not_taken(kind: str, path: str, value: Any) -> None:
    fake, sample = FAKES[kind](), SAMPLES[kind]
    answer = post(fake, sample, spoilt(sample.item, path, value))
    assert fake.faults
    assert fake.taken == []
    silent = kind in SILENT | {"tiktok", "linkedin", "matomo", "plausible"}
    assert silent or not answer.is_success
    assert silent or b"jane@example.com" not in answer.content


@pytest.mark.parametrize("kind", sorted(ALL_OR_NOTHING | BY_ITEM))
def test_one_bad_item_in_the_middle_costs_what_it_costs_at_the_platform(kind: str) -> None:
    fake, sample = FAKES[kind](), SAMPLES[kind]
    path, value = sample.spoils[0]
    post(fake, sample, sample.item, spoilt(sample.item, path, value), sample.item)
    assert len(fake.taken) == (0 if kind in ALL_OR_NOTHING else 2)
    forced = FAKES[kind]([{"bad": [1]}])
    post(forced, sample, sample.item, sample.item, sample.item)
    assert len(forced.taken) == (0 if kind in ALL_OR_NOTHING else 2)
    assert forced.faults == []


@pytest.mark.parametrize("kind", FAKES)
def test_moods_come_in_their_order(kind: str) -> None:
    fake, sample = FAKES[kind](["token", 429, 503, "html", "redirect"]), SAMPLES[kind]
    token, rate, broken, html, redirect, after = (post(fake, sample, sample.item) for _ in range(6))
    assert token.status_code in {200, 204, 400, 401}
    assert rate.status_code in {200, 400, 429}
    assert (broken.status_code, html.headers["content-type"][:9], redirect.status_code) == (503, "text/html", 302)
    assert after.is_success
    assert len(fake.taken) == (0 if kind == "ga4" else 1)


@pytest.mark.parametrize("kind", sorted(FAKES.keys() - {"ga4", "plausible"}))  # these know no token
def test_a_request_without_the_token_is_refused(kind: str) -> None:
    fake, sample = FAKES[kind](), SAMPLES[kind]
    body = (
        sample.request_body([sample.item]).replace(b"token", b"other").replace(b"key", b"other").replace(b"phc_", b"x")
    )
    send(fake.app, sample.path.partition("?")[0], content=body)
    assert (fake.taken, fake.faults) == ([], ["wrong token"])


@pytest.mark.parametrize("kind", ["meta", "webhook"])
def test_an_answer_can_be_cut_in_its_middle(kind: str) -> None:
    sample = SAMPLES[kind]
    body = sample.request_body([sample.item])
    with serving_platform(FAKES[kind](["cut"])) as fake:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{fake.url}{sample.path}", content=body, headers=sample.request_headers(sample.path, body))
        assert len(fake.taken) == 1
        assert httpx.post(
            f"{fake.url}{sample.path}", content=body, headers=sample.request_headers(sample.path, body)
        ).is_success


def test_meta_counts_the_first_of_a_name_and_id() -> None:
    fake, sample = MetaUpstream(), SAMPLES["meta"]
    post(fake, sample, sample.item, spoilt(sample.item, "custom_data.value", 5))
    assert [each["custom_data"]["value"] for each in fake.counted] == [99.5]


def test_a_vendors_own_signature_header_is_verified_too() -> None:
    fake = WebhookUpstream(header="X-Shop-Signature")
    send(fake.app, "/hook", content=b"{}", headers={"X-Shop-Signature": "sha256=00"})
    assert fake.faults == ["wrong token"]


# --------------------------------------------------------------------------------------------------------- tokens


def assertion(tokens: TokenEndpoint, **changes: Any) -> str:
    claims = {
        "iss": "bridge@project-1.iam.gserviceaccount.com",
        "scope": SCOPE,
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 3600,
    } | changes
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "RS256"}, claims)
    ]
    signature = tokens.key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"aud": "x"}, 400),
        ({"scope": "x"}, 400),
        ({"exp": NOW + 7200}, 400),
        ({"exp": int(time.time()) - 1, "iat": NOW - 60}, 400),
        ({"iss": "x"}, 400),
    ],
)
def test_a_service_accounts_assertion_is_judged(changes: dict[str, Any], status: int) -> None:
    tokens = TokenEndpoint()
    answer = send(tokens.app, "/token", data={"grant_type": JWT_GRANT, "assertion": assertion(tokens, **changes)})
    assert answer.status_code == status
    assert len(tokens.living) == (status == HTTPStatus.OK)


def test_an_assertion_of_another_key_is_refused() -> None:
    tokens = TokenEndpoint()
    answer = send(tokens.app, "/token", data={"grant_type": JWT_GRANT, "assertion": assertion(TokenEndpoint())})
    assert answer.json()["error"] == "invalid_grant"


def test_a_refresh_token_that_rotates_is_good_once() -> None:
    tokens = TokenEndpoint(rotates=True)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "client-1",
        "client_secret": "client-secret-1",
    }
    first, again = (send(tokens.app, "/token", data=form) for _ in range(2))
    assert (first.status_code, again.json()["error"]) == (200, "invalid_grant")
    assert send(tokens.app, "/token", data=form | {"refresh_token": first.json()["refresh_token"]}).is_success


def test_google_takes_the_tokens_that_its_endpoint_gave_and_adjusts_a_known_id() -> None:
    tokens, sample = TokenEndpoint(), SAMPLES["google_ads"]
    fake = GoogleAdsUpstream(tokens=tokens)
    assert post(fake, sample, sample.item).status_code == HTTPStatus.UNAUTHORIZED
    form = {"grant_type": JWT_GRANT, "assertion": assertion(tokens)}
    token = send(tokens.app, "/token", data=form).json()["access_token"]
    known = Sample(sample.item, (), sample.path, bearer(token), sample.body)
    post(fake, known, sample.item)
    post(fake, known, spoilt(sample.item, "conversionValue", 50))
    assert (list(fake.conversions.values()), fake.adjusted) == ([50], ["1001"])
    tokens.revoke()
    assert post(fake, known, sample.item).status_code == HTTPStatus.UNAUTHORIZED
