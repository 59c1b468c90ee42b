"""Twenty troubles, one after another: each makes `status` exit 1 with the remedy, and 0 once it is mended.

Over a real `serve` wherever it is `serve` that meets the trouble.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from living import note_living
from peers import (
    KEY,
    Serving,
    Upstream,
    clean_environment,
    command,
    kill_all,
    serving,
    trackbridge,
    typed,
    until,
    upstream,
)
from signed_requests import ORDER, SHOPIFY_SECRET, STRIPE_SECRET, post, shopify, stripe

from bridge.cli import status as status_command
from bridge.core.model import Event, Route, Routed
from bridge.status.configured import ConfiguredBridge
from bridge.status.processes import SILENT_AFTER
from bridge.status.read import read_status
from bridge.store.engines import open_store
from bridge.store.protocol import OVERDUE, Pacing

SESSION = {"id": "evt_made_up_1", "type": "product.created", "created": 1760000000, "data": {"object": {}}}
"""A webhook of Stripe that makes no event."""
REDACT = {"shop_domain": "made-up.myshopify.com", "customer": {"id": 1}, "orders_to_redact": []}
PAUSE = 0.25
"""Seconds between two looks at the status, each of which is a command's work."""
BROKEN = "mapping: 1\nprovider: stripe\nevents: nonsense\n"


@dataclass
class Shop:
    """A folder with a bridge in it, its settings, and where it delivers."""

    folder: Path
    peer: Upstream
    settings: dict[str, str] = field(default_factory=dict)

    def status(self, **changed: str) -> tuple[int, list[str]]:
        """The exit status, and each need as a sentence."""
        found = typed(self.folder, self.settings | changed, "status", "--format", "json")
        return found.returncode, [need["sentence"] for need in json.loads(found.stdout)["needs"]]

    def needs(self, *words: str, **changed: str) -> str:
        """Wait until `status` exits with 1 and a need that has all of these words."""

        def said() -> str | None:
            code, needs = self.status(**changed)
            return next((need for need in needs if code == 1 and all(word in need for word in words)), None)

        return str(until(said, what=f"a need with {words}", patience=120, pause=PAUSE))

    def needs_nobody(self) -> None:
        until(lambda: self.status() == (0, []), what=f"a status that needs nobody, not {self.status()}", pause=PAUSE)

    def has_all_roles(self) -> None:
        """Wait until each process of each role has given a sign of life."""

        def said() -> bool:
            found = typed(self.folder, self.settings, "status", "--format", "json")
            return all(role["since"] for role in json.loads(found.stdout)["roles"])

        until(said, what="all roles", pause=PAUSE)

    @contextmanager
    def serving(self, *words: str, **changed: str) -> Iterator[Serving]:
        with serving(self.folder, self.settings | changed, *words) as bridge:
            yield bridge


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with upstream() as peer:
        settings = {"STRIPE_WEBHOOK_SECRET": STRIPE_SECRET, "SHOPIFY_WEBHOOK_SECRET": SHOPIFY_SECRET}
        settings |= {"BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": KEY, "BRIDGE_TRACK_RATE": "0"}
        yield Shop(tmp_path, peer, settings)


def hook(bridge: Serving, name: str = "stripe") -> str:
    return f"{bridge.url}/webhooks/{name}"


def without(settings: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in names}


def order(number: int, **changed: Any) -> dict[str, Any]:
    return ORDER | {"id": number} | changed


# ------------------------------------------------------------------------------------------- requests are refused


def test_a_wrong_secret(shop: Shop) -> None:
    with shop.serving(STRIPE_WEBHOOK_SECRET="whsec_another_made_up_one") as bridge:
        assert post(hook(bridge), stripe(SESSION)).status_code == 401
        shop.needs("stripe: 1 request refused", "the secret in STRIPE_WEBHOOK_SECRET does not fit: copy it again")
    with shop.serving() as bridge:
        assert shop.status()[0] == 1, "it is mended when a genuine webhook has come, and it is kept over a restart"
        assert post(hook(bridge), stripe(SESSION)).status_code == 200
        shop.needs_nobody()


def test_no_secret(shop: Shop) -> None:
    settings, shop.settings = shop.settings, without(shop.settings, "SHOPIFY_WEBHOOK_SECRET")
    with shop.serving() as bridge:
        assert post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1")).status_code == 503
        shop.needs("shopify: 1 request refused because the source has no secret", "set SHOPIFY_WEBHOOK_SECRET to")
    shop.settings = settings
    with shop.serving():
        shop.needs_nobody()


def test_a_proxy_prefix(shop: Shop) -> None:
    with shop.serving() as bridge:
        assert post(f"{bridge.url}/bridge/webhooks/stripe", stripe(SESSION)).status_code == 404
        shop.needs("came to /bridge/webhooks/stripe", "the prefix /bridge, which a proxy should take off")
        assert post(hook(bridge), stripe(SESSION)).status_code == 200
        shop.needs_nobody()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/webhooks/strpe", "is not that of any source"),
        ("/webhooks/stripe/", "has a slash at its end"),
        ("/webhook/stripe", "is not that of any source"),
        ("/stripe", "is not that of any source"),
    ],
)
def test_a_mistyped_address(shop: Shop, path: str, problem: str) -> None:
    with shop.serving() as bridge:
        assert post(f"{bridge.url}{path}", stripe(SESSION)).status_code == 404
        assert post(f"{bridge.url}/wp-login.php", stripe(SESSION)).status_code == 404
        need = shop.needs(f"came to {path}, which {problem}", "enter the address that ends with /webhooks/stripe")
        assert "wp-login" not in need
        assert post(hook(bridge), stripe(SESSION)).status_code == 200
        shop.needs_nobody()


def test_a_clock_that_is_off_by_an_hour(shop: Shop) -> None:
    with shop.serving() as bridge:
        raw, then = json.dumps(SESSION).encode(), int(time.time()) - 3600
        signature = hmac.new(STRIPE_SECRET.encode(), f"{then}.".encode() + raw, hashlib.sha256).hexdigest()
        assert post(hook(bridge), ({"Stripe-Signature": f"t={then},v1={signature}"}, raw)).status_code == 401
        shop.needs("clock is 1 h 0 min ahead of the time that Stripe signed", "set the clock of this machine")
        assert post(hook(bridge), stripe(SESSION)).status_code == 200, "the clock is set"
        shop.needs_nobody()


# --------------------------------------------------------------------------------------------------- the processes


def test_a_dead_serve(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.serving() as bridge:
        shop.needs_nobody()
        kill_all(bridge.process)
        with monkeypatch.context() as patched:  # instead of waiting for as long
            patched.setattr(status_command, "utc_now", lambda: datetime.now(UTC) + SILENT_AFTER + timedelta(seconds=1))
            shop.needs("`trackbridge serve` gives no sign of life, and was not stopped", "start `trackbridge serve`")
    with shop.serving() as bridge:
        shop.needs_nobody()
        bridge.stop()
        shop.needs("`trackbridge serve` was stopped", "start `trackbridge serve`")


def test_a_dead_worker(shop: Shop) -> None:
    with shop.serving("--role", "web"):
        shop.needs("nothing is translated or delivered", "start `trackbridge serve --role worker`")
        with started(shop, "serve", "--role", "worker"):
            shop.has_all_roles()
        shop.needs("the process worker-", "does not run", "start `trackbridge serve --role worker`")
        with started(shop, "serve", "--role", "worker"):
            shop.needs_nobody()


@contextmanager
def started(shop: Shop, *words: str) -> Iterator[None]:
    """A command that runs meanwhile, and is killed at the end."""
    with (shop.folder / "worker.log").open("a") as log:
        process = subprocess.Popen(
            command(*words), cwd=shop.folder, env=clean_environment(shop.settings), stdout=log, stderr=log
        )
    try:
        yield
    finally:
        kill_all(process)  # none ends by itself meanwhile, as it would once its parent is gone


def test_a_second_serve(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with shop.serving():
        second = trackbridge(shop.folder, shop.settings, "serve", "--port", "0")
        assert (second.returncode, "no role runs twice on one store" in second.stderr) == (1, True)
        shop.needs("a second `trackbridge serve` was started", "stop that process first", "systemd, compose")
        later = datetime.now(UTC) + timedelta(minutes=1)
        beat_until(shop, later)
        monkeypatch.setattr(status_command, "utc_now", lambda: later + timedelta(seconds=2))
        shop.needs_nobody()


def beat_until(shop: Shop, later: datetime) -> None:
    """Signs of life as `serve` will have given them by then."""

    async def noted() -> None:
        store = open_store(f"sqlite:///{shop.folder / 'trackbridge.db'}")
        try:
            await note_living(store, later)
        finally:
            await store.close()

    asyncio.run(noted())


# -------------------------------------------------------------------------------------------------- the destinations


def test_a_wrong_url(shop: Shop) -> None:
    with shop.serving(BRIDGE_TRACK_URL=f"http://127.0.0.1:{free_port()}"):
        shop.needs("track: it does not answer as it should: no connection", "check its url")
    with shop.serving():
        shop.needs_nobody()


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_a_wrong_key(shop: Shop) -> None:
    shop.peer.key = KEY
    with shop.serving(BRIDGE_TRACK_KEY="a-mistyped-key") as bridge:
        shop.needs(
            "track: paused: 401 unauthorized: the key is not accepted", "it needs you", "restart serve for a new"
        )
        post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1"))
    assert shop.peer.taken() == []
    with shop.serving():
        shop.needs_nobody()
        until(lambda: len(shop.peer.taken()) == 1, what="the order")


def test_an_expired_key(shop: Shop) -> None:
    with shop.serving() as bridge:
        shop.needs_nobody()
        shop.peer.key = "the next one"
        post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1"))
        shop.needs("track: paused: 401", "1 delivery wait", "`trackbridge resume track` probes at once")
        assert trackbridge(shop.folder, shop.settings, "resume", "track").returncode == 1
        shop.peer.key = KEY
        resumed = trackbridge(shop.folder, shop.settings, "resume", "track")
        assert (resumed.returncode, resumed.stdout) == (0, "track works again; what waits is delivered now\n")
        shop.needs_nobody()
        assert len(shop.peer.taken()) == 1


def test_a_destination_that_is_the_bridge_itself(shop: Shop) -> None:
    port = str(free_port())
    own = {"BRIDGE_TRACK_URL": f"http://localhost:{port}"}
    refused = trackbridge(shop.folder, shop.settings | own, "serve", "--port", port)
    assert refused.returncode == 1
    assert "the destination `track` is this bridge itself" in refused.stderr
    shop.needs(
        "`track` is this bridge itself", "set its url to the endpoint", BRIDGE_TRACK_URL="http://127.0.0.1:8000/"
    )
    with shop.serving():
        shop.needs_nobody()


def test_no_destination(shop: Shop) -> None:
    settings, shop.settings = shop.settings, without(shop.settings, "BRIDGE_TRACK_URL", "BRIDGE_TRACK_KEY")
    with shop.serving() as bridge:
        shop.needs_nobody()
        post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1"))
        shop.needs("1 event kept without a destination", "set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY")
    shop.settings = settings
    with shop.serving():
        shop.needs("1 event kept without a destination", "`trackbridge deliver track` gives them to track")
        assert trackbridge(shop.folder, shop.settings, "deliver", "track").returncode == 0
        shop.needs_nobody()
        until(lambda: len(shop.peer.taken()) == 1, what="the order")


def test_dead_letters(shop: Shop) -> None:
    with shop.serving() as bridge:
        shop.peer.script.append((400, {}, b'{"success": false, "error": "no such currency"}'))
        post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1"))
        shop.needs("track: 1 dead letter", "`trackbridge retry --all-dead --destination track`")
        assert trackbridge(shop.folder, shop.settings, "retry", "--all-dead").returncode == 0
        shop.needs_nobody()


# ---------------------------------------------------------------------------------------------------- the webhooks


def test_a_wrong_var(shop: Shop) -> None:
    with shop.serving() as bridge:
        for number in (1, 2):
            post(hook(bridge, "shopify"), shopify(order(number, source_name="pos"), "orders/paid", f"w{number}"))
        shop.needs("all 2 webhooks of orders/paid were ignored", "set SHOPIFY_POINT_OF_SALE=counted")
        report = json.loads(typed(shop.folder, shop.settings, "status", "--format", "json").stdout)
        assert report["coverage"] == 0
    shop.settings["SHOPIFY_POINT_OF_SALE"] = "counted"
    with shop.serving():
        words = ["replay", "--state", "ignored", "--source", "shopify"]
        assert trackbridge(shop.folder, shop.settings, *words).returncode == 0
        shop.needs_nobody()


def test_a_broken_mapping(shop: Shop) -> None:
    mappings = shop.folder / "mine"
    mappings.mkdir()
    shop.settings["BRIDGE_MAPPINGS"] = "mine"
    (mappings / "stripe.yaml").write_text(BROKEN)
    shop.needs("stripe.yaml:1:1: a mapping needs `webhook`", "mend it as `trackbridge check` says")
    (mappings / "stripe.yaml").unlink()
    with shop.serving():
        shop.needs_nobody()


def test_webhooks_that_were_set_aside(shop: Shop) -> None:
    with shop.serving(SHOPIFY_SHOP="another.myshopify.com") as bridge:
        post(hook(bridge, "shopify"), shopify(ORDER, "orders/paid", "w1"))
        shop.needs("shopify: 1 set aside", "`trackbridge replay --set-aside --source shopify`")
    shop.settings["SHOPIFY_SHOP"] = "made-up.myshopify.com"
    with shop.serving():
        assert trackbridge(shop.folder, shop.settings, "replay", "--set-aside").returncode == 0
        shop.needs_nobody()


def test_a_privacy_request(shop: Shop) -> None:
    with shop.serving() as bridge:
        post(hook(bridge, "shopify"), shopify(REDACT, "customers/redact", "w1"))
        shop.needs("shopify: customers/redact asks you to act by", "`trackbridge done wh_1`")
        done = trackbridge(shop.folder, shop.settings, "done", "wh_1", "--by", "Ada Byron")
        assert done.stdout.startswith("wh_1 is done, by Ada Byron, ")
        shop.needs_nobody()
        shown = trackbridge(shop.folder, shop.settings, "show", "wh_1").stdout
        assert "done by  Ada Byron, " in shown, "who did it, and when, is kept"
        assert "was done already, by Ada Byron" in trackbridge(shop.folder, shop.settings, "done", "wh_1").stdout


def test_a_stale_backlog(tmp_path: Path) -> None:
    configured = ConfiguredBridge(destinations=("track",), is_known=True)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    async def told() -> list[tuple[str, ...]]:
        store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
        try:
            event = Event("evt_1", "key:web", "lead", test=False, text=b"{}", occurred_at=now)
            await store.accept_events([Routed(event, (Route("track"),))], now=now)
            later, said = now + OVERDUE + timedelta(seconds=1), []
            for set_now in (configured, ConfiguredBridge(is_known=True)):
                await note_living(store, later)
                said.append((await read_status(store, set_now, now=later)).needs)
            pacing = Pacing(1, 1, timedelta(), lease=timedelta(seconds=20))
            assert await store.claim_deliveries("track", now=later, pacing=pacing)
            said.append((await read_status(store, configured, now=later)).needs)
        finally:
            await store.close()
        return [tuple(map(str, needs)) for needs in said]

    [late], [unset], mended = asyncio.run(told())
    assert mended == ()
    assert late.startswith("track: 1 delivery overdue: due and not attempted, since ")
    assert "check that `trackbridge serve` runs on this store" in late
    assert "set track again, and restart serve" in unset


# -------------------------------------------------------------------------------------------------------- the disk


def test_a_full_disk(shop: Shop) -> None:
    with shop.serving():
        shop.needs("new requests get 503: the disk", "free some space", BRIDGE_MIN_FREE="1000TiB")
        shop.needs_nobody()


def test_a_file_that_may_not_be_written(shop: Shop) -> None:
    with shop.serving():
        shop.needs_nobody()
    (shop.folder / "trackbridge.db").chmod(0o400)
    code, [need, *_] = status_without_override(shop)
    assert code == 1
    assert "trackbridge.db may not be read and written by this user" in need
    assert "chmod -R u+rwX" in need
    (shop.folder / "trackbridge.db").chmod(0o600)
    [need] = status_without_override(shop)[1]
    assert need.startswith("`trackbridge serve` was stopped"), "it can be read and written again"


def status_without_override(shop: Shop) -> tuple[int, list[str]]:
    """The same as `shop.status`, in a process for which modes of files count even if root runs it."""
    modes_count = [] if os.geteuid() else ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*modes_count, *command("status", "--format", "json")], cwd=shop.folder,
        env=clean_environment(shop.settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, [need["sentence"] for need in json.loads(done.stdout)["needs"]]
