"""The console's page of settings: what is set and where, what the default is, what needs a restart, and no secret."""

from __future__ import annotations

import html
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from peers import serving, until
from store_made import NOW, TRACK, event, order

from bridge import __version__
from bridge.app import utc_now
from bridge.core.local_time import format_local
from bridge.core.model import Routed
from bridge.http.console.time_zones import ZONE_COOKIE
from bridge.runtime.heartbeat_writer import make_heartbeat
from bridge.store.postgres.store import PostgresStore

SECRET, MAIL = "an-invented-signing-secret-of-some-length", "mara@example.com"
SETTINGS = {
    "SHOPIFY_WEBHOOK_SECRET": SECRET, "SHOPIFY_POINT_OF_SALE": "counted", "BRIDGE_QUEUE_LIMIT": "500",
    "BRIDGE_TRACK_URL": f"https://track.example/{SECRET}", "BRIDGE_TRACK_KEY": SECRET, "BRIDGE_API_KEYS": SECRET,
    "BRIDGE_ALERT_EMAIL": MAIL, "BRIDGE_SMTP_SERVER": "mail.example:587", "BRIDGE_SMTP_USER": MAIL,
    "BRIDGE_SMTP_PASSWORD": SECRET, "BRIDGE_ALERT_URL": f"https://chat.example/{SECRET}",
}  # fmt: skip


def words_of(answer: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def test_every_setting_has_its_meaning_its_place_and_its_default_and_no_secret_is_shown(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        page, made = await console.client.get("/ui/settings"), await console.client.get("/ui/settings.json")
        for answer in (page, made):
            assert SECRET not in answer.text
            assert MAIL not in answer.text
        listed = {one["name"]: one for one in made.json()["settings"]}
        till, limit = listed["SHOPIFY_POINT_OF_SALE"], listed["BRIDGE_QUEUE_LIMIT"]
        secret, port = listed["SHOPIFY_WEBHOOK_SECRET"], listed["BRIDGE_PORT"]
        assert (till["value"], till["place"], till["reloads"]) == ("counted", "the environment", True)
        assert (limit["value"], limit["default"], limit["reloads"]) == ("500", "10000", False)
        assert (secret["value"], secret["place"], secret["is_changed"]) == (None, "the environment", False)
        assert (port["value"], port["place"]) == (None, None)
        assert [one["name"] for one in made.json()["api_keys"]] == ["env-1"]
        assert "BRIDGE_PORT the port to listen on 8000 a restart" in words_of(page)

    with_console(tmp_path, story, settings=SETTINGS)


def test_the_nodes_that_share_a_server_are_listed(tmp_path: Path, empty_database: str) -> None:
    async def story(console: Console) -> None:
        for name in ("first", "second"):
            await console.store.record_heartbeat(replace(make_heartbeat("web-1", "web", now=utc_now()), node=name))
        await console.log_in(AUDITOR)
        page, made = await console.client.get("/ui/settings"), await console.client.get("/ui/settings.json")
        listed = [(one["node"], one["version"], one["is_gone"]) for one in made.json()["nodes"]]
        assert listed == [("first", __version__, False), ("second", __version__, False)]
        assert "Nodes that share this store Node Runs since" in words_of(page)

    with_console(tmp_path, story, opened=lambda: PostgresStore(empty_database, durable=False))


def test_a_reload_shows_what_it_took_and_what_waits_for_a_restart(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    (tmp_path / "bridge.yaml").write_text("")
    keys = "BRIDGE_CONSOLE_KEYS=ines:change:an-owners-made-up-key\n"
    file.touch(0o600)
    file.write_text(keys)
    with serving(tmp_path, {}, "--web", "1") as bridge, httpx.Client(base_url=bridge.url, trust_env=False) as client:
        client.post("/ui/login", data={"key": "an-owners-made-up-key"}, headers={"Sec-Fetch-Site": "same-origin"})
        before = words_of(client.get("/ui/settings"))
        assert "the working folder, which has a bridge.yaml" in before
        assert ".env, line 1" in before
        file.write_text(f"{keys}STRIPE_PURCHASE=payment_intent.succeeded\nBRIDGE_QUEUE_LIMIT=7\n")
        os.kill(bridge.process.pid, signal.SIGHUP)
        until(lambda: "payment_intent.succeeded" in words_of(client.get("/ui/settings")), what="the reload")
        after = words_of(client.get("/ui/settings"))
        assert "BRIDGE_QUEUE_LIMIT has changed since serve started. Restart it to take the change." in after
        listed = {one["name"]: one for one in client.get("/ui/settings.json").json()["settings"]}
        limit = listed["BRIDGE_QUEUE_LIMIT"]
        assert (limit["value"], limit["is_changed"]) == (None, True), "the old value holds"


def test_times_are_in_the_zone_that_the_reader_chose_and_elsewhere_as_before(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.store.accept_events([Routed(event("evt_a", order("1001")), TRACK)], now=NOW)
        await console.log_in(AUDITOR)
        written = {"": format_local(NOW, seconds=True), "Asia/Kathmandu": "2025-03-01 17:45:00 +0545"}
        for zone in ("", "Asia/Kathmandu", ""):
            answer = await console.client.post("/ui/zone", data={"zone": zone}, headers=SAME_ORIGIN)
            assert (answer.status_code, answer.headers["location"]) == (303, "/ui/settings")
            page = (await console.client.get("/ui/events/evt_a")).text
            assert [other for other in written if written[other] in page] == [zone]
            assert format_local(NOW, seconds=True) == written[""], "only what is read there"
        for wrong in ("Nowhere/None", "../../etc/passwd", "\0", "é", "x" * 4000):
            answer = await console.client.post("/ui/zone", data={"zone": wrong}, headers=SAME_ORIGIN)
            assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)
            console.client.cookies.set(ZONE_COOKIE, quote(wrong))
            assert (await console.client.get("/ui/")).status_code == 200

    with_console(tmp_path, story)
