"""The session's id, from the browser through each checkout that the README shows to the event upstream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from peers import Serving, Upstream, serving, until, upstream
from signed_requests import API_KEY, ORDER, SESSION, post, settings_for, shopify, stripe
from test_readme import block

SESSION_ID = "sess_abc123"
GCLID = "Cj0-made-up"


@pytest.fixture(scope="module")
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, peer: Upstream) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("linking"), settings_for(peer)) as one:
        yield one


def told(peer: Upstream, order_id: str) -> dict[str, Any]:
    """The event of that order, once it is upstream."""
    found: list[dict[str, Any]] = until(
        lambda: [event for event in peer.taken() if event["properties"]["order_id"] == order_id],
        what=f"the event of order {order_id}",
    )
    [event] = found
    return event


def shown(name: str) -> dict[str, str]:
    """The object that the README's sample gives for that name, filled in as a shop would."""
    found = re.search(rf"{name}: (\{{.*?\}})", block("js", "/cart/update.js"))
    assert found
    filled = found[1].replace("SESSION_ID", SESSION_ID).replace("GCLID", GCLID).replace("ORDER_ID", f"by-{name}")
    pairs: dict[str, str] = json.loads(re.sub(r"(\w+): ", r'"\1": ', filled).replace("'", '"'))
    return pairs


def stripe_session(name: str, **more: Any) -> dict[str, Any]:
    told: Any = SESSION["data"]
    plain = {key: value for key, value in told["object"].items() if key != "client_reference_id"}
    session = plain | {"id": f"cs_{name}", "payment_intent": f"pi_{name}", "metadata": {"order_id": name}} | more
    return SESSION | {"id": f"evt_{name}", "data": {"object": session}}


class Form(HTMLParser):
    """The hidden fields of a page, as a browser posts them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "input" and said["type"] == "hidden":
            self.fields[str(said["name"])] = str(said["value"])


def test_the_hidden_field_reaches_the_event_that_the_backend_sends(bridge: Serving, peer: Upstream) -> None:
    page = block("html", "hidden").replace("SESSION_ID", SESSION_ID)
    assert "session_id: req.body.session_id" in page
    event = {"event_type": "purchase", "properties": {"order_id": "by-form"}} | Form(page).fields
    headers = {"Authorization": f"Bearer {API_KEY}"}
    assert httpx.post(f"{bridge.url}/v1/track", json=event, headers=headers, trust_env=False).status_code == 200
    assert told(peer, "by-form")["session_id"] == SESSION_ID


def test_shopifys_cart_attribute_reaches_the_event_of_the_order(bridge: Serving, peer: Upstream) -> None:
    attributes = shown("attributes")
    assert attributes.keys() == {"session_id", "gclid"}
    order = ORDER | {
        "id": 501,
        "landing_site": "/",
        "note_attributes": [{"name": name, "value": value} for name, value in attributes.items()],
    }
    assert post(f"{bridge.url}/webhooks/shopify", shopify(order, "orders/paid", "w-501")).status_code == 200
    event = told(peer, "501")
    assert (event["session_id"], event["context"]["gclid"]) == (SESSION_ID, GCLID)


def test_stripes_metadata_reaches_the_event_of_the_session(bridge: Serving, peer: Upstream) -> None:
    session = stripe_session("by-metadata", metadata=shown("metadata"))
    assert post(f"{bridge.url}/webhooks/stripe", stripe(session)).status_code == 200
    event = told(peer, "by-metadata")
    assert (event["session_id"], event["context"]["gclid"]) == (SESSION_ID, GCLID)


def test_stripes_client_reference_id_reaches_the_event_of_the_session(bridge: Serving, peer: Upstream) -> None:
    sample = block("js", "/cart/update.js")
    assert "client_reference_id: 'SESSION_ID'" in sample
    assert "?client_reference_id=SESSION_ID" in sample
    session = stripe_session("by-reference", client_reference_id=SESSION_ID)
    assert post(f"{bridge.url}/webhooks/stripe", stripe(session)).status_code == 200
    assert told(peer, "by-reference")["session_id"] == SESSION_ID


def test_an_order_without_a_session_goes_without_one(bridge: Serving, peer: Upstream) -> None:
    assert post(f"{bridge.url}/webhooks/stripe", stripe(stripe_session("by-nobody"))).status_code == 200
    assert "session_id" not in told(peer, "by-nobody")
