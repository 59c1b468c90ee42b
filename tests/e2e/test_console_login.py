"""Logging in to the console in a real browser: the link, a typed code, and other sites that try to send forms."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import opened_browser, visiting
from peers import Serving, serving, trackbridge
from signed_requests import ORDER, SHOPIFY_SECRET, post, shopify

KEY = "a-made-up-console-key"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("console")


@pytest.fixture(scope="module")
def bridge(folder: Path) -> Iterator[Serving]:
    settings = {"BRIDGE_CONSOLE_KEYS": f"ines:change:{KEY}", "SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET}
    with serving(folder, settings) as running:
        yield running


def link_of(bridge: Serving, folder: Path) -> str:
    said = trackbridge(folder, {"BRIDGE_CONSOLE_KEYS": f"ines:change:{KEY}"}, "console")
    assert (said.returncode, said.stderr) == (0, "")
    link, meaning = said.stdout.splitlines()
    assert link.startswith(f"{bridge.url}/ui/login#"), "the port is that of `serve --port`, which no setting has"
    assert meaning == "opens the console as ines (change), once, until 5 minutes from now"
    return link


def test_the_link_of_the_command_opens_the_console_once(browser: Any, bridge: Serving, folder: Path) -> None:
    link = link_of(bridge, folder)
    code = link.partition("#code=")[2]
    with visiting(browser) as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        visit.page.goto(link)
        visit.page.wait_for_url(f"{bridge.url}/ui/")
        assert "ines" in visit.page.inner_text("body")
        assert not [url for url in asked if code in url.partition("#")[0]], "no server and no log sees the code"
        assert visit.said == []
    with visiting(browser) as visit:
        visit.page.goto(link)
        visit.page.get_by_role("alert").wait_for()
        assert "no code that is valid now" in visit.page.inner_text("body")
    assert code not in bridge.log.read_text()


def test_without_scripts_the_code_is_typed(browser: Any, bridge: Serving, folder: Path) -> None:
    link = link_of(bridge, folder)
    with visiting(browser, java_script_enabled=False) as visit:
        visit.page.goto(link)
        visit.page.get_by_label("Key or code").fill(link.partition("#code=")[2])
        visit.page.get_by_role("button", name="Log in").click()
        visit.page.wait_for_url(f"{bridge.url}/ui/")


FORM = """
<!doctype html><form method="post" action="{url}/ui/logout"><button>go</button></form>
<script>document.querySelector("form").submit()</script>
"""


@contextmanager
def other_site(page: str) -> Iterator[int]:
    """A site on another port, all pages of which are this one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1"])
def test_a_form_of_another_site_or_another_port_is_refused(
    browser: Any, bridge: Serving, folder: Path, host: str
) -> None:
    with visiting(browser) as visit, other_site(FORM.format(url=bridge.url)) as port:
        visit.page.goto(link_of(bridge, folder))
        visit.page.wait_for_url(f"{bridge.url}/ui/")
        with visit.page.expect_response(f"{bridge.url}/ui/logout") as answer:
            visit.page.goto(f"http://{host}:{port}/")
        assert answer.value.status == 403
        visit.page.goto(f"{bridge.url}/ui/")
        assert visit.page.url == f"{bridge.url}/ui/", "the session goes on"


def test_a_name_that_was_made_to_lead_here_sees_nothing(browser: Any, bridge: Serving) -> None:
    with visiting(browser) as visit:
        answer = visit.page.goto(f"http://evil.test:{bridge.url.rpartition(':')[2]}/ui/login")
        assert answer.status == 421
        assert "Log in" not in visit.page.inner_text("body")


def test_a_new_owner_sees_why_a_request_is_refused_and_then_the_first_webhook_within_two_seconds(
    browser: Any, bridge: Serving, folder: Path
) -> None:
    hook = f"{bridge.url}/webhooks/shopify"
    with visiting(browser) as visit:
        visit.page.goto(link_of(bridge, folder))
        visit.page.get_by_text("Waiting for the first webhook").wait_for()
        assert post(hook, shopify(ORDER, "orders/paid", "wrong", secret="another made-up secret")).status_code == 401
        visit.page.get_by_text("the signature does not fit the secret").wait_for()
        assert post(hook, shopify(ORDER, "orders/paid", "right")).status_code == 200
        visit.page.get_by_text("It works: the first webhook is here").wait_for(timeout=2000)
        assert not visit.page.get_by_text("Waiting for the first webhook").is_visible()
        assert visit.page.get_by_role("link", name="wh_1", exact=True).is_visible()
        visit.page.get_by_role("link", name="go to the first page").click()
        visit.page.get_by_role("heading", name="Home").wait_for()
        assert visit.said == []


def test_on_an_address_of_its_own_the_console_is_not_public(tmp_path: Path) -> None:
    with serving(tmp_path, {"BRIDGE_CONSOLE": "0"}) as bridge:
        assert "console:" not in bridge.greeting
        assert not list(tmp_path.glob("*-console-key"))
    said = trackbridge(tmp_path, {"BRIDGE_CONSOLE": "0"}, "console")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "the console is off: BRIDGE_CONSOLE is 0" in said.stderr
