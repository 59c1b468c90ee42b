"""Strangers who send large webhooks without a valid signature, again and again, over many connections at once.

    python tests/bench/flood.py PORT --signature wrong --from proxy --pace 0

A process of its own, behind all others in priority: strangers do not take this machine's cores. It sends until its
standard input ends, and then prints what it was answered as JSON. Not concerned with genuine webhooks.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvloop

CHUNK = bytes(64 * 1024)
SLOW_CHUNK = CHUNK[:4096]
WRONG = base64.b64encode(bytes(32)).decode()
NICE = 10
_ORIGINS = {"addresses": "an address each", "proxy": "an unknown proxy", "forwarded": "a trusted proxy"}
ORIGINS = tuple(_ORIGINS)


@dataclass(frozen=True, slots=True)
class Attack:
    """How strangers send: `signature` is none or wrong, `pace` the bytes a second of a connection (0: all it can).

    `origin` is where connections come from: `addresses`, one each; `proxy`, all from 127.0.0.1; `forwarded`, the same,
    where the proxy names an address each in X-Forwarded-For.
    """

    signature: str = "none"
    origin: str = "addresses"
    pace: int = 0
    connections: int = 500
    size: int = 5 * 1024 * 1024
    path: str = "/webhooks/shopify"

    @property
    def settings(self) -> dict[str, str]:
        """What the operator has set, where the connections come from a proxy that names addresses."""
        return {"BRIDGE_TRUSTED_PROXIES": "127.0.0.1"} if self.origin == "forwarded" else {}

    def __str__(self) -> str:
        signature = "wrong signatures" if self.signature == "wrong" else "no signature"
        return f"{signature}, {_ORIGINS[self.origin]}, {'slow' if self.pace else 'fast'}"


ATTACKS = tuple(
    Attack(signature, origin, pace) for signature in ("none", "wrong") for origin in ORIGINS for pace in (0, 200_000)
)


@contextmanager
def flooding(port: int, attack: Attack) -> Iterator[Counter[str]]:
    """The attack, until the end of the block; then the counter holds how many were answered by status, or cut off."""
    words = [sys.executable, __file__, str(port), "--path", attack.path, "--signature", attack.signature]
    words += ["--from", attack.origin, "--pace", str(attack.pace)]
    words += ["--connections", str(attack.connections), "--size", str(attack.size)]
    answers: Counter[str] = Counter()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "all are connected\n"
            yield answers
            answers.update(json.loads(process.communicate(timeout=30)[0]))
        finally:
            process.kill()


async def _strangers(port: int, attack: Attack) -> Counter[str]:
    answers: Counter[str] = Counter()
    ready = asyncio.Barrier(attack.connections + 1)
    tasks = [
        asyncio.create_task(_stranger(number, port, attack, ready, answers)) for number in range(attack.connections)
    ]
    async with asyncio.timeout(30):
        await ready.wait()
    print("all are connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return answers


async def _stranger(number: int, port: int, attack: Attack, ready: asyncio.Barrier, answers: Counter[str]) -> None:
    head = _head(attack, number)
    local = (f"127.1.{number // 250}.{number % 250 + 1}", 0) if attack.origin == "addresses" else None
    waits = True
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        if waits:
            waits = False
            await ready.wait()
        answer = asyncio.create_task(reader.readline())
        try:
            await _send(writer, head, attack, answer)
            line = await answer
            answers[line.split()[1].decode() if line else "cut off"] += 1
        except OSError:
            answers["cut off"] += 1
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
            writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, head: bytes, attack: Attack, answer: asyncio.Task[bytes]) -> None:
    """The whole request, as long as there is no answer."""
    chunk = SLOW_CHUNK if attack.pace else CHUNK
    left = attack.size
    writer.write(head)
    while left > 0 and not answer.done():
        writer.write(chunk[:left])
        left -= len(chunk)
        await writer.drain()
        await asyncio.sleep(len(chunk) / attack.pace if attack.pace else 0)


def _head(attack: Attack, number: int) -> bytes:
    lines = [f"POST {attack.path} HTTP/1.1", "Host: bridge", f"Content-Length: {attack.size}"]
    lines += [f"X-Shopify-Hmac-Sha256: {WRONG}"] if attack.signature == "wrong" else []
    lines += [f"X-Forwarded-For: 198.51.{number // 250}.{number % 250 + 1}"] if attack.origin == "forwarded" else []
    return "\r\n".join([*lines, "", ""]).encode()


def main() -> None:
    """Flood a port until the standard input ends."""
    parser = argparse.ArgumentParser(prog="flood.py", description="Large webhooks of strangers.")
    parser.add_argument("port", type=int)
    parser.add_argument("--signature", choices=("none", "wrong"), default="none")
    parser.add_argument("--from", dest="origin", choices=ORIGINS, default="addresses")
    parser.add_argument("--pace", type=int, default=0, help="bytes a second of each connection, 0 for all it can")
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--size", type=int, default=5 * 1024 * 1024)
    parser.add_argument("--path", default="/webhooks/shopify")
    options = parser.parse_args()
    port = options.port
    del options.port
    with suppress(OSError):
        os.nice(NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_strangers(port, Attack(**vars(options))))))


if __name__ == "__main__":
    main()
