"""Genuine webhooks behind a proxy that reuses its connections, beside a stranger's: none is lost.

The stranger's requests offer an upgrade, or end where a careless reader would not think; their bodies begin a request
that would take the next caller's into itself. The proxies are Debian's, with the files that are recommended to owners.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from peers import Serving, serving, until
from processes import process_tree
from store_made import applied

from bridge.store.engines import open_store

DEPLOY = Path(__file__).parents[2] / "bridge" / "deploy"
SECRET = "a made-up signing secret"
CALLERS, EACH = 8, 25
"""Genuine callers at once, and how many webhooks each sends; a stranger's stands before each."""
MOST_CALLERS = 64


def needs(program: str) -> str:
    """The path of a program. In CI it must be there."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        assert not os.environ.get("CI"), f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    return found


# ------------------------------------------------------------------------------------------------------- the proxies


def caddy(folder: Path, port: int, bridge: int) -> list[str]:
    text = (DEPLOY / "Caddyfile").read_text().replace("bridge.example", f"http://127.0.0.1:{port}")
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n}\n" + text.replace("127.0.0.1:8000", f"127.0.0.1:{bridge}"))
    return [needs("caddy"), "run", "--adapter", "caddyfile", "--config", str(path)]


def nginx(folder: Path, port: int, bridge: int, *more: str) -> list[str]:
    text = (DEPLOY / "nginx.conf").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{bridge}")
    text = re.sub(r" *ssl_certificate.*\n", "", text).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    for line in more:
        text = text.replace('        proxy_set_header Connection "";\n', line)
    temporary = "".join(
        f"{kind}_temp_path {folder};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}\n{text}\n}}\n"
    )
    return [needs("nginx"), "-p", str(folder), "-c", str(path)]


def nginx_with_websockets(folder: Path, port: int, bridge: int) -> list[str]:
    """The lines that most guides give for websockets hand an offer on to the bridge."""
    lines = "        proxy_set_header Upgrade $http_upgrade;\n        proxy_set_header Connection $http_connection;\n"
    return nginx(folder, port, bridge, lines)


def haproxy(folder: Path, port: int, bridge: int) -> list[str]:
    text = (DEPLOY / "haproxy.cfg").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{bridge}")
    path = folder / "haproxy.cfg"
    path.write_text(re.sub(r"bind :443 .*", f"bind 127.0.0.1:{port}", text))
    return [needs("haproxy"), "-db", "-f", str(path)]


@contextmanager
def running(words: list[str], port: int, folder: Path) -> Iterator[None]:
    """The proxy, once it listens, until the end of the block."""
    with (folder / "proxy.log").open("w") as log:
        home = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        process = subprocess.Popen(words, cwd=folder, env=home, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or listens(port), what="the proxy")
        assert process.poll() is None, (folder / "proxy.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --------------------------------------------------------------------------------------------------- both of its sides


def signed(name: str) -> tuple[bytes, dict[str, str]]:
    """A genuine webhook's body and headers."""
    order = {"id": name, "financial_status": "paid", "total_price": "1.00", "currency": "EUR", "line_items": []}
    body = json.dumps(order | {"created_at": "2026-03-01T10:00:00+01:00", "test": False}).encode()
    mac = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
    topic = {"X-Shopify-Topic": "orders/paid", "X-Shopify-Webhook-Id": name, "X-Shopify-Hmac-Sha256": mac}
    return body, topic | {"Content-Type": "application/json"}


SWALLOW = b"GET /healthz HTTP/1.1\r\nX-Swallow: "
"""Begins a request whose head ends with the head of whoever comes next, and is answered 200."""
FILLER = 40_000
"""Empty lines before it, so that a proxy sends head and body one after the other: parsers skip them."""
OFFER = b"Connection: Upgrade\r\nUpgrade: "


def hostile(number: int) -> bytes:
    """One of a stranger's requests."""
    head = b"POST /webhooks/shopify HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Shopify-Hmac-Sha256: AAAA\r\n"
    body = (b"\r\n" * FILLER if number % 2 else b"") + SWALLOW
    length, chunked = b"Content-Length: %d\r\n\r\n" % len(body), b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    variants = (
        head + OFFER + b"h2c\r\n" + length + body,
        head + OFFER + b"foo\r\n" + length + body,
        head + OFFER + b"websocket\r\n" + chunked + chunk,
        head + OFFER + b"h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n" + chunked + chunk,
        head + chunked + b"0\r\nContent-Length: 500\r\nX-Shopify-Topic: orders/paid\r\n\r\n",
        head + chunked + b"0\r\nConnection: close\r\n\r\n",
        head + chunked + b"0\r\nProxy-Connection: close\r\n\r\n",
        head + b"Content-Length: 0\r\n" + length + body,
        head + b"Transfer-Encoding: chunked\r\n" + length + chunk,
    )
    return variants[number % len(variants)]


def attack(port: int, number: int) -> None:
    """Send one of them through the proxy, and wait for whatever is answered."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as stranger:
        stranger.sendall(hostile(number))
        stranger.settimeout(2)
        try:
            stranger.recv(65536)
        except TimeoutError:
            return


def call(port: int, caller: int) -> list[str]:
    """Send a stranger's and a genuine webhook by turns; the ids of those that were answered 200."""
    taken = []
    with httpx.Client(trust_env=False, timeout=30) as client:
        for number in range(EACH):
            attack(port, number)
            name = f"order-{caller}-{number}"
            body, headers = signed(name)
            answer = client.post(f"http://127.0.0.1:{port}/webhooks/shopify", content=body, headers=headers)
            if answer.status_code == 200:
                taken.append(name)
    return taken


async def apply_all(folder: Path) -> None:
    """Give every webhook that is still in the ingest log its row."""
    store = open_store(f"sqlite:///{folder / 'trackbridge.db'}")
    await applied(store)
    await store.close()


def kept(folder: Path) -> list[str]:
    """The ids of all webhooks in the store."""
    asyncio.run(apply_all(folder))
    with closing(sqlite3.connect(folder / "trackbridge.db")) as db:
        names = [name for (name,) in db.execute("SELECT id FROM webhooks")]
    return sorted(str(name, "utf-8") if isinstance(name, bytes) else name for name in names)


def processes_with_connections(bridge: Serving) -> set[int]:
    """The processes of a bridge that have a connection on its port."""
    port = int(bridge.url.rpartition(":")[2])
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{row[9]}]" for row in rows if row[3] == "01" and int(row[1].partition(":")[2], 16) == port}
    return {pid for pid in process_tree(bridge.process.pid) if established & set(opened(pid))}


def opened(pid: int) -> Iterator[str]:
    """What the files of a process are."""
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(file.readlink())


Proxy = Callable[[Path, int, int], list[str]]
PROXIES: Mapping[str, Proxy] = {
    "caddy": caddy, "nginx": nginx, "nginx with websockets": nginx_with_websockets, "haproxy": haproxy
}  # fmt: skip


@contextmanager
def proxied(folder: Path, proxy: Proxy) -> Iterator[tuple[Serving, int]]:
    """A bridge of two web processes behind the proxy; the proxy's port."""
    port = free_port()
    with serving(folder, {"SHOPIFY_WEBHOOK_SECRET": SECRET}, "--web", "2") as bridge:
        words = proxy(folder, port, int(bridge.url.rpartition(":")[2]))
        with running(words, port, folder):
            yield bridge, port


@pytest.mark.parametrize("name", PROXIES)
def test_no_genuine_webhook_is_lost_to_a_strangers_beside_it(tmp_path: Path, name: str) -> None:
    seen, answered, callers = set[int](), list[str](), 0
    with proxied(tmp_path, PROXIES[name]) as (bridge, port), ThreadPoolExecutor(MOST_CALLERS) as pool:
        while len(seen) < 2 and callers < MOST_CALLERS:  # by chance all connections may be those of one process
            more = max(CALLERS, callers)
            calls = {pool.submit(call, port, caller) for caller in range(callers, callers + more)}
            left = calls
            while left:  # looked at before the first has ended, and once after the last: the proxy may keep them open
                left = wait(calls, timeout=0.005).not_done
                seen |= processes_with_connections(bridge)
            answered += [one for called in calls for one in called.result()]
            callers += more
        assert len(seen) == 2, "one web process had no connection of the proxy's"
    wanted = sorted(f"order-{caller}-{number}" for caller in range(callers) for number in range(EACH))
    found = kept(tmp_path)
    assert not set(answered) - set(found), f"{len(set(answered) - set(found))} were answered 200 and lost"
    assert found == sorted(answered) == wanted


# ----------------------------------------------------------------------------------- callers that offer an upgrade


@pytest.fixture
def body(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A genuine webhook's body in a file, and its headers."""
    content, headers = signed("offered")
    (tmp_path / "body.json").write_bytes(content)
    return tmp_path / "body.json", headers


def test_curl_that_offers_h2c_with_a_body_is_answered(tmp_path: Path, body: tuple[Path, dict[str, str]]) -> None:
    file, headers = body
    words = [needs("curl"), "--silent", "--verbose", "--http2", "--data-binary", f"@{file}", "--noproxy", "*"]
    for name, value in headers.items():
        words += ["--header", f"{name}: {value}"]
    with serving(tmp_path, {"SHOPIFY_WEBHOOK_SECRET": SECRET}) as bridge:
        address = f"{bridge.url}/webhooks/shopify"
        done = subprocess.run([*words, address, address], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("> Upgrade: h2c") >= 1
    assert done.stdout == '{"success":true}' * 2
    assert kept(tmp_path) == ["offered"]


def test_the_http_client_of_java_that_offers_h2c_with_a_body_is_answered(
    tmp_path: Path, body: tuple[Path, dict[str, str]]
) -> None:
    file, headers = body
    program = Path(__file__).with_name("Post.java")
    pairs = [word for pair in headers.items() for word in pair]
    with serving(tmp_path, {"SHOPIFY_WEBHOOK_SECRET": SECRET}) as bridge:
        done = subprocess.run(
            [needs("java"), str(program), f"{bridge.url}/webhooks/shopify", str(file), *pairs],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.stdout == '200 {"success":true}\n' * 3, done.stderr
    assert kept(tmp_path) == ["offered"]
