"""The console's pages in a real browser: light, dark, at 390 px and without scripts; nothing personal, nothing broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import axe_violations, opened_browser, visiting
from made_up_mapping import CLUB
from peers import KEY, Serving, Upstream, listed, serving, until, upstream
from signed_requests import ORDER, SESSION, post, settings_for, shopify, stripe

CONSOLE_KEY = "a-made-up-console-key"
ORDER_VALUE = "order_value: =choose(body.total_price == 'a lot', '19.90', priced)\n  priced: ="
"""What makes an event of the order that is set aside."""
REFUSAL = json.dumps({"success": False, "error": "properties.currency: XXX is no currency"}).encode()


@dataclass(frozen=True)
class Shop:
    """A bridge with webhooks of every kind, and a session of its console."""

    bridge: Serving
    folder: Path
    pages: dict[str, str]
    state: Any


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as found:
        yield found


PERSON = {
    "contact_email": "ada@example.com",
    "note": "Please ring twice, Ada",
    "customer": {"id": 7001, "email": "ada@example.com", "first_name": "Ada", "last_name": "Byron"},
    "shipping_address": {
        "first_name": "Ada", "last_name": "Byron", "address1": "1 Example Street", "city": "Berlin", "zip": "10115",
        "country_code": "DE", "phone": "+49 30 901820",
    },
}  # fmt: skip


def post_order(bridge: Serving, number: int, *, topic: str = "orders/paid", **more: Any) -> None:
    """One order, signed as Shopify signs it."""
    body = ORDER | PERSON | {"id": 5678201931000 + number, "name": f"#{1000 + number}"} | more
    answer = post(f"{bridge.url}/webhooks/shopify", shopify(body, topic, f"made-up-{number}"))
    assert answer.status_code == 200, answer.text


def filled(bridge: Serving, peer: Upstream, folder: Path) -> dict[str, str]:
    """Webhooks that were delivered, refused, ignored and set aside; the addresses of all pages."""
    peer.script.append((400, {}, REFUSAL))
    post_order(bridge, 1)
    until(lambda: listed(folder, "deliveries", state="dead"), what="a dead letter")
    for number in range(2, 9):
        post_order(bridge, number)
    post(f"{bridge.url}/webhooks/stripe", stripe(SESSION))
    post_order(bridge, 90, total_price="a lot")
    post_order(bridge, 91, topic="app/uninstalled")
    until(lambda: len(listed(folder, "webhooks")) == 11, what="all webhooks")
    until(lambda: len(listed(folder, "deliveries", state="delivered")) >= 8, what="all deliveries")
    aside = next(row["id"] for row in listed(folder, "webhooks", state="set_aside"))
    event = next(row["id"] for row in listed(folder, "events"))
    return {
        "sources": "/ui/sources", "settings": "/ui/settings", "start": "/ui/start", "find": "/ui/find",
        "test-webhook": "/ui/actions/test-webhook?id=shopify", "test-event": "/ui/actions/test-event?id=track",
        "mappings": "/ui/mappings", "mapping": "/ui/mappings/club",
        "playground": "/ui/mappings/shopify/try",
        "home": "/ui/", "webhooks": "/ui/webhooks", "webhook": "/ui/webhooks/wh_1", "aside": f"/ui/webhooks/{aside}",
        "none": "/ui/webhooks?state=set_aside&source=stripe", "events": "/ui/events", "event": f"/ui/events/{event}",
        "missing": "/ui/webhooks/wh_999", "needs": "/ui/needs", "dry-run": f"/ui/actions/replay?id={aside}",
        "actions": "/ui/actions", "destinations": "/ui/destinations",
    }  # fmt: skip


PAGES = (
    "home", "webhooks", "webhook", "aside", "none", "events", "event", "sources", "missing", "needs", "dry-run", "actions",
    "destinations", "settings", "start", "find", "test-webhook", "test-event", "mappings", "mapping", "playground",
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (maps := folder / "maps").mkdir()
    (maps / "club.yaml").write_text(CLUB)
    with upstream() as peer:
        settings = settings_for(peer) | {"BRIDGE_CONSOLE_KEYS": f"ines:change:{CONSOLE_KEY}"}
        settings |= {"BRIDGE_MAPPINGS": str(maps)}
        assert KEY in settings.values()
        with serving(folder, settings) as bridge:
            with visiting(browser) as visit:
                visit.page.goto(f"{bridge.url}/ui/login")
                visit.page.get_by_label("Key or code").fill(CONSOLE_KEY)
                visit.page.get_by_role("button", name="Log in").click()
                visit.page.wait_for_url(f"{bridge.url}/ui/")
                state = visit.page.context.storage_state()
            (maps / "club.yaml").write_text(CLUB.replace("=person.email", "=lowr(person.email)"))
            yield Shop(bridge, folder, filled_apart(bridge, peer, folder), state)


def filled_apart(bridge: Serving, peer: Upstream, folder: Path) -> dict[str, str]:
    """Fill it in a thread of its own: playwright runs an event loop in this one."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  for this alone

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(filled, bridge, peer, folder).result()


MODES = {
    "light": {"color_scheme": "light", "viewport": {"width": 1440, "height": 960}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1440, "height": 960}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_quiet_and_for_everybody(browser: Any, shop: Shop, name: str, mode: str) -> None:
    with visiting(browser, storage_state=shop.state, **MODES[mode]) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages[name]}")
        wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, "it scrolls sideways"
        visit.shot(f"{name}-{mode}")
        assert axe_violations(visit.page) == []
        expected = [] if name != "missing" else [said for said in visit.said if "404" in said]
        assert visit.said == expected
        assert visit.asked == {shop.bridge.url.removeprefix("http://")}, "nothing is asked of another host"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_scripts(browser: Any, shop: Shop, name: str) -> None:
    with visiting(browser, storage_state=shop.state, java_script_enabled=False) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages[name]}")
        assert len(visit.page.inner_text("main")) > 20


def test_without_scripts_a_field_leads_to_its_lines(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state, java_script_enabled=False) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages['webhook']}")
        field = visit.page.locator(".f", has_text="404.90").first
        for link in field.locator(".from a").all():
            target = link.get_attribute("href")
            assert target
            assert visit.page.locator(target).count() == 1
        assert "total_price" in field.inner_text()


def test_a_pinned_field_lights_its_line_of_the_body_and_of_the_mapping(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state, **MODES["light"]) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages['webhook']}")
        visit.page.locator(".f", has_text="404.90").first.locator("dt").click()
        hot = visit.page.locator(".l.hot").all_inner_texts()
        assert [text.strip() for text in hot if "total_price" in text], hot
        assert any("value:" in text for text in hot), hot
        visit.shot("webhook-lit")


def test_a_webhook_appears_in_the_open_list_by_itself(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state) as visit:
        visit.page.goto(f"{shop.bridge.url}/ui/webhooks")
        before = visit.page.locator("[data-rows] tr").count()
        post_order(shop.bridge, 777)
        visit.page.locator("[data-rows] tr.new").wait_for(timeout=5000)
        assert visit.page.locator("[data-rows] tr").count() == before + 1
        assert visit.said == []


def test_the_filters_are_the_address_and_the_address_is_the_filters(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state) as visit:
        visit.page.goto(f"{shop.bridge.url}/ui/webhooks")
        visit.page.get_by_label("State").select_option("set_aside")
        visit.page.get_by_role("button", name="Filter").click()
        visit.page.wait_for_url("**state=set_aside**")
        assert visit.page.locator("[data-rows] tr").count() == 1
        assert visit.page.get_by_label("State").input_value() == "set_aside"


def test_the_theme_is_kept(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state) as visit:
        visit.page.goto(f"{shop.bridge.url}/ui/")
        button = visit.page.locator("[data-theme-button]")
        button.click()
        button.click()
        visit.page.goto(f"{shop.bridge.url}/ui/webhooks")
        assert visit.page.locator("html").get_attribute("data-theme") == "dark"


def test_a_dead_letter_is_retried_without_scripts_and_delivered(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state, java_script_enabled=False) as visit:
        visit.page.goto(f"{shop.bridge.url}/ui/needs")
        visit.page.get_by_role("link", name="Retry 1…").click()
        assert "Retry 1 delivery?" in visit.page.inner_text("h1")
        visit.page.get_by_role("button", name="Retry 1 delivery").click()
        visit.page.wait_for_url("**/ui/needs?did=retry-1")
        assert "1 delivery is due now" in visit.page.inner_text("main")

        def is_mended() -> bool:
            visit.page.goto(f"{shop.bridge.url}/ui/needs")
            return "dead at track" not in visit.page.inner_text("main")

        until(is_mended, what="the dead letter was delivered")
        visit.page.goto(f"{shop.bridge.url}/ui/actions")
        assert "ines" in visit.page.inner_text("tbody tr:first-child")


@pytest.mark.parametrize("mode", MODES)
def test_personal_data_is_shown_when_it_is_asked_for(browser: Any, shop: Shop, mode: str) -> None:
    with visiting(browser, storage_state=shop.state, java_script_enabled=mode != "dark", **MODES[mode]) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages['webhook']}")
        assert "ada@example.com" not in visit.page.content()
        visit.page.get_by_role("button", name="Show personal data").click()
        visit.page.get_by_role("link", name="Mask it again").wait_for()
        visit.shot(f"personal-{mode}")
        assert "ada@example.com" in visit.page.content()
        assert visit.said == []
        if mode != "dark":
            wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide == 0, "it scrolls sideways"
        visit.page.get_by_role("link", name="Mask it again").click()
        visit.page.get_by_role("button", name="Show personal data").wait_for()
        assert "ada@example.com" not in visit.page.content()


@pytest.mark.parametrize("mode", MODES)
def test_a_draft_is_tried_while_it_is_written(browser: Any, shop: Shop, mode: str) -> None:
    with visiting(browser, storage_state=shop.state, **MODES[mode]) as visit:
        visit.page.goto(f"{shop.bridge.url}{shop.pages['playground']}")
        draft = visit.page.get_by_role("textbox", name="The text of the mapping")
        whole = draft.input_value()
        assert "0 of 1 now become events" in visit.page.inner_text("[data-part=summary]")
        draft.fill(f"{whole}surplus: 1\n")
        link = visit.page.get_by_role("link", name=f"line {len(whole.splitlines()) + 1}, column 1")
        link.wait_for()
        assert visit.page.locator(".layer .l.err").inner_text() == str(len(whole.splitlines()) + 1)
        assert "unknown key 'surplus'" in visit.page.inner_text("[data-part=problems]")
        visit.shot(f"playground-error-{mode}")
        draft.fill(
            whole.replace(
                "order_value: =", "order_value: =choose(body.total_price == 'a lot', '19.90', first)\n  first: ="
            )
        )
        visit.page.get_by_text("1 of 1 now become events").wait_for()
        visit.page.locator(".f", has_text="order_id").first.locator("dt").click()
        assert visit.page.locator(".layer .l.hot").count() == 1
        visit.shot(f"playground-mended-{mode}")
        wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (visit.said, wide) == ([], 0)
        mended = draft.input_value()
        visit.page.goto(f"{shop.bridge.url}/ui/mappings")
        visit.shot(f"mappings-draft-{mode}")
        visit.page.get_by_role("link", name="draft of").click()
        assert draft.input_value() == mended, "it is there again"
        visit.shot(f"playground-kept-{mode}")
        visit.page.get_by_role("link", name="Discard…").click()
        visit.shot(f"discard-{mode}")
        visit.page.get_by_role("button", name="Discard it").click()
        visit.page.get_by_text("The draft is discarded.").wait_for()


def test_a_mapping_is_mended_put_into_use_and_what_it_failed_on_is_delivered(browser: Any, shop: Shop) -> None:
    with visiting(browser, storage_state=shop.state, java_script_enabled=False, **MODES["light"]) as visit:
        page = visit.page
        page.goto(f"{shop.bridge.url}{shop.pages['aside']}")
        page.get_by_role("link", name="Try a draft…").click()
        draft = page.get_by_role("textbox", name="The text of the mapping")
        draft.fill(draft.input_value().replace("order_value: =", ORDER_VALUE))
        page.get_by_role("button", name="Try it").click()
        page.get_by_text("1 of 1 now become events").wait_for()
        page.get_by_role("button", name="Put into use…").click()
        assert "Put shopify.yaml into use?" in page.inner_text("h1")
        visit.shot("use")
        page.get_by_role("button", name="Put it into use").click()
        page.get_by_text("shopify.yaml is in use now").wait_for()
        visit.shot("used")
        page.get_by_role("link", name="replay that of shopify…").click()
        page.get_by_role("button", name="Replay 1 webhook").click()
        page.wait_for_url("**/ui/needs?did=replay-1")

        def is_told() -> bool:
            page.goto(f"{shop.bridge.url}{shop.pages['aside']}")
            return "19.90 EUR delivered" in page.inner_text("main")

        until(is_told, what="the order was delivered")
