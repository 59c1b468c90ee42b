"""Upstreams on a real socket that answer byte by byte what a test writes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bridge.core.delivery import Delivery, Outgoing
from bridge.destinations.track import TrackDestination

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"success": true}'
Answering = Callable[["Wire"], Awaitable[None]]


@dataclass
class Wire:
    """One connection, seen from the upstream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    got: list[tuple[str, dict[str, str], bytes]]

    async def request(self) -> None:
        """Read one whole request."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        self.got.append((first, headers, body))

    async def say(self, answer: bytes) -> None:
        self.writer.write(answer)
        await self.writer.drain()


@dataclass
class Peer:
    """An upstream: what it got, and over how many connections."""

    url: str
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def peer(answering: Answering, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    found = Peer("")
    open_: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        open_.add(task)
        found.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await answering(Wire(reader, writer, found.got))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    found.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield found
    finally:
        server.close()
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        await server.wait_closed()


def outgoing(url: str, text: bytes = b'{"order":1}') -> Outgoing:
    one_delivery = [Delivery(1, "mine", "evt_1", text, 0)]
    [one] = TrackDestination("mine", url, "a-made-up-key").make_requests(one_delivery, now=datetime.now(UTC))
    return one


async def keeps_alive(wire: Wire) -> None:
    while True:
        await wire.request()
        await wire.say(OK)


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "x.pem").write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "x.pem")
    return context
