"""The vendor's own samples, as its page prints them but for host and key, against a running bridge."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import Serving, Upstream, serving, until, upstream

API_KEY = "a-made-up-key"
AXIOS = Path(__file__).parents[2] / ".ci" / "node" / "node_modules"
EVENT_ID = re.compile(r"evt_[0-9]{13}_[a-z0-9]{12}")

CURL_ONE = """\
curl -s -X POST https://your-endpoint.com/v1/track \\
-H "Authorization: Bearer YOUR_SERVER_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"event_type": "purchase",
"timestamp": "2024-01-15T14:30:45Z",
"session_id": "sess_abc123",
"user_id": "user_12345",
"properties": {
"order_id": "ORD-12345",
"value": 99.99,
"currency": "USD"
},
"user_data": {
"email": "customer@example.com",
"phone": "+1234567890"
},
"context": {
"ip": "203.0.113.0",
"user_agent": "Mozilla/5.0...",
"page_url": "https://yoursite.com/checkout"
}
}'
"""
CURL_BATCH = """\
curl -s -X POST https://your-endpoint.com/v1/track/batch \\
-H "Authorization: Bearer YOUR_SERVER_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"events": [
{
"event_type": "purchase",
"properties": { "order_id": "ORD-001", "value": 99.99 }
},
{
"event_type": "purchase",
"properties": { "order_id": "ORD-002", "value": 149.99 }
}
]
}'
"""
AXIOS_SAMPLE = """\
const axios = require('axios')
async function trackPurchase(order) {
await axios.post('https://your-endpoint.com/v1/track', {
event_type: 'purchase',
properties: {
order_id: order.id,
value: order.total,
currency: 'USD'
},
user_data: {
email: order.customer.email,
phone: order.customer.phone
},
context: {
session_id: order.session_id,
ip: order.ip_address
}
}, {
headers: {
'Authorization': `Bearer ${process.env.CONVULTRA_SERVER_KEY}`,
'Content-Type': 'application/json'
}
})
}
"""
RETRY_SAMPLE = """\
async function trackWithRetry(event, maxRetries = 3) {
for (let i = 0; i < maxRetries; i++) {
try {
return await track(event)
} catch (error) {
if (error.response?.status === 429 || error.response?.status >= 500) {
await sleep(1000 * Math.pow(2, i)) // Exponential backoff
continue
}
throw error
}
}
}
"""


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    settings = {"BRIDGE_API_KEYS": API_KEY, "BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": "k"}
    with serving(tmp_path, settings) as one:
        yield one


def here(sample: str, bridge: Serving) -> str:
    return sample.replace("https://your-endpoint.com", bridge.url).replace("YOUR_SERVER_API_KEY", API_KEY)


def shell(script: str) -> str:
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout


def node(script: str) -> str:
    environment = os.environ | {"NODE_PATH": str(AXIOS), "CONVULTRA_SERVER_KEY": API_KEY}
    done = subprocess.run(
        ["node", "-e", script], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_curl_sample_gets_the_answer_that_the_page_prints(bridge: Serving, peer: Upstream) -> None:
    answer = json.loads(shell(here(CURL_ONE, bridge)))
    assert answer == {"success": True, "event_id": answer["event_id"]}
    assert EVENT_ID.fullmatch(answer["event_id"])
    [event] = until(peer.taken, what="the event upstream")
    assert event["event_id"] == answer["event_id"]
    assert event["properties"] == {"order_id": "ORD-12345", "value": 99.99, "currency": "USD"}
    assert event["timestamp"] == "2024-01-15T14:30:45Z"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_batch_sample_gets_an_id_for_each_event_in_order(bridge: Serving, peer: Upstream) -> None:
    answer = json.loads(shell(here(CURL_BATCH, bridge)))
    assert answer["success"] is True
    assert all(EVENT_ID.fullmatch(event_id) for event_id in answer["event_ids"])
    until(lambda: len(peer.taken()) == 2, what="both events upstream")
    assert {event["event_id"]: event["properties"]["order_id"] for event in peer.taken()} == dict(
        zip(answer["event_ids"], ["ORD-001", "ORD-002"], strict=True)
    )


@pytest.mark.skipif(not (shutil.which("node") and AXIOS.is_dir()), reason="node with axios is not installed")
def test_the_axios_sample_is_taken_with_the_session_id_where_it_sends_it(bridge: Serving, peer: Upstream) -> None:
    order = "{id: 'ORD-7', total: 12.5, customer: {email: 'ada@example.com', phone: '+15555550100'}, session_id: 'sess_7', ip_address: '203.0.113.7'}"
    node(
        here(AXIOS_SAMPLE, bridge)
        + f"trackPurchase({order}).catch(e => {{ console.error(String(e)); process.exit(1) }})"
    )
    [event] = until(peer.taken, what="the event upstream")
    assert event["session_id"] == "sess_7"
    assert event["properties"] == {"order_id": "ORD-7", "value": 12.5, "currency": "USD"}


@pytest.mark.skipif(not (shutil.which("node") and AXIOS.is_dir()), reason="node with axios is not installed")
def test_the_retry_sample_gives_up_at_once_on_400_and_returns_on_200(bridge: Serving) -> None:
    script = (
        "const axios = require('axios');"
        "const sleep = ms => new Promise(r => setTimeout(r, ms));"
        f"const track = e => axios.post('{bridge.url}/v1/track', e, "
        f"{{headers: {{Authorization: 'Bearer {API_KEY}'}}}});\n"
        + RETRY_SAMPLE
        + "trackWithRetry({event_type: 'lead'}).then(r => { console.log(r.data.success);"
        " return trackWithRetry({event_type: ''}) }).catch(e => console.log(e.response.status, e.response.data.error))"
    )
    first, second = node(script).splitlines()
    assert first == "true"
    assert second.startswith("400 event_type must")
