"""Who may open the console: hosts, senders, keys, codes, sessions and roles. All of it over the real application."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from console_app import AUDITOR, KEYS, OWNER, SAME_ORIGIN, Console, with_console
from hypothesis import given
from hypothesis import strategies as st

from bridge.app import utc_now
from bridge.core.errors import SettingsError
from bridge.http.console.login import own_path
from bridge.http.console.origins import ConsoleOrigin
from bridge.http.console.pacing import WrongKeyPace
from bridge.http.console.sessions import LASTS, SessionCookies
from bridge.http.console_keys import console_key_digest, find_key, read_console_keys
from bridge.http.login_codes import CODE_LASTS, CODE_SIZE, code_digest, format_code
from bridge.settings import load_settings

PUBLIC = {"BRIDGE_CONSOLE_URL": "https://hooks.shop.test/ui"}
COOKIES = SessionCookies(b"made up" * 5, "/ui", secure=False)
NOW = 1_700_000_000.0


# ------------------------------------------------------------------------------------------------------ who gets in


def test_nothing_but_the_login_is_shown_before_a_login(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        for path in ("/ui", "/ui/", "/ui/webhooks?state=dead", "/ui/none"):
            answer = await console.client.get(path)
            assert (answer.status_code, answer.content) == (303, b"")
            assert answer.headers["location"].startswith("/ui/login")
        assert (await console.client.get("/ui/home.json")).status_code == 401
        assert (await console.client.post("/ui/", headers=SAME_ORIGIN)).status_code == 401
        assert (await console.client.get("/ui/login")).status_code == 200

    with_console(tmp_path, story)


def test_a_key_opens_it_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        wrong = await console.log_in("a-key-that-nobody-has")
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        assert "This is no key of the console" in wrong.text
        right = await console.log_in()
        assert (right.status_code, right.headers["location"]) == (303, "/ui/")
        cookie = right.headers["set-cookie"]
        assert cookie.endswith("; Path=/ui; HttpOnly; SameSite=Lax; Max-Age=43200")
        assert OWNER not in cookie
        assert (await console.client.get("/ui/")).status_code == 200

    with_console(tmp_path, story)


def test_a_login_leads_to_the_page_that_was_asked_for(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        sent = await console.client.get("/ui/webhooks?state=set_aside&before=~12")
        form = await console.client.get(sent.headers["location"])
        following = re.search(r'name="next" value="([^"]*)"', form.text)
        assert following
        data = {"key": OWNER, "next": following[1].replace("&amp;", "&")}
        answer = await console.client.post("/ui/login", data=data, headers=SAME_ORIGIN)
        assert answer.headers["location"] in {
            "/ui/webhooks?state=set_aside&before=~12", "/ui/webhooks?state=set_aside&before=%7E12",
        }  # fmt: skip

    with_console(tmp_path, story)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.test/",
        "//evil.test/ui/",
        "/ui//evil.test",
        "/ui/../x",
        "/ui/\\evil",
        "/uix/",
        "/ui/\r\nX: y",
        "",
        "/",
    ],
)
def test_a_login_leads_nowhere_else(text: str) -> None:
    assert own_path(text, "/ui") == "/ui/"


def test_a_code_logs_in_once_and_within_five_minutes(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        now = utc_now()
        for code, until in (
            ("pqrs-tuvw-abcd-efgh", now + CODE_LASTS),
            ("2345-6789-abcd-efgh", now - timedelta(seconds=1)),
        ):
            await console.store.add_login_code(code_digest(code), key=KEYS[1].digest, until=until, now=now - CODE_LASTS)
        assert (await console.log_in("2345-6789-abcd-efgh")).status_code == 401
        assert (await console.log_in(" PQRS tuvw abcdefgh ")).status_code == 303
        assert "auditor" in (await console.client.get("/ui/")).text
        assert (await console.log_in("pqrs-tuvw-abcd-efgh")).status_code == 401

    with_console(tmp_path, story)


def test_a_code_of_a_key_that_was_taken_out_logs_nobody_in(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        now = utc_now()
        await console.store.add_login_code(code_digest("abcd" * 4), key=b"\0" * 32, until=now + CODE_LASTS, now=now)
        assert (await console.log_in("abcd" * 4)).status_code == 401

    with_console(tmp_path, story)


def test_codes_are_read_as_people_type_them() -> None:
    code = format_code(bytes(range(CODE_SIZE)))
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", code)
    assert code_digest(code) == code_digest(f" {code.upper().replace('-', ' ')}\n")


def test_wrong_keys_are_paced_for_each_peer_and_refuse_no_right_key_of_another(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        for _ in range(5):
            assert (await console.log_in("a-key-that-nobody-has")).status_code == 401
        paced = await console.log_in()
        assert paced.status_code == 429
        assert 0 < int(paced.headers["retry-after"]) <= 60
        other = console.browser(peer="192.0.2.7")
        answer = await other.post("/ui/login", data={"key": OWNER}, headers=SAME_ORIGIN)
        assert answer.status_code == 303

    with_console(tmp_path, story)


def test_behind_a_trusted_proxy_the_peer_is_who_it_names(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        async def log_in(key: str, peer: str) -> int:
            headers = SAME_ORIGIN | {"X-Forwarded-For": peer}
            return (await console.client.post("/ui/login", data={"key": key}, headers=headers)).status_code

        assert [await log_in("wrong", "192.0.2.1") for _ in range(6)] == [401] * 5 + [429]
        assert await log_in(OWNER, "192.0.2.2") == 303

    with_console(tmp_path, story, settings={"BRIDGE_TRUSTED_PROXIES": "127.0.0.1"})


def test_a_pace_forgets_after_a_minute_and_remembers_a_bounded_number_of_peers() -> None:
    pace = WrongKeyPace()
    for second in range(5):
        pace.count_wrong("a", second)
    assert pace.wait_of("a", 5) == 55
    assert pace.wait_of("b", 5) == 0
    assert pace.wait_of("a", 60.5) == 0
    for number in range(10_000):
        pace.count_wrong(str(number), 61)
    assert pace.wait_of("a", 5) == 0


def test_a_form_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        assert (await console.log_in("x" * 9000)).status_code == 413
        many = await console.client.post("/ui/login", content="a=1&" * 200, headers=SAME_ORIGIN)
        assert many.status_code == 413

    with_console(tmp_path, story)


def test_no_form_breaks_the_login(tmp_path: Path) -> None:
    odd = [
        b"",
        b"\xff\x00",
        b"key=%ff%00",
        b"key=%F0%9F%92%A9",
        b"key",
        b"=",
        b"&&&",
        b"key=a&key=b",
        b'{"key": 1}',
        b"key=" + b"%00" * 99,
    ]

    async def story(console: Console) -> None:
        for number, content in enumerate(odd):
            browser = console.browser(peer=f"192.0.2.{number}")
            for address in ("/ui/login", "/ui/login?next=%ff"):
                answer = await browser.post(address, content=content, headers=SAME_ORIGIN)
                assert answer.status_code == 401, content

    with_console(tmp_path, story)


# --------------------------------------------------------------------------------------------------------- sessions


def test_a_session_ends_after_its_time_and_with_its_key() -> None:
    cookie = COOKIES.write_cookie(KEYS[0], now=NOW).partition(";")[0]
    assert COOKIES.read_session(cookie, KEYS, now=NOW + LASTS - 1) == KEYS[0]
    assert COOKIES.read_session(f"a=b; {cookie}; c", KEYS, now=NOW) == KEYS[0]
    assert COOKIES.read_session(cookie, KEYS, now=NOW + LASTS) is None
    assert COOKIES.read_session(cookie, KEYS[1:], now=NOW) is None, "the key was taken out"
    other = SessionCookies(b"another" * 5, "/ui", secure=False)
    assert other.read_session(cookie, KEYS, now=NOW) is None


def test_nobody_makes_another_session_of_one() -> None:
    name, _, value = COOKIES.write_cookie(KEYS[1], now=NOW).partition(";")[0].partition("=")
    digest, until, proof = value.split(".")
    forged = [f"{KEYS[0].digest.hex()}.{until}.{proof}", f"{digest}.{int(until) + 9}.{proof}", f"{digest}.{until}.", ""]
    assert [COOKIES.read_session(f"{name}={one}", KEYS, now=NOW) for one in forged] == [None] * 4


@given(st.text() | st.text(alphabet='0123456789abcdef.;= "\\').map(lambda text: f"trackbridge_console={text}"))
def test_a_malformed_cookie_is_no_session(header: str) -> None:
    assert COOKIES.read_session(header, KEYS, now=NOW) is None


def test_the_browser_keeps_a_session_for_tls_alone_where_the_console_is_opened_over_tls(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        answer = await console.log_in()
        assert answer.headers["set-cookie"].startswith("__Secure-trackbridge_console=")
        assert answer.headers["set-cookie"].endswith("; Secure")
        assert (await console.client.get("/ui/")).status_code == 200

    with_console(tmp_path, story, settings=PUBLIC)


def test_who_logs_out_is_out(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        answer = await console.client.post("/ui/logout", headers=SAME_ORIGIN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/login")
        assert (await console.client.get("/ui/")).status_code == 303

    with_console(tmp_path, story)


def test_sessions_hold_over_processes_and_restarts(tmp_path: Path) -> None:
    kept: list[str] = []

    async def begin(console: Console) -> None:
        kept.append((await console.log_in()).headers["set-cookie"].partition(";")[0])

    async def go_on(console: Console) -> None:
        assert (await console.client.get("/ui/", headers={"Cookie": kept[0]})).status_code == 200

    with_console(tmp_path, begin)
    with_console(tmp_path, go_on)


# ------------------------------------------------------------------------------------------------ roles and senders


def test_who_may_look_changes_nothing(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        assert (await console.client.get("/ui/")).status_code == 200
        refused = await console.client.post("/ui/", headers=SAME_ORIGIN)
        assert (refused.status_code, "may look, and change nothing" in refused.text) == (403, True)
        await console.log_in(OWNER)
        assert (await console.client.post("/ui/", headers=SAME_ORIGIN)).status_code == 405

    with_console(tmp_path, story)


LOCAL, SHOP = ConsoleOrigin(), ConsoleOrigin("https://hooks.shop.test/ui")


@pytest.mark.parametrize(
    ("origin", "host", "headers", "status"),
    [
        (LOCAL, "127.0.0.1:8000", {"sec-fetch-site": "same-origin"}, None),
        (LOCAL, "127.0.0.1:8000", {"sec-fetch-site": "none"}, None),
        (LOCAL, "127.0.0.1:8000", {"sec-fetch-site": "same-site"}, 403),  # another port of this host
        (LOCAL, "127.0.0.1:8000", {"sec-fetch-site": "cross-site"}, 403),
        (LOCAL, "127.0.0.1:8000", {"sec-fetch-site": ""}, 403),
        (LOCAL, "127.0.0.1:8000", {}, 403),
        (LOCAL, "127.0.0.1:8000", {"origin": "http://127.0.0.1:8000"}, None),
        (LOCAL, "[::1]:8000", {"origin": "http://[::1]:8000"}, None),
        (LOCAL, "127.0.0.1:8000", {"origin": "http://127.0.0.1:9000"}, 403),
        (LOCAL, "127.0.0.1:8000", {"origin": "https://127.0.0.1:8000"}, 403),
        (LOCAL, "127.0.0.1:8000", {"origin": "null"}, 403),
        (LOCAL, "hooks.shop.test", {"sec-fetch-site": "same-origin"}, 421),
        (SHOP, "hooks.shop.test", {"origin": "https://hooks.shop.test"}, None),
        (SHOP, "hooks.shop.test", {"origin": "http://hooks.shop.test"}, 403),
        (SHOP, "hooks.shop.test:8443", {"sec-fetch-site": "same-origin"}, None),
        (SHOP, "127.0.0.1:8000", {"origin": "https://hooks.shop.test"}, None),  # a proxy that writes another Host
        (SHOP, "shop.test", {"sec-fetch-site": "same-origin"}, 421),
    ],
)
def test_only_the_consoles_own_pages_send_what_changes_something(
    origin: ConsoleOrigin, host: str, headers: dict[str, str], status: int | None
) -> None:
    refusal = origin.refuse_request("POST", {"host": host, **headers})
    assert (None if refusal is None else refusal.status) == status


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:80", True),
        ("evil.test", False), ("127.0.0.1.evil.test", False), ("localhost@evil.test", False), ("", False),
        ("localhost:0", False), ("localhost:99999", False), ("[::1", False), ("localhost.", False), ("127.0.0.1/x", False),
        ("0.0.0.0", False), ("127.1", False), ("löcal", False),
    ],
)  # fmt: skip
def test_it_answers_to_its_own_names_alone(host: str, own: bool) -> None:  # noqa: FBT001  the expected answer
    assert (LOCAL.refuse_request("GET", {"host": host}) is None) is own


@given(st.text(max_size=30))
def test_no_host_breaks_the_guard(host: str) -> None:
    assert LOCAL.refuse_request("GET", {"host": host}) is None or "name" in str(
        LOCAL.refuse_request("GET", {"host": host})
    )


def test_a_foreign_name_sees_nothing_of_it_not_even_a_style(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        evil = console.browser("http://evil.test:8000")
        for path in ("/ui/", "/ui/login", "/ui/none", "/ui/static/0/console.css"):
            answer = await evil.get(path)
            assert answer.status_code == 421
            assert "BRIDGE_CONSOLE_URL" in answer.text

    with_console(tmp_path, story)


@pytest.mark.parametrize("path", ["/ui/", "/ui/login", "/ui/none", "/ui/static/0/console.css", "/ui/home.json"])
def test_every_answer_has_the_strict_headers(tmp_path: Path, path: str) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        headers = (await console.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if "static" in path else "no-store")

    with_console(tmp_path, story)


def test_everything_else_is_as_it_was(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        for path, status in (("/healthz", 200), ("/nowhere", 404), ("/uix", 404), ("/v1/track", 405)):
            answer = await console.client.get(path, headers={"Host": "evil.test"})
            assert (answer.status_code, "success" in answer.json()) == (status, True)
            assert "content-security-policy" not in answer.headers

    with_console(tmp_path, story)


def test_without_keys_or_turned_off_there_is_none(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        assert (await console.client.get("/ui/")).status_code == 404

    with_console(tmp_path, story, keys=())
    with_console(tmp_path, story, settings={"BRIDGE_CONSOLE": "0"})


def test_it_stands_below_the_prefix(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        answer = await console.client.get("/bridge/ui/")
        assert answer.headers["location"] == "/bridge/ui/login"
        assert (await console.client.get("/ui/")).status_code == 404
        answer = await console.log_in()
        assert (answer.headers["location"], "Path=/bridge/ui;" in answer.headers["set-cookie"]) == ("/bridge/ui/", True)
        page = await console.client.get("/bridge/ui/")
        assert page.status_code == 200
        assert set(re.findall(r'(?:href|src|action)="(?!/bridge/ui/)[^"]*"', page.text)) <= {'href="#main"'}

    with_console(tmp_path, story, settings={"BRIDGE_PREFIX": "/bridge"})


# --------------------------------------------------------------------------------------------------------- settings


def test_keys_are_read_with_their_names_and_roles() -> None:
    digest = hashlib.sha256(AUDITOR.encode()).hexdigest()
    keys = read_console_keys(f"ines:change:{OWNER}, auditor:look:sha256:{digest}")
    assert keys == KEYS
    assert find_key(keys, console_key_digest(f" {AUDITOR}\n")) == KEYS[1]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (OWNER, "entry 1 must be NAME:look:KEY or NAME:change:KEY"),
        (f"ines:admin:{OWNER}", "entry 1 must be NAME:look:KEY"),
        (f"i nes:look:{OWNER}", "entry 1 must be"),
        (f"ines:look:{OWNER},", "entry 2 must be"),
        ("ines:look:short", "entry 1: a key must have 20 characters or more"),
        ("ines:look:sha256:" + "0" * 63, "entry 1 begins with sha256: but no 64"),
        (f"a:look:{OWNER},a:look:{AUDITOR}", "entry 2 has the name or the key of another"),
        (f"a:look:{OWNER},b:change:{OWNER}", "entry 2 has the name or the key of another"),
    ],
)
def test_keys_that_cannot_be_are_refused_without_their_value(text: str, error: str) -> None:
    with pytest.raises(SettingsError, match=error) as caught:
        load_settings({"BRIDGE_CONSOLE_KEYS": text}, providers={})
    assert OWNER not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"BRIDGE_CONSOLE_URL": "https://Hooks.shop.test"}, "https://hooks.shop.test/ui"),
        ({"BRIDGE_CONSOLE_URL": "https://hooks.shop.test/ui/"}, "https://hooks.shop.test/ui"),
        ({"BRIDGE_CONSOLE_URL": "http://10.0.0.2:8000/b/ui", "BRIDGE_PREFIX": "/b"}, "http://10.0.0.2:8000/b/ui"),
        (
            {"BRIDGE_CONSOLE_URL": "https://x.test/ui", "BRIDGE_PREFIX": "/b", "BRIDGE_ADMIN": "127.0.0.1:9090"},
            "https://x.test/ui",
        ),
    ],
)
def test_the_address_may_be_written_with_or_without_its_path(settings: dict[str, str], url: str) -> None:
    assert load_settings(settings, providers={}).console.url == url


@pytest.mark.parametrize(
    "settings",
    [
        {"BRIDGE_CONSOLE_URL": "hooks.shop.test"},
        {"BRIDGE_CONSOLE_URL": "ftp://hooks.shop.test"},
        {"BRIDGE_CONSOLE_URL": "https://me:secret@hooks.shop.test"},
        {"BRIDGE_CONSOLE_URL": "https://hooks.shop.test/other"},
        {"BRIDGE_CONSOLE_URL": "https://hooks.shop.test/ui?x=1"},
        {"BRIDGE_CONSOLE_URL": "https://hooks.shop.test:x/ui"},
        {"BRIDGE_CONSOLE": "no"},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        load_settings(settings, providers={})
