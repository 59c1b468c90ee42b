"""Alerts: when something needs a person and when that is over, once an hour for each cause, over real servers."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import strategies as st
from peers import serving, typed, until, upstream

from bridge.core.alert_targets import MailServer
from bridge.core.errors import AlertFailed, SettingsError
from bridge.pipeline.alert_channels import ChatChannel, MailChannel, make_channels
from bridge.pipeline.alert_state import AlertState
from bridge.pipeline.alerts import AlertLoop, write_alert
from bridge.settings.alerts import read_alerts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "a made-up password of mail"


class Said:
    """A channel that keeps what it was told, and refuses while `broken`."""

    name = "BRIDGE_ALERT_URL"

    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.broken = False

    async def send_alert(self, title: str, lines: Sequence[str]) -> None:
        if self.broken:
            raise AlertFailed("BRIDGE_ALERT_URL: it answers 500")
        self.messages.append([title.partition(": ")[2], *lines[:-1]])


class Watched:
    """A loop, what it is told, its clock, and restarts of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trackbridge.db-alerts"
        self.said = Said()
        self.now = NOW
        self.needs: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        self.loop = AlertLoop(
            needs=self.find,
            channels=lambda: [self.said],
            state=AlertState(self.path),
            clock=lambda: self.now,
            every=0.001,
        )

    async def find(self) -> Mapping[str, str]:
        return dict(self.needs)

    def look(self, *, after: timedelta = timedelta(), times: int = 2) -> list[list[str]]:
        """What was told at these looks."""
        self.now += after
        before = len(self.said.messages)

        async def looked() -> None:
            for _ in range(times):
                await self.loop.look_once()

        asyncio.run(looked())
        return self.said.messages[before:]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


HOUR = timedelta(hours=1)


def test_what_needs_a_person_is_told_once_and_its_end_once(watched: Watched) -> None:
    assert watched.look() == []
    watched.needs = {"dead:track": "track: 3 dead letters"}
    assert watched.look() == [["1 thing needs you", "• track: 3 dead letters"]]
    assert watched.look(after=HOUR * 30) == []
    watched.needs = {}
    assert watched.look() == [["over, nothing more to do for 1 thing", "• over: track: 3 dead letters"]]
    assert watched.look(after=HOUR * 30) == []


def test_what_is_there_at_one_look_alone_is_not_told(watched: Watched) -> None:
    watched.needs = {"worker": "the worker does not run"}
    assert watched.look(times=1) == []
    watched.needs = {}
    assert watched.look(after=HOUR * 2) == []


def test_a_cause_that_comes_and_goes_is_told_once_an_hour_at_most(watched: Watched) -> None:
    told = []
    for minute in range(0, 240, 5):
        watched.needs = {} if minute // 5 % 2 else {"paused:track": "track: paused"}
        told += [minute] * len(watched.look(after=timedelta(minutes=5)))
    assert told
    assert all(later - earlier >= 60 for earlier, later in pairwise(told))


@given(st.lists(st.tuples(st.integers(1, 50), st.sets(st.sampled_from("abc")), st.booleans()), max_size=40))
def test_no_cause_is_told_twice_within_an_hour_and_none_that_stays_is_left_out(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, set[str], bool]]
) -> None:
    watched = Watched(tmp_path_factory.mktemp("alerts"))
    told: dict[str, datetime] = {}
    for minutes, causes, restarts in steps:
        watched.needs = {cause: f"sentence of {cause}" for cause in causes}
        if restarts:
            watched.restart()
        for message in watched.look(after=timedelta(minutes=minutes)):
            for line in message[1:]:
                cause = line[-1]
                assert cause not in told or watched.now - told[cause] >= HOUR
                told[cause] = watched.now
    last = set(steps[-1][1]) if steps else set()
    watched.look(after=HOUR)
    assert AlertState(watched.path).find_begun(last, now=watched.now) == []
    assert AlertState(watched.path).find_over(last, now=watched.now) == []


def test_a_restart_repeats_nothing_and_the_end_is_told_after_it(watched: Watched) -> None:
    watched.needs = {"set_aside:stripe": "stripe: 2 set aside"}
    assert len(watched.look()) == 1
    watched.restart()
    assert watched.look(after=HOUR * 2) == []
    watched.needs = {}
    watched.restart()
    [[title, line]] = watched.look()
    assert (title, line) == ("over, nothing more to do for 1 thing", "• over: set_aside:stripe")


def test_another_cause_is_told_at_once_though_one_was_told_just_now(watched: Watched) -> None:
    watched.needs = {"a": "one"}
    watched.look()
    watched.needs |= {"b": "two", "c": "three"}
    assert watched.look(after=timedelta(minutes=1)) == [["2 things need you", "• two", "• three"]]


def test_what_no_channel_took_is_told_when_one_takes_it(watched: Watched) -> None:
    watched.needs = {"a": "one"}
    watched.said.broken = True
    assert watched.look() == []
    watched.said.broken = False
    assert watched.look() == [["1 thing needs you", "• one"]]


def test_the_file_is_for_its_owner_alone_and_one_that_cannot_be_read_is_as_none(watched: Watched) -> None:
    watched.needs = {"a": "one"}
    watched.look()
    assert stat.S_IMODE(watched.path.stat().st_mode) == 0o600
    assert list(watched.path.parent.iterdir()) == [watched.path]
    watched.path.write_text("{")
    watched.restart()
    assert len(watched.look()) == 1


def test_the_loop_ends_when_stopped_and_goes_on_after_a_fault(watched: Watched) -> None:
    looks: list[int] = []

    async def fails_at_first() -> Mapping[str, str]:
        looks.append(len(looks))
        if len(looks) == 1:
            raise ValueError
        if len(looks) == 4:
            watched.loop.stop()
        return {"a": "one"}

    watched.find = fails_at_first  # type: ignore[method-assign]
    watched.restart()
    asyncio.run(watched.loop.run())
    assert (looks, len(watched.said.messages)) == ([0, 1, 2, 3], 1)


def test_no_line_holds_a_mail_address_a_control_character_or_a_whole_page() -> None:
    _, lines = write_alert(["up: refused mara@example.com, <a@b.c>", "x\x1b[2J", "y" * 9999], ["z"] * 40)
    assert lines[0] == "• up: refused […] […]"
    assert "\x1b" not in "".join(lines)
    assert len(lines[2]) == 502
    assert lines[-2:] == ["• and 13 more", "`trackbridge status` says how everything stands."]


# ------------------------------------------------------------------------------------------------------- a real chat


@contextmanager
def chat(status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/services/T0/secret-part", taken
        finally:
            server.shutdown()
            thread.join()


def test_a_chat_gets_slacks_json() -> None:
    with chat() as (url, taken):
        asyncio.run(ChatChannel(url).send_alert("1 thing needs you", ["• one"]))
    assert taken == [{"text": "1 thing needs you\n• one"}]


def test_a_chat_that_refuses_is_told_by_its_status_and_without_its_address(tmp_path: Path) -> None:
    with chat(404) as (url, _):
        done = typed(tmp_path, {"BRIDGE_ALERT_URL": url}, "alert", "--test")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "BRIDGE_ALERT_URL: it answers 404; make a new address where it came from\n"


def test_the_command_tests_what_is_set_and_names_it(tmp_path: Path) -> None:
    with chat() as (url, taken):
        named = typed(tmp_path, {"BRIDGE_ALERT_URL": url}, "alert")
        assert (named.stdout, taken) == ("alerts go to BRIDGE_ALERT_URL; `trackbridge alert --test` sends one\n", [])
        done = typed(tmp_path, {"BRIDGE_ALERT_URL": url}, "alert", "--test")
    assert (done.returncode, done.stdout) == (0, "BRIDGE_ALERT_URL: taken\n")
    assert "this is a test of alerts" in taken[0]["text"]
    nowhere = typed(tmp_path, {}, "alert", "--test")
    assert (nowhere.returncode, "alerts go nowhere; set BRIDGE_ALERT_URL" in nowhere.stderr) == (1, True)


# ------------------------------------------------------------------------------------------------------- real mail


class Mailbox:
    """A mail server that keeps what it takes, and whether it came under TLS."""

    def __init__(self) -> None:
        self.taken: list[tuple[bool, list[str], bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  as aiosmtpd has it
        assert isinstance(envelope.content, bytes)
        self.taken.append((session.ssl is not None, list(envelope.rcpt_tos), envelope.content))
        return "250 OK"

    def authenticate(self, *args: Any) -> AuthResult:
        [login] = [one for one in args if isinstance(one, LoginPassword)]
        return AuthResult(success=login.password == PASSWORD.encode(), handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [*words.split(), "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@contextmanager
def mail_server(certificate: Path | None) -> Iterator[tuple[int, Mailbox]]:
    mailbox = Mailbox()
    options: dict[str, Any] = {}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        options = {
            "tls_context": context, "require_starttls": True,
            "authenticator": mailbox.authenticate, "auth_required": True,
        }  # fmt: skip
    loop = asyncio.new_event_loop()
    bound = socket.create_server(("127.0.0.1", 0))

    async def serve() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(mailbox, loop=loop, **options), sock=bound)

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1], mailbox
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        bound.close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def mail_settings(port: int) -> dict[str, str]:
    return {
        "BRIDGE_ALERT_EMAIL": "owner@example.com, second@example.com",
        "BRIDGE_SMTP_SERVER": f"localhost:{port}",
    }


LOGIN = {"BRIDGE_SMTP_USER": "bridge@example.com", "BRIDGE_SMTP_PASSWORD": PASSWORD}


def test_mail_is_sent_under_tls_with_a_login_to_all_recipients(tmp_path: Path, certificate: Path) -> None:
    with mail_server(certificate) as (port, mailbox):
        settings = mail_settings(port) | LOGIN | {"SSL_CERT_FILE": str(certificate / "cert.pem")}
        done = typed(tmp_path, settings, "alert", "--test")
    assert (done.returncode, done.stdout, done.stderr) == (0, "BRIDGE_ALERT_EMAIL: taken\n", "")
    [(is_secure, recipients, content)] = mailbox.taken
    assert (is_secure, recipients) == (True, ["owner@example.com", "second@example.com"])
    message = message_from_bytes(content, policy=policy.default)
    assert message["From"] == "trackbridge <bridge@example.com>"
    assert "this is a test of alerts" in message["Subject"]
    assert message["Auto-Submitted"] == "auto-generated"


def test_a_server_of_this_machine_needs_neither_tls_nor_login(tmp_path: Path) -> None:
    with mail_server(None) as (port, mailbox):
        assert typed(tmp_path, mail_settings(port), "alert", "--test").returncode == 0
    [(is_secure, _, _)] = mailbox.taken
    assert not is_secure


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "the server's certificate or TLS does not hold"),
        (
            {"SSL_CERT_FILE": "cert.pem", "BRIDGE_SMTP_PASSWORD": "wrong password"},
            "the server refuses BRIDGE_SMTP_USER",
        ),
    ],
)
def test_mail_that_is_not_taken_is_told_without_the_password(
    tmp_path: Path, certificate: Path, more: dict[str, str], said: str
) -> None:
    if "SSL_CERT_FILE" in more:
        more = more | {"SSL_CERT_FILE": str(certificate / "cert.pem")}
    with mail_server(certificate) as (port, mailbox):
        done = typed(tmp_path, mail_settings(port) | LOGIN | more, "alert", "--test")
    assert (done.returncode, mailbox.taken) == (1, [])
    assert done.stderr.startswith(f"BRIDGE_ALERT_EMAIL: {said}")
    assert "password of mail" not in done.stderr


def test_a_login_is_never_sent_without_tls() -> None:
    with mail_server(None) as (port, mailbox):
        server = MailServer("localhost", port, "user", PASSWORD, is_local=True)
        with pytest.raises(AlertFailed, match="offers no TLS"):
            asyncio.run(MailChannel(server, "a@b.example", ("c@d.example",)).send_alert("t", []))
    assert mailbox.taken == []


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = typed(tmp_path, mail_settings(9), "alert", "--test")
    assert done.stderr.startswith(
        "BRIDGE_ALERT_EMAIL: no mail could be sent (ConnectionRefusedError); check BRIDGE_SMTP_S"
    )


# ----------------------------------------------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"BRIDGE_ALERT_URL": "hooks.example/secret"}, "BRIDGE_ALERT_URL"),
        ({"BRIDGE_ALERT_EMAIL": "owner@example.com"}, "BRIDGE_ALERT_EMAIL"),
        ({"BRIDGE_ALERT_EMAIL": "secret,", "BRIDGE_SMTP_SERVER": "a:1"}, "BRIDGE_ALERT_EMAIL"),
        ({"BRIDGE_ALERT_EMAIL": "o@e.com\nBcc: secret@e.com", "BRIDGE_SMTP_SERVER": "a:1"}, "BRIDGE_ALERT_EMAIL"),
        ({"BRIDGE_SMTP_SERVER": "secret:99999"}, "BRIDGE_SMTP_SERVER"),
        ({"BRIDGE_SMTP_SERVER": "a:1", "BRIDGE_SMTP_USER": "secret"}, "BRIDGE_SMTP_USER"),
        ({"BRIDGE_ALERT_FROM": "secret"}, "BRIDGE_ALERT_FROM"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_repeated(settings: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}") as caught:
        read_alerts(settings)
    assert "secret" not in str(caught.value)


def test_no_value_shows_a_password_or_the_address_of_a_chat() -> None:
    settings = mail_settings(25) | LOGIN | {"BRIDGE_ALERT_URL": "https://hooks.example/secret"}
    shown = repr(read_alerts(settings)) + repr(make_channels(read_alerts(settings)))
    assert PASSWORD not in shown
    assert "secret" not in shown


# ------------------------------------------------------------------------------------------------------- all of it


def test_serve_tells_of_dead_letters_over_http_and_says_nothing_twice_after_a_restart(tmp_path: Path) -> None:
    with upstream() as peer, chat() as (url, taken):
        peer.script = [(400, {}, b'{"success": false, "error": "no mara@example.com here"}')] * 2
        settings = {
            "BRIDGE_ALERT_URL": url, "BRIDGE_API_KEYS": "a-made-up-api-key", "BRIDGE_LOG": "json",
            "BRIDGE_TRACK_URL": peer.url, "BRIDGE_TRACK_KEY": "upstream-key",
        }  # fmt: skip
        program = [sys.executable, "-c", _QUICK_LOOKS]
        with serving(tmp_path, settings, program=program) as bridge:
            event = {"event_type": "lead", "user_data": {"email": "mara@example.com"}}
            sent = httpx.post(
                f"{bridge.url}/v1/track",
                json=event,
                trust_env=False,
                headers={"Authorization": "Bearer a-made-up-api-key"},
            )
            assert sent.status_code == 200
            until(lambda: taken, what="an alert")
        with serving(tmp_path, settings, program=program):
            time.sleep(1)  # many looks
        log = bridge.log.read_text()
    [message] = taken
    assert "1 thing needs you" in message["text"]
    assert "track: 1 dead letter" in message["text"]
    assert "mara@example.com" not in message["text"]
    assert "secret-part" not in log
    assert [line for line in log.splitlines() if "alert.sent" in line]


_QUICK_LOOKS = """
import sys
from bridge.pipeline import alerts
alerts.EVERY = 0.05
alerts.AlertLoop.__init__.__kwdefaults__["every"] = 0.05
from bridge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_reload_changes_where_alerts_go(tmp_path: Path) -> None:
    with chat() as (url, taken):
        (tmp_path / "bridge.yaml").write_text("api_keys: [a-short-key]\n")  # what `status` asks a person about
        with serving(tmp_path, {}, program=[sys.executable, "-c", _QUICK_LOOKS]) as bridge:
            (tmp_path / ".env").write_text(f"BRIDGE_ALERT_URL={url}\n")
            (tmp_path / ".env").chmod(0o600)
            bridge.process.send_signal(signal.SIGHUP)
            until(lambda: taken, what="an alert at the address that was set meanwhile")
            assert "reload.partly" not in bridge.log.read_text()
    assert "need" in taken[0]["text"]
