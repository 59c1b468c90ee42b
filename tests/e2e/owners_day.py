"""An owner's day with the console, played through a real browser against a real `serve`; a picture after each step.

    python tests/e2e/owners_day.py --pictures FOLDER
    python tests/e2e/owners_day.py --readme .github/pictures

A wrong secret is seen and mended; a mapping mistake sets four refunds aside, and a draft mends it; a destination refuses
three orders, is mended, and they are retried. Each step is pictured in light, in dark and at 390 px. `--readme` makes
the two pictures of the README instead, of a store with an invented day. Needs chromium-headless-shell and the extra `test`; no test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "bench")]

from browser import opened_browser, visiting  # noqa: E402
from invented_shop import ignored_webhook, keep_history, order, refund  # noqa: E402
from peers import KEY, Serving, Upstream, serving, trackbridge, until, upstream  # noqa: E402
from signed_requests import SHOPIFY_SECRET, post, settings_for, shopify  # noqa: E402

from bridge.mapping.files import shipped_mappings  # noqa: E402

WIDE, PHONE = {"width": 1440, "height": 960}, {"width": 390, "height": 844}
README = {"width": 1280, "height": 790}
RIGHT_VALUE = "value: =choose(is_one_currency, not_null(in_shop_money, repaid_total), `null`)"
MISTAKE = "value: =decimal(body.total_refunded)"
"""What the owner wrote instead: a field that Shopify's refunds do not have."""
REFUSAL = {"success": False, "error": "properties.currency: CHF is not switched on for this account"}


class Pixel(Upstream):
    """A destination that refuses orders in Swiss francs until somebody switches them on there."""

    takes_francs = False

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """The usual answer, or the refusal."""
        events = json.loads(body)["events"]
        if not self.takes_francs and any(one["properties"].get("currency") == "CHF" for one in events):
            return 400, {}, json.dumps(REFUSAL).encode()
        return super().answer(headers, body)


@dataclass
class Day:
    """The browser's page, the shop's folder and the bridge; `step` counts the pictures."""

    page: Any
    shop: Path
    bridge: Serving
    pictures: Path
    step: int = field(default=0)

    def go(self, path: str) -> None:
        """Open a page of the console."""
        self.page.goto(f"{self.bridge.url}/ui{path}")

    def picture(self, name: str, says: str) -> None:
        """Keep what is seen now: light, dark and on a phone."""
        self.step += 1
        print(f"{self.step:2} {says}", flush=True)  # noqa: T201  it is typed by a person
        for mode, scheme, size in (("dark", "dark", WIDE), ("phone", "light", PHONE), ("light", "light", WIDE)):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(size)
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, f"{name} scrolls sideways, {mode}"
            self.page.screenshot(path=self.pictures / f"{self.step:02}-{name}-{mode}.png", full_page=mode == "phone")

    def wait_for(self, path: str, text: str) -> None:
        """Open a page until it has this text."""

        def is_there() -> bool:
            self.go(path)
            return text in self.page.inner_text("main")

        until(is_there, what=f"{text!r} on {path}", pause=0.2)

    def receive(self, body: dict[str, Any], topic: str, name: str, *, status: int = 200) -> None:
        """Shopify sends a webhook."""
        answer = post(f"{self.bridge.url}/webhooks/shopify", shopify(body, topic, name))
        assert answer.status_code == status, answer.text


def play_day(browser: Any, folder: Path, pictures: Path) -> None:
    """All of it."""
    pixel = Pixel()
    with upstream(pixel), visiting(browser, viewport=WIDE, color_scheme="light") as visit:
        settings = make_shop(folder, pixel)
        with serving(folder, settings) as bridge:
            day = Day(visit.page, folder, bridge, pictures)
            link = trackbridge(folder, settings, "console").stdout.split()[0]
            visit.page.goto(link)
            visit.page.wait_for_url(f"{bridge.url}/ui/")
            mend_secret(day)
            lose_refunds(day)
            mend_mapping(day)
            mend_destination(day, pixel)
            day.go("/actions")
            day.picture("actions", "the record of what was done")
            assert visit.said == [], visit.said


def make_shop(folder: Path, pixel: Upstream) -> dict[str, str]:
    """The folder as `init` makes it, with a wrong secret, and a mapping in which the value of refunds is a mistake."""
    done = trackbridge(folder, {}, "init", "shop-of-the-day")
    assert done.returncode == 0, done.stderr
    for each in (folder / "shop-of-the-day").iterdir():
        each.rename(folder / each.name)
    lines = {
        "STRIPE_WEBHOOK_SECRET": None, "SHOPIFY_WEBHOOK_SECRET": "copied from another shop",
        "BRIDGE_TRACK_URL": pixel.url, "BRIDGE_TRACK_KEY": KEY, "BRIDGE_MAPPINGS": str(folder / "own"),
    }  # fmt: skip
    set_environment(folder, lines)
    (folder / "own").mkdir()
    whole = (shipped_mappings() / "shopify.yaml").read_text()
    assert RIGHT_VALUE in whole
    (folder / "own" / "shopify.yaml").write_text(whole.replace(RIGHT_VALUE, MISTAKE))
    return {}


def set_environment(folder: Path, values: Mapping[str, str | None]) -> None:
    """Set lines of `.env` as an editor would; None deletes one."""
    kept = [line for line in (folder / ".env").read_text().splitlines() if line.partition("=")[0] not in values]
    kept += [f"{name}={value}" for name, value in values.items() if value is not None]
    (folder / ".env").write_text("\n".join(kept) + "\n")


def mend_secret(day: Day) -> None:
    """The secret is of another shop: the page says so, and sees the first webhook once it is right."""
    first = order(1, at=datetime.now(UTC))
    day.page.get_by_text("Waiting for the first webhook").wait_for()
    day.picture("first-run", "the first page, before anything has come")
    day.receive(first, "orders/paid", "first", status=401)
    day.page.get_by_text("the signature does not fit the secret").wait_for()
    day.page.get_by_role("link", name="Look again").click()
    day.page.get_by_text("it does not fit the signature of what came").wait_for()
    day.picture("wrong-secret", "a webhook was refused, and why")
    set_environment(day.shop, {"SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET})
    day.bridge.process.send_signal(signal.SIGHUP)
    until(lambda: _is_taken(day, first), what="the webhook sent again is taken", pause=0.3)
    day.page.get_by_text("It works: the first webhook is here").wait_for()
    day.picture("first-webhook", "the secret was mended; the webhook came again, and is shown without a reload")
    day.page.get_by_role("link", name="wh_1", exact=True).click()
    day.page.get_by_role("heading", name="What came in").wait_for()
    day.picture("one-webhook", "that webhook, its mapping and its event")


def _is_taken(day: Day, body: dict[str, Any]) -> bool:
    """Whether every process has the new secret: Shopify sends again."""
    answer = post(f"{day.bridge.url}/webhooks/shopify", shopify(body, "orders/paid", "first"))
    return answer.status_code == 200


def lose_refunds(day: Day) -> None:
    """Orders come and are delivered; four refunds are set aside by the mistake."""
    now = datetime.now(UTC)
    for number in range(2, 14):
        day.receive(order(number, at=now, items=1 + number % 2), "orders/paid", f"order-{number}")
    day.receive(*ignored_webhook(2), "ignored")
    for number in (2, 5, 8, 11):
        day.receive(refund(number, at=now, amount=f"{number}9.90"), "refunds/create", f"refund-{number}")
    day.wait_for("/", "4 set aside of shopify")
    day.picture("home-needs", "the first page: four refunds are set aside")


def mend_mapping(day: Day) -> None:
    """From Needs you to a draft that makes events of all four, into use, and to their delivery."""
    page = day.page
    page.get_by_role("link", name="Mend…").click()
    day.picture("needs-refunds", "Needs you: where, why, and what to do")
    page.get_by_role("link", name="Try a draft…").click()
    draft = page.get_by_role("textbox", name="The text of the mapping")
    page.get_by_text("0 of 4 now become events").wait_for()
    day.picture("playground", "the playground opens on the newest that failed, at the line that failed")
    draft.fill(draft.input_value().replace(MISTAKE, RIGHT_VALUE))
    page.get_by_text("4 of 4 now become events").wait_for()
    page.evaluate("line => { document.getElementById(line).scrollIntoView({block: 'center'}); scrollTo(0, 0) }", "L378")
    day.picture("draft", "4 of 4 now become events")
    page.get_by_role("button", name="Put into use…").click()
    page.get_by_role("button", name="Put it into use").wait_for()
    day.picture("use-dry-run", "what putting it into use would do")
    page.get_by_role("button", name="Put it into use").click()
    page.get_by_text("shopify.yaml is in use now").wait_for()
    day.picture("used", "it is in use; what was set aside waits to be replayed")
    page.get_by_role("link", name="replay that of shopify…").click()
    page.get_by_role("button", name="Replay 4 webhooks").wait_for()
    day.picture("replay-dry-run", "what a replay would make of the four")
    page.get_by_role("button", name="Replay 4 webhooks").click()
    page.wait_for_url("**/ui/needs?did=replay-4")
    day.picture("replayed", "they are replayed")
    until(lambda: _all_delivered(day), what="the four refunds are delivered", pause=0.3)
    day.picture("home-well", "the first page: nothing needs you")


def _all_delivered(day: Day) -> bool:
    """Whether the first page says so, and that nothing needs the owner."""
    day.go("/")
    words = day.page.inner_text("main")
    return "Everything is getting through." in words and "were delivered: 100.0%." in words


def mend_destination(day: Day, pixel: Pixel) -> None:
    """Three orders in francs are refused; francs are switched on there; the three are retried at once."""
    page, now = day.page, datetime.now(UTC)
    for number in (21, 22, 23):
        day.receive(order(number, at=now, currency="CHF"), "orders/paid", f"order-{number}")
    day.wait_for("/", "3 dead at track")
    day.picture("home-refused", "the first page: the destination refused three orders")
    page.get_by_role("link", name="Mend…").click()
    day.picture("needs-refused", "Needs you: what the destination answered")
    page.get_by_role("link", name="Look at the newest").click()
    page.get_by_role("button", name="Show personal data").click()
    page.get_by_text("CHF is not switched on").first.wait_for()
    day.picture("answer", "the newest of the three, with the answer in clear")
    page.go_back()
    page.go_back()
    pixel.takes_francs = True
    page.get_by_role("link", name="Retry 3…").click()
    page.get_by_role("button", name="Retry 3 deliveries").wait_for()
    day.picture("retry-dry-run", "what a retry would send")
    page.get_by_role("button", name="Retry 3 deliveries").click()
    page.wait_for_url("**/ui/needs?did=retry-3")
    day.picture("retried", "they are due")
    until(lambda: _all_delivered(day), what="the three orders are delivered", pause=0.3)
    day.go("/destinations")
    day.picture("delivered", "all is delivered")
    francs = [one for one in pixel.taken() if one["properties"].get("currency") == "CHF"]
    refunds = [one for one in pixel.taken() if one["event_type"] == "refund"]
    assert (len(francs), len(refunds)) == (3, 4), (len(francs), len(refunds))


def picture_readme(browser: Any, folder: Path, pictures: Path) -> None:
    """The two pictures of the README: the first page, and one webhook with its mapping and its event."""
    now = datetime.now(UTC)
    _in_thread(lambda: asyncio.run(keep_history(folder / "trackbridge.db", now=now)))
    pixel = Pixel()
    with upstream(pixel), visiting(browser, viewport=README, color_scheme="light") as visit:
        settings = settings_for(pixel) | {"BRIDGE_PUBLIC_URL": "https://hooks.example"}
        with serving(folder, settings) as bridge:
            day = Day(visit.page, folder, bridge, pictures)
            visit.page.goto(trackbridge(folder, settings, "console").stdout.split()[0])
            visit.page.wait_for_url(f"{bridge.url}/ui/")
            day.receive(order(901, at=now, items=2), "orders/paid", "order-901")
            day.receive(order(902, at=now, currency="CHF"), "orders/paid", "order-902")
            day.receive(order(903, at=now), "orders/paid", "order-903")
            day.wait_for("/", "1 dead at track")
            day.wait_for("/events", "903")
            day.go("/")
            visit.page.screenshot(path=pictures / "home.png")
            day.go("/webhooks")
            visit.page.locator("[data-rows] tr").nth(2).get_by_role("link").first.click()
            visit.page.locator(".f", has_text="order_name").first.locator("dt").click()
            visit.page.set_viewport_size(README | {"height": 620})  # the picture is under 150 kB
            visit.page.screenshot(path=pictures / "webhook.png")


def _in_thread(act: Callable[[], object]) -> None:
    """Do it in a thread of its own: playwright runs an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(act).result()


def run(words: Sequence[str]) -> int:
    """Play it; 0 when every step came."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pictures", type=Path, metavar="FOLDER", help="play the day; its pictures go to this folder")
    which.add_argument("--readme", type=Path, metavar="FOLDER", help="make the README's two pictures in this folder")
    options = parser.parse_args(words)
    pictures = options.pictures or options.readme
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, opened_browser() as browser:
        (play_day if options.pictures else picture_readme)(browser, Path(folder), pictures)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
