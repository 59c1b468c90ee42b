"""The snippet for a shop's pages, in a real browser: what it writes comes out in the events of the shipped mappings."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from signed_requests import ORDER, SESSION

from bridge.core import json_text
from bridge.core.model import Translated, Webhook
from bridge.settings.sources import load_mappings

ROOT = Path(__file__).parents[2]
SNIPPET = ROOT / ".github" / "browser" / "link.js"
BROWSERS = ("chromium-headless-shell", "chromium")
COOKIES = (
    "_fbp=fb.1.1596403881668.1116446470", "_fbc=fb.1.1554763741205.IwAR", "_ttp=2R3x", "_epik=dj0y",
    "_ga=GA1.1.1234567890.1700000000", "_ga_ABC123=GS2.1.s1700000123$o1$g0", "li_fat_id=c9a",
)  # fmt: skip
LANDING = "/?gclid=Cj0&fbclid=IwAR0&ttclid=E.C.P&ScCid=sc-1&rdt_cid=rdt-1&msclkid=ms-1"
SHOPIFY = """
<script>
  let allowed = {allowed}
  window.Shopify = {{
    loadFeatures: (_features, then) => then(),
    customerPrivacy: {{
      marketingAllowed: () => allowed, analyticsProcessingAllowed: () => true, saleOfDataAllowed: () => false,
    }},
  }}
</script>
<script src="/link.js"></script>
<script>{then}</script>
"""
DENY_LATER = "allowed = false; document.dispatchEvent(new Event('visitorConsentCollected'))"
PAY = """
<script src="/link.js"></script>
<script>
  fetch('/pay', {method: 'POST', body: JSON.stringify(trackbridgeLink({ads: true, analytics: false}))})
</script>
"""


@dataclass
class Shop:
    """A shop's pages by path, and what they posted."""

    pages: dict[str, str]
    url: str = ""
    posted: list[Any] = field(default_factory=list)


@contextmanager
def opened(pages: dict[str, str]) -> Iterator[Shop]:
    shop = Shop(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = SNIPPET.read_text() if path == "/link.js" else shop.pages.get(path, "")
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if path == "/link.js" else "text/html")
            for cookie in COOKIES:
                self.send_header("Set-Cookie", f"{cookie}; path=/")
            self.end_headers()
            self.wfile.write(found.encode())

        def do_POST(self) -> None:
            shop.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def visit(shop: Shop, path: str, folder: Path) -> None:
    """Open a page and wait for what it fetches; on CI a browser must be there."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--virtual-time-budget=5000"]
    done = subprocess.run(
        [browser, *options, "--dump-dom", f"{shop.url}{path}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def event_of(provider: str, topic: str, body: Any) -> Any:
    source = load_mappings(None)[provider].bind_source(provider, secrets=(), vars={})
    at = datetime(2026, 3, 1, tzinfo=UTC)
    made = source.translate(Webhook(provider, "1", topic, at, json.dumps(body).encode(), ()))
    assert isinstance(made, Translated), made
    assert made.events[0].notes == ()
    return json_text.parse_json(made.events[0].text)


def order_with(attributes: dict[str, str]) -> Any:
    """An order of the cart with these attributes, as Shopify keeps them: an empty text takes one away."""
    kept = [{"name": name, "value": value} for name, value in attributes.items() if value]
    return {**ORDER, "note_attributes": kept, "landing_site": "/wallets/checkouts/1", "client_details": None}


def test_a_shopify_cart_carries_ids_page_browser_and_consent_into_the_purchase(tmp_path: Path) -> None:
    with opened({"/": SHOPIFY.format(allowed="true", then="")}) as shop:
        visit(shop, LANDING, tmp_path)
        [posted] = shop.posted
    assert all(name.startswith("_") for name in posted["attributes"])
    event = event_of("shopify", "orders/paid", order_with(posted["attributes"]))
    context = event["context"]
    assert "HeadlessChrome" in context.pop("user_agent")
    context.pop("referrer", None)
    assert context == {
        "page_url": f"{shop.url}{LANDING}",
        "gclid": "Cj0", "fbclid": "IwAR0", "ttclid": "E.C.P", "ScCid": "sc-1", "rdt_cid": "rdt-1", "msclkid": "ms-1",
        "fbp": "fb.1.1596403881668.1116446470", "fbc": "fb.1.1554763741205.IwAR", "ttp": "2R3x", "epik": "dj0y",
        "li_fat_id": "c9a", "ga_client_id": "1234567890.1700000000", "ga_session_id": "1700000123",
    }  # fmt: skip
    assert event["consent"] == {"ads": True, "analytics": True, "sale_opt_out": True}


def test_where_ads_are_denied_only_that_is_written_and_a_later_no_takes_the_ids_away(tmp_path: Path) -> None:
    with opened({"/": SHOPIFY.format(allowed="false", then="")}) as shop:
        visit(shop, LANDING, tmp_path / "denied")
        [posted] = shop.posted
    denied = {"_consent_ads": "denied", "_consent_analytics": "granted", "_consent_sale_opt_out": "true"}
    assert posted["attributes"] == denied
    with opened({"/": SHOPIFY.format(allowed="true", then=DENY_LATER)}) as shop:
        visit(shop, LANDING, tmp_path / "later")
        first, last = sorted(shop.posted, key=lambda one: one["attributes"]["_gclid"], reverse=True)
    assert first["attributes"]["_gclid"] == "Cj0"
    assert {name: text for name, text in last["attributes"].items() if text} == denied
    assert last["attributes"].keys() == first["attributes"].keys()
    event = event_of("shopify", "orders/paid", order_with(last["attributes"]))
    assert "gclid" not in event.get("context", {})
    assert event["consent"] == {"ads": False, "analytics": True, "sale_opt_out": True}


def test_ones_own_checkout_passes_what_the_first_page_knew_into_stripes_metadata(tmp_path: Path) -> None:
    first = '<script src="/link.js"></script><script>trackbridgeLink(); location.href = "/basket"</script>'
    with opened({"/": first, "/basket": PAY}) as shop:
        visit(shop, LANDING, tmp_path)
        [metadata] = shop.posted
    assert len(metadata) <= 50  # Stripe's limits: 50 keys of 40 characters, values of 500
    assert all(len(name) <= 40 and len(text) <= 500 for name, text in metadata.items())
    session_event: Any = SESSION
    session = {**session_event["data"]["object"], "metadata": {**metadata, "order_id": "A7"}}
    event = event_of("stripe", session_event["type"], {**session_event, "data": {"object": session}})
    assert (event["context"]["gclid"], event["context"]["page_url"]) == ("Cj0", f"{shop.url}{LANDING}")
    assert (event["context"]["ga_session_id"], event["context"]["ScCid"]) == ("1700000123", "sc-1")
    assert event["consent"] == {"ads": True, "analytics": False}


def test_it_is_small_and_the_readme_leads_to_it() -> None:
    assert len(SNIPPET.read_bytes()) < 3 * 1024
    assert "(.github/browser/link.js)" in (ROOT / "README.md").read_text()
