"""The fakes take what the platforms' own SDKs send: their judgement is no stricter than the platform's."""

from __future__ import annotations

import json
import time
import warnings
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from oracles import load_oracle, needs_oracles

from upstreams.amplitude import AmplitudeUpstream
from upstreams.google_ads import GoogleAdsUpstream
from upstreams.meta import MetaUpstream
from upstreams.mixpanel import MixpanelUpstream
from upstreams.platform import FakePlatform, serving_platform
from upstreams.posthog import PosthogUpstream
from upstreams.samples import SHA, basic, bearer
from upstreams.segment import SegmentUpstream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # their own imports' business
    META = load_oracle("facebook_business.adobjects.serverside.event_request")
    META_PARTS = {
        name: load_oracle(f"facebook_business.adobjects.serverside.{name}")
        for name in ("event", "user_data", "custom_data", "content", "action_source")
    }
    DATAMANAGER = load_oracle("google.ads.datamanager_v1")
    SEGMENT = load_oracle("segment.analytics.client")
    POSTHOG = load_oracle("posthog")
    MIXPANEL = load_oracle("mixpanel")
    AMPLITUDE = load_oracle("amplitude")

pytestmark = [needs_oracles, pytest.mark.filterwarnings("ignore")]


def sent(fake: FakePlatform, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    with serving_platform(fake):
        return httpx.post(f"{fake.url}{path}", json=body, headers=headers)


def metas_event() -> dict[str, Any]:
    """An event as Meta's Python SDK renders it."""
    user = META_PARTS["user_data"].UserData(
        email="Jane@Example.com", phone="+1 (650) 555-1212", first_name="Jane", last_name="Doe", city="Berlin", state="be",
        zip_code="10115", country_code="de", client_ip_address="203.0.113.9", client_user_agent="Mozilla/5.0",
        fbc="fb.1.1699990000000.AbC", fbp="fb.1.1699990000000.12345",
    )  # fmt: skip
    content = META_PARTS["content"].Content(product_id="SKU1", quantity=1, item_price=99.5)
    custom = META_PARTS["custom_data"].CustomData(value=99.5, currency="USD", contents=[content], order_id="1001")
    event = META_PARTS["event"].Event(
        event_name="Purchase", event_time=int(time.time()), event_id="1001", event_source_url="https://shop.example/thanks",
        action_source=META_PARTS["action_source"].ActionSource.WEBSITE, user_data=user, custom_data=custom,
    )  # fmt: skip
    request = META.EventRequest(pixel_id="1234567890", events=[event], access_token="EAAB-meta-token-1")
    made: dict[str, Any] = json.loads(request.get_params()["data"][0])
    return made


def test_the_fake_of_meta_takes_an_event_of_its_sdk() -> None:
    fake = MetaUpstream()
    answer = sent(fake, "/v25.0/1234567890/events", {"data": [metas_event()], "access_token": "EAAB-meta-token-1"})
    assert (answer.json()["events_received"], fake.faults) == (1, [])


def test_the_fake_of_google_takes_a_request_of_its_library() -> None:
    account = DATAMANAGER.ProductAccount(account_type="GOOGLE_ADS", account_id="1234567890")
    destination = DATAMANAGER.Destination(
        reference="555111", operating_account=account, product_destination_id="555111"
    )
    event = DATAMANAGER.Event(
        event_timestamp=datetime.now(UTC), transaction_id="1001", event_source="WEB", currency="USD", conversion_value=99.5,
        destination_references=["555111"], ad_identifiers=DATAMANAGER.AdIdentifiers(gclid="abc"),
        user_data=DATAMANAGER.UserData(user_identifiers=[DATAMANAGER.UserIdentifier(email_address=SHA)]),
    )  # fmt: skip
    request = DATAMANAGER.IngestEventsRequest(destinations=[destination], events=[event], encoding="HEX")
    fake = GoogleAdsUpstream()
    body = json.loads(
        DATAMANAGER.IngestEventsRequest.to_json(
            request, use_integers_for_enums=False, including_default_value_fields=False
        )
    )
    answer = sent(fake, "/v1/events:ingest", body, bearer("ya29.x"))
    assert (answer.status_code, fake.faults) == (200, [])


@pytest.mark.parametrize(
    ("change", "path"),
    [({"conversion_value_x": 1}, "no field named"), ({"consent": {"adUserData": "GRANTED"}}, "Invalid enum value")],
)
def test_googles_own_parser_is_what_judges_first(change: dict[str, Any], path: str) -> None:
    fake = GoogleAdsUpstream()
    sent(fake, "/v1/events:ingest", {"destinations": [], "events": [{"transactionId": "1"} | change]}, bearer("ya29.x"))
    assert path in fake.faults[0]


def test_the_fake_of_segment_takes_what_its_library_posts() -> None:
    with serving_platform(SegmentUpstream()) as fake:
        client = SEGMENT.Client("segment-key-1", host=fake.url, sync_mode=True, max_retries=0)
        client.track("u1", "Order Completed", {"revenue": 99.5}, message_id="m1")
    assert (len(fake.taken), fake.faults) == (1, [])


def test_the_fake_of_posthog_takes_what_its_library_posts() -> None:
    with serving_platform(PosthogUpstream()) as fake:
        client = POSTHOG.Posthog("phc_posthog1", host=fake.url, sync_mode=True)
        client.capture("purchase", distinct_id="u1", properties={"value": 99.5})
        client.shutdown()
    assert (len(fake.taken), fake.faults) == (1, [])


def test_the_fake_of_amplitude_takes_what_its_library_posts() -> None:
    with serving_platform(AmplitudeUpstream()) as fake:
        client = AMPLITUDE.Amplitude(
            "amplitude-key-1", AMPLITUDE.Config("amplitude-key-1", server_url=f"{fake.url}/2/httpapi")
        )
        client.track(
            AMPLITUDE.BaseEvent(
                "purchase", user_id="user-1", revenue=99.5, insert_id="evt_1", time=int(time.time() * 1000)
            )
        )
        client.flush()
        client.shutdown()
    assert (len(fake.taken), fake.faults) == (1, [])


def test_the_fake_of_mixpanel_takes_a_record_of_its_library() -> None:
    records: list[Any] = []

    class Capture:
        def send(self, _endpoint: str, message: str, *_secrets: Any) -> None:
            records.append(json.loads(message))

    MIXPANEL.Mixpanel("mixpanel-token-1", consumer=Capture()).import_data(
        "k", "u1", "purchase", int(time.time()), {"value": 99.5}
    )
    fake = MixpanelUpstream()
    answer = sent(fake, "/import?strict=1", records, basic("mixpanel-token-1"))
    assert (answer.status_code, fake.faults) == (200, [])
