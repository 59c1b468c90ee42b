"""Waits for the redirect after an authorisation: at an address of this machine, or typed on standard input."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError
from bridge.destinations.engine.authorization import Authorization, NoSuchRedirect, NotAuthorized

LOOPBACK = "127.0.0.1"
_MOST_LINE = 16 * 1024
_READ_SECONDS = 30.0
_DONE = "trackbridge has what it needs. Close this page, and go back to the terminal."
_FAILED = "The platform did not authorise trackbridge. Close this page; the terminal says why."
_OTHER = "This is not the page that trackbridge waits for."


class RedirectListener:
    """Takes the first redirect of an authorisation: `code` is done when there is one, or why there is none."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._authorization: Authorization | None = None

    def expect(self, authorization: Authorization) -> None:
        """Wait for the redirect of this one."""
        self._authorization = authorization

    def take_redirect(self, address: str) -> None:
        """Read an address to which a browser was sent. Raises NoSuchRedirect where it is none that is awaited."""
        if self._authorization is None or self.code.done():
            raise NoSuchRedirect(_OTHER)
        try:
            self.code.set_result(self._authorization.read_redirect(address))
        except NotAuthorized as error:
            self.code.set_exception(SettingsError(str(error)))

    async def answer_browser(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; a browser also asks for an icon, or opens a connection and asks for nothing."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                method, target = (await reader.readline()).split()[:2]
                while (await reader.readline()).strip():
                    pass
            status, text = self._answer_request(method.decode("ascii"), target.decode("ascii"))
            page = f"<!doctype html><meta charset=utf-8><title>trackbridge</title><p>{text}</p>".encode()
            head = (
                f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {len(page)}\r\n"
                "cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode() + page)
            await writer.drain()
        except (TimeoutError, ValueError, OSError):
            return  # nothing that could be answered
        finally:
            writer.close()

    def _answer_request(self, method: str, target: str) -> tuple[str, str]:
        if method != "GET":
            return "405 Method Not Allowed", _OTHER
        try:
            self.take_redirect(target)
        except NoSuchRedirect:
            return "404 Not Found", _OTHER
        return "200 OK", _DONE if self.code.exception() is None else _FAILED


@asynccontextmanager
async def open_listener(redirect: str | None) -> AsyncIterator[tuple[RedirectListener, str]]:
    """A listener and the address of the redirect: the given one, or a free port of this machine.

    It listens only where that address is one of this machine. Raises SettingsError.
    """
    port = _loopback_port(redirect) if redirect is not None else 0
    if port is None and redirect is not None:
        yield RedirectListener(0), redirect
        return
    listener = RedirectListener(port or 0)
    try:
        server = await asyncio.start_server(listener.answer_browser, LOOPBACK, port or 0, limit=_MOST_LINE)
    except OSError as error:
        raise SettingsError(
            f"port {port} of this machine cannot be listened on ({error.strerror}); name another"
        ) from None
    try:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener, redirect or f"http://{LOOPBACK}:{listener.port}/"
    finally:
        server.close()  # without waiting for connections that a browser has opened in advance


def _loopback_port(redirect: str) -> int | None:
    """The port of an address of this machine; None for another one. Raises SettingsError for no address."""
    try:
        parts = urlsplit(redirect)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise SettingsError("--redirect is the address that is registered at the platform, as http://localhost:8765/")
    return (port or 80) if parts.scheme == "http" and host in {LOOPBACK, "localhost"} else None


class TypedLines:
    """Hands each line of standard input to `take`, as it is typed, without holding up anything else."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._held = b""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read while this is entered; a standard input that is closed, or no terminal or pipe, is not read."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = sys.stdin.fileno()
            loop.add_reader(descriptor, self._read_some, descriptor)
        except (OSError, ValueError, AttributeError):
            yield
            return
        try:
            yield
        finally:
            loop.remove_reader(descriptor)

    def _read_some(self, descriptor: int) -> None:
        try:
            found = os.read(descriptor, 65536)
        except OSError:
            found = b""
        if not found:
            asyncio.get_running_loop().remove_reader(descriptor)
        *lines, self._held = (self._held + (found or b"\n")).split(b"\n")
        for line in lines:
            if line.strip():
                self._take(line.decode("utf-8", "replace"))
