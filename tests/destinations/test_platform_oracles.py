"""The event that a platform's own SDK builds is the one that ours becomes; where they differ, the test says why."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from oracles import load_oracle, needs_oracles
from platform_driver import PERSON, declared, make_event
from upstreams.kinds import FAKES

from bridge.core.delivery import Delivery, Outgoing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # their own imports' business
    META = load_oracle("facebook_business.adobjects.serverside.event_request")
    META_PARTS = {
        name: load_oracle(f"facebook_business.adobjects.serverside.{name}")
        for name in ("event", "user_data", "custom_data", "content", "action_source")
    }
    DATAMANAGER = load_oracle("google.ads.datamanager_v1")
    FORMATTER = load_oracle("google.ads.datamanager_util.format")
    SEGMENT = load_oracle("segment.analytics.client")
    POSTHOG = load_oracle("posthog")
    MIXPANEL = load_oracle("mixpanel")
    AMPLITUDE = load_oracle("amplitude")

pytestmark = [needs_oracles, pytest.mark.filterwarnings("ignore")]

EVENT = make_event("evt-1")
AT = datetime.fromisoformat(EVENT["timestamp"])
ORDER = EVENT["properties"]


def ours(kind: str, **options: Any) -> Outgoing:
    """The request that a destination makes of the event."""
    fake = FAKES[kind]()
    fake.url = "http://127.0.0.1:1"
    [made] = declared(fake, **options).make_requests(
        [Delivery(1, "it", "evt-1", json.dumps(EVENT).encode(), 0)], now=datetime.now(UTC)
    )
    assert isinstance(made, Outgoing)
    return made


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf by its path; a list of one is its value, as Meta takes either."""
    if isinstance(value, dict):
        return {
            name: leaf for key, each in value.items() for name, leaf in flat(each, f"{path}.{key}".lstrip(".")).items()
        }
    return flat(value[0], path) if isinstance(value, list) and len(value) == 1 else {path: value}


def different(theirs: Any, own: Any) -> dict[str, tuple[Any, Any]]:
    """The leaves that differ: theirs and ours."""
    left, right = flat(theirs), flat(own)
    return {
        name: (left.get(name), right.get(name)) for name in sorted({*left, *right}) if left.get(name) != right.get(name)
    }


def metas_event() -> Any:
    user = META_PARTS["user_data"].UserData(
        email=PERSON["email"], phone=PERSON["phone"], first_name=PERSON["first_name"], last_name=PERSON["last_name"],
        city=PERSON["city"], state=PERSON["state"], zip_code=PERSON["postal_code"], country_code=PERSON["country"],
        external_id=EVENT["user_id"], client_ip_address=EVENT["context"]["ip"], client_user_agent=EVENT["context"]["user_agent"],
        fbc=EVENT["context"]["fbc"], fbp=EVENT["context"]["fbp"],
    )  # fmt: skip
    item = ORDER["items"][0]
    content = META_PARTS["content"].Content(
        product_id=item["sku"], quantity=item["quantity"], item_price=item["price"], title=item["name"]
    )
    custom = META_PARTS["custom_data"].CustomData(
        value=ORDER["value"], currency=ORDER["currency"], order_id=ORDER["order_id"], content_type="product", content_ids=[item["sku"]],
        contents=[content], num_items=2,
    )  # fmt: skip
    event = META_PARTS["event"].Event(
        event_name="Purchase", event_time=int(AT.timestamp()), event_id=ORDER["order_id"], user_data=user, custom_data=custom,
        event_source_url="https://shop.example/thanks?utm_campaign=evt-1", action_source=META_PARTS["action_source"].ActionSource.WEBSITE,
    )  # fmt: skip
    request = META.EventRequest(pixel_id="1234567890", events=[event], access_token="EAAB-meta-token-1")
    return json.loads(request.get_params()["data"][0])


def test_metas_sdk_builds_the_same_event_but_for_where_it_leaves_its_own_page() -> None:
    [item] = json.loads(ours("meta").body)["data"]
    found = different(metas_event(), item)
    assert set(found) == {
        "custom_data.currency",  # it writes usd; the page's examples have USD
        "user_data.external_id",  # it leaves it in clear; the page recommends to hash
        "user_data.ln",  # it keeps the apostrophe; the page: without punctuation
        "user_data.st",  # it keeps the name; the page: two letters in the US
    }
    assert found["custom_data.currency"] == ("usd", "USD")
    assert len(flat(item)) == 28


def test_googles_formatter_hashes_what_ga4_gets() -> None:
    told = json.loads(ours("ga4").body)["user_data"]
    formatter, as_hex = FORMATTER.Formatter(), FORMATTER.Encoding.HEX
    assert told["sha256_email_address"] == [formatter.process_email_address(PERSON["email"], as_hex)]
    assert told["sha256_phone_number"] == [formatter.process_phone_number(PERSON["phone"], as_hex)]
    assert told["address"][0]["sha256_first_name"] == formatter.process_given_name(PERSON["first_name"], as_hex)
    assert told["address"][0]["country"] == formatter.format_region_code(PERSON["country"])


def segments_message() -> Any:
    client = SEGMENT.Client("segment-key-1", send=False)
    _, message = client.track(EVENT["user_id"], "Order Completed", {"revenue": 99.5}, timestamp=AT, message_id="evt-1")
    return json.loads(json.dumps(message, default=str))


def test_segments_library_builds_a_message_of_the_same_names() -> None:
    [item] = json.loads(ours("segment").body)["batch"]
    theirs = segments_message()
    for name in ("type", "event", "userId", "messageId"):
        assert item[name] == theirs[name]
    assert datetime.fromisoformat(item["timestamp"]) == datetime.fromisoformat(theirs["timestamp"])
    assert set(item) <= set(theirs)  # theirs adds integrations, and anonymousId as null
    assert item["properties"]["revenue"] == theirs["properties"]["revenue"]


def test_posthogs_library_builds_an_event_of_the_same_names() -> None:
    built: list[Any] = []
    client = POSTHOG.Posthog("phc_posthog1", host="http://127.0.0.1:1", sync_mode=True, before_send=built.append)
    client.capture("purchase", distinct_id=EVENT["user_id"], timestamp=AT, properties={"value": 99.5})
    [theirs] = built
    body = json.loads(ours("posthog").body)
    [item] = body["batch"]
    assert {name: item[name] for name in ("event", "distinct_id")} == {
        name: theirs[name] for name in ("event", "distinct_id")
    }
    assert set(item) <= set(theirs)
    assert set(body) <= {"api_key", "batch", "historical_migration", "sent_at"}


def test_mixpanels_library_builds_a_record_of_the_same_names() -> None:
    built: list[Any] = []

    class Capture:
        def send(self, _endpoint: str, message: str, *_secrets: Any) -> None:
            built.append(json.loads(message))

    MIXPANEL.Mixpanel("mixpanel-token-1", consumer=Capture()).import_data(
        "k", EVENT["user_id"], "purchase", int(AT.timestamp()), {"value": 99.5}
    )
    [theirs], [item] = built, json.loads(ours("mixpanel").body)
    assert item["event"] == theirs["event"]
    for name in ("distinct_id", "value"):
        assert item["properties"][name] == theirs["properties"][name]
    assert (
        item["properties"]["time"] // 1000 == theirs["properties"]["time"]
    )  # ours in milliseconds, which /import takes as well
    assert {"time", "distinct_id", "$insert_id"} <= set(theirs["properties"]) & set(item["properties"])


def test_amplitudes_library_knows_every_field_of_ours() -> None:
    body = json.loads(ours("amplitude").body)
    [item] = body["events"]
    theirs = AMPLITUDE.BaseEvent(**item).get_event_body()
    assert {name: value for name, value in theirs.items() if name in item} == item
    assert set(body) == {"api_key", "events", "options"}
