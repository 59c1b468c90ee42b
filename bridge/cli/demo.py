"""`trackbridge demo`: the whole way of a webhook on one screen, on a temporary store with made-up secrets.

It reads no setting and no environment. It sends itself signed webhooks over real sockets and shows what each becomes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop
from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.app import SingleProcessApp, random_letters, utc_now
from bridge.cli.options import command_options, flag_option
from bridge.cli.row_list import STATE_STYLES
from bridge.cli.safe_console import SafeConsole, as_text
from bridge.core import json_text
from bridge.core.model import WebhookState
from bridge.mapping.files import shipped_mappings
from bridge.runtime.http_server import HttpServer, bind_socket, socket_url
from bridge.settings import DestinationSettings, KeySettings, Settings, SourceSettings
from bridge.settings.sources import load_mappings
from bridge.store.engines import open_store
from bridge.store.protocol import DeliveryRow, EventDetail, EventRow, RowFilter, WebhookRow
from bridge.yaml import document
from bridge.yaml.problems import Problems

PATIENCE = 30.0
"""Seconds after which `--once` gives up."""
REFRESH = 0.15
OK = 200


@dataclass
class DemoScene:
    """What the demo runs on: the bridge, where it and the receiver listen, and what the receiver got."""

    bridge: SingleProcessApp
    url: str
    receiver_url: str
    key: str
    received: list[str]
    answers: list[str] = field(default_factory=list)
    sent: int = 0


@command_options
class DemoOptions:
    """The options of `demo`."""

    once: bool = flag_option("end when all has arrived: 0 if it did, 1 if not")


def run_demo(options: DemoOptions) -> int:
    """Show it; with --once 0 when all arrived."""
    with (
        tempfile.TemporaryDirectory(prefix="trackbridge-demo-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_show_demo(Path(folder), once=options.once))


async def _show_demo(folder: Path, *, once: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _open_scene(folder) as scene:
        console = SafeConsole()
        console.print(_introduction_text(scene))
        with Live(console=console, refresh_per_second=8, transient=False) as live:
            sending = asyncio.create_task(_send_all(scene))
            arrived = await _watch_until_done(scene, live, sending, stop)
            await sending
        console.print(end="" if console.is_terminal else "\n\n")
        console.print(_ending_text(scene, arrived=arrived, once=once), soft_wrap=True)
        if not once and not stop.is_set():
            await _stay_until_stopped(scene, console, stop)
    return 0 if arrived else 1


# ------------------------------------------------------------------------------------------------------- the scene


@contextlib.asynccontextmanager
async def _open_scene(folder: Path) -> AsyncIterator[DemoScene]:
    received: list[str] = []
    key = f"demo_{random_letters()}"
    async with _serve_app(_receiver_app(received, key)) as receiver_url:
        configured = Settings(
            store=f"sqlite:////{str(folder / 'demo.db').lstrip('/')}",
            sources=(
                SourceSettings("stripe", "stripe", (f"whsec_{random_letters()}{random_letters()}",)),
                SourceSettings("shopify", "shopify", (f"{random_letters()}{random_letters()}",)),
            ),
            destinations=(
                DestinationSettings("receiver", "track", {"url": receiver_url, "api_key": key, "rate": "0"}),
            ),
            keys=(KeySettings("demo", key, 1000),),
        )
        bridge = SingleProcessApp(configured, load_mappings(None), open_store(configured.store))
        async with _serve_app(bridge.http) as url:
            yield DemoScene(bridge, url, receiver_url, key, received)


@contextlib.asynccontextmanager
async def _serve_app(http: Starlette) -> AsyncIterator[str]:
    """Serve on a free port of this machine until left."""
    listening = bind_socket("127.0.0.1", 0)
    server = HttpServer(http)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.wait_until_started()
        yield socket_url(listening)
    finally:
        server.stop()
        await serving


def _receiver_app(received: list[str], key: str) -> Starlette:
    """A small /v1/track that remembers the event ids it got."""

    async def batch(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {key}":
            return Response(json_text.write_json({"success": False, "error": "Invalid API key"}), 401)
        ids = [event["event_id"] for event in json_text.parse_json(await request.body())["events"]]
        received.extend(ids)
        return Response(json_text.write_json({"success": True, "event_ids": ids}), media_type="application/json")

    return Starlette(routes=[Route("/v1/track/batch", batch, methods=["POST"])])


# --------------------------------------------------------------------------------------------------- what is sent


@dataclass(frozen=True)
class DemoRequest:
    """One request that the demo makes: to which source, under which topic, from which example."""

    source: str
    topic: str
    example: str
    note: str = ""
    forged: bool = False


LETTERS = (
    DemoRequest("shopify", "checkouts/create", "checkouts_create.usual"),
    DemoRequest("shopify", "orders/paid", "orders_paid.usual"),
    DemoRequest("shopify", "orders/paid", "orders_paid.usual", "the provider sends it again: known, not doubled"),
    DemoRequest("stripe", "checkout.session.completed", "checkout.session.completed.usual"),
    DemoRequest(
        "stripe", "checkout.session.completed", "checkout.session.completed.usual", "forged: refused", forged=True
    ),
    DemoRequest("shopify", "refunds/create", "refunds_create.usual"),
    DemoRequest("stripe", "customer.created", "customer.created.usual"),
    DemoRequest("shopify", "app/uninstalled", "app_uninstalled.usual"),
)


async def _send_all(scene: DemoScene) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        for letter in LETTERS:
            body = _example_body(letter)
            secret = "not the secret" if letter.forged else None
            source = scene.bridge.app_config.sources[letter.source]
            signed = source.sign_body(body, topic=letter.topic, now=utc_now(), nonce=random_letters(), secret=secret)
            answer = await client.post(
                f"{scene.url}/webhooks/{letter.source}", content=signed.body, headers=dict(signed.headers)
            )
            scene.sent += 1
            if letter.note:
                scene.answers.append(f"{letter.source} {letter.topic}: {answer.status_code}, {letter.note}")
            await asyncio.sleep(0.2 if sys.stdout.isatty() else 0)
        answer = await client.post(
            f"{scene.url}/v1/track",
            content=json_text.write_json({"event_type": "lead", "properties": {"order_id": "LEAD-1", "value": 25}}),
            headers={"Authorization": f"Bearer {scene.key}"},
        )
        scene.answers.append(f"POST /v1/track: {answer.status_code}, an event of a backend's own")


def _example_body(letter: DemoRequest) -> bytes:
    """The body of a shipped example."""
    path = shipped_mappings() / "examples" / letter.source / f"{letter.example}.yaml"
    node = document.read_document(path.read_bytes(), name=path.name, problems=Problems())
    return json_text.write_json(document.plain_value(node)["given"]["body"]) if node else b""


# -------------------------------------------------------------------------------------------------- what is shown


async def _watch_until_done(scene: DemoScene, live: Live, sending: asyncio.Task[None], stop: asyncio.Event) -> bool:
    """Draw until all has arrived (True), or it took too long, or a person stopped it."""
    for _ in range(int(PATIENCE / REFRESH)):
        done, drawn = await _draw_table(scene)
        live.update(drawn)
        if sending.done() and done:
            return True
        if stop.is_set():
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), REFRESH)
    return False


async def _stay_until_stopped(scene: DemoScene, console: SafeConsole, stop: asyncio.Event) -> None:
    known = len(await scene.bridge.store.webhooks(RowFilter())) + len(await scene.bridge.store.events(RowFilter()))
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
        done, drawn = await _draw_table(scene)
        count = len(await scene.bridge.store.webhooks(RowFilter())) + len(await scene.bridge.store.events(RowFilter()))
        if done and count != known:
            known = count
            console.print(drawn)


async def _draw_table(scene: DemoScene) -> tuple[bool, Group]:
    """Whether everything kept is through, and the table of it."""
    store = scene.bridge.store
    webhooks = await store.webhooks(RowFilter())
    events = await store.events(RowFilter())
    deliveries = {row.event: row for row in await store.deliveries(RowFilter())}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "webhook", "became", "value", "delivery"):
        table.add_column(name, no_wrap=name in {"", "delivery"}, overflow="fold")
    for webhook in reversed(webhooks):
        made = [event for event in reversed(events) if event.webhook == webhook.id]
        first = (as_text(webhook.id), as_text(f"{webhook.source} {webhook.topic or ''}"))
        for event in made:
            table.add_row(*first, *await _event_outcome(scene, event), _delivery_state(deliveries, event))
            first = (Text(), Text())
        if not made:
            table.add_row(*first, _webhook_outcome(webhook), "", "")
    for event in (event for event in reversed(events) if event.webhook is None):
        table.add_row("", "POST /v1/track", *await _event_outcome(scene, event), _delivery_state(deliveries, event))
    settled = all(webhook.state != WebhookState.RECEIVED for webhook in webhooks)
    through = settled and all(row.state == "delivered" for row in deliveries.values())
    arrived = sorted(scene.received) == sorted(event.id for event in events if not event.duplicate_of)
    return bool(webhooks) and through and arrived, Group(table)


def _webhook_outcome(webhook: WebhookRow) -> Text:
    word = str(webhook.state.value).replace("_", " ")
    style = STATE_STYLES.get(str(webhook.state.value), "dim")
    return as_text(f"{word}: {webhook.reason}" if webhook.reason else word, style)


async def _event_outcome(scene: DemoScene, event: EventRow) -> tuple[Text, Text]:
    [detail] = await scene.bridge.store.show_detail(event.id)
    if not isinstance(detail, EventDetail):
        return as_text(event.event_type), Text()
    properties = json_text.parse_json(detail.text).get("properties", {})
    money = f"{properties['value']} {properties.get('currency', '')}" if "value" in properties else ""
    return as_text(event.event_type), as_text(money.strip())


def _delivery_state(deliveries: Mapping[str, DeliveryRow], event: EventRow) -> Text:
    state = str(deliveries[event.id].state.value) if event.id in deliveries else ""
    return Text(state, style=STATE_STYLES.get(state, ""))


def _introduction_text(scene: DemoScene) -> Text:
    return Text.assemble(
        ("trackbridge demo", "bold"),
        f": a throw-away store and made-up secrets\n  bridge    {scene.url}\n  receiver  "
        f"{scene.receiver_url}/v1/track\n",
    )


def _ending_text(scene: DemoScene, *, arrived: bool, once: bool) -> Text:
    lines = [f"  {answer}" for answer in scene.answers]
    count = len(scene.received)
    if arrived:
        lines.append(f"Every webhook was kept before it was answered; the receiver has {count} events, each once.")
    else:
        lines.append(f"Not all arrived: the receiver has {count} events.")
    if not once:
        lines += [
            "",
            "It stays up; send it something from another terminal, and end it with Ctrl-C:",
            f"  curl {scene.url}/v1/track -H 'Authorization: Bearer {scene.key}' \\",
            (
                '       -d \'{"event_type": "purchase",'
                ' "properties": {"order_id": "A-1", "value": 9.90, "currency": "EUR"}}\''
            ),
        ]
    return as_text("\n".join(lines), lines=True)
