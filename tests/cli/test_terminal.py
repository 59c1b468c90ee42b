"""No text from outside steers the terminal of who reads it.

Hostile text in every field, real processes, real terminals.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from peers import Serving, Upstream, clean_environment, command, listed, serving, until, upstream
from signed_requests import API_KEY, settings_for

HOSTILE = "[red]:smile:[link=http://x]\x9b31m\x85\u202e\u2066\u200b\u200f\u061c\u2028\ufeff\U000e0041"
IN_BODIES = f"{HOSTILE}\x1b[31m\x1b]0;title\x07\r\n2026-01-01 forged\x7f\x08"
"""A topic or an id may hold no C0 and no DEL: a webhook with such a name has none."""
NAME = IN_BODIES.replace("/", "")
MAPPING = """
mapping: 1
provider: hostile
title: Hostile
webhook:
  signature: {kind: none, i_accept_unsigned: true}
  id: ["json:/id", "header:X-Id"]
  topic: ["json:/type", "header:X-Topic"]
events:
  - topic: pay*
    event:
      event_type: =body.kind
      properties:
        order_id: =body.order
        value: =body.amount
        coupon: =headers."x-coupon"
      user_data:
        email: =body.email
"""
SGR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Kept:
    """A store with hostile text in every field, and the log of who made it."""

    folder: Path
    settings: Mapping[str, str]
    log: Path
    ids: tuple[str, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("hostile")
    mappings = folder / "mappings"
    mappings.mkdir()
    (mappings / "hostile.yaml").write_text(MAPPING)
    with upstream() as peer:
        settings = settings_for(peer) | {"BRIDGE_MAPPINGS": str(mappings)}
        with serving(folder, settings) as bridge:
            send_all(bridge, peer, folder)
            until(lambda: "\x9b31m" in {row["topic"] for row in listed(folder, "webhooks")}, what="the last webhook")
            assert bridge.stop() == 0
        more_mappings(folder)
        ids = tuple(row["id"] for what in ("webhooks", "events", "deliveries") for row in listed(folder, what))
        yield Kept(folder, settings, bridge.log, ids)


def more_mappings(folder: Path) -> None:
    """Mappings to compare with and to check, hostile ones too, one of them in a file with a hostile name."""
    wrong = MAPPING.replace("=body.order", "=bdy.[red]\u202e\u200b:smile:")
    (folder / "more").mkdir()
    for name, text in (
        ("hostile", MAPPING),
        ("changed", MAPPING.replace("=body.order", "=body.email").replace("pay*", "other*")),
        ("wrong", wrong),
        (NAME, wrong),
    ):
        (folder / "more" / f"{name}.yaml").write_text(text)


def send_all(bridge: Serving, peer: Upstream, folder: Path) -> None:
    """One webhook that becomes a dead delivery, ones that are ignored or set aside, an event, a paused destination."""
    refusal = json.dumps({"success": False, "error": IN_BODIES}).encode()
    peer.script += [(400, {}, refusal)] + [(401, {}, IN_BODIES.encode())] * 50
    body = {
        "id": HOSTILE, "type": f"pay{HOSTILE}", "kind": f"purchase{HOSTILE}", "order": IN_BODIES, "amount": 5,
        "email": IN_BODIES,
    }  # fmt: skip
    headers = {b"X-Coupon": "\x9b31m\x85".encode("latin-1"), b"X-Id": b"\x9b31m\x85", b"X-Topic": b"\x9b31m\x85"}
    posted(bridge, "/webhooks/hostile", body, headers)
    (folder / "body.json").write_text(json.dumps(body))
    until(lambda: listed(folder, "deliveries", state="dead"), what="the dead letter")
    posted(bridge, "/webhooks/hostile", body | {"id": "2", "type": HOSTILE}, headers)
    posted(bridge, "/webhooks/hostile", body | {"id": "3", "amount": {IN_BODIES: [IN_BODIES]}}, headers)
    posted(bridge, "/webhooks/hostile", "[" * 100_000, headers)
    posted(bridge, "/webhooks/hostile", IN_BODIES, headers)
    posted(bridge, f"/webhooks/{HOSTILE}", body, headers, status=404)
    event = {"event_type": HOSTILE, "properties": {"order_id": HOSTILE, HOSTILE: IN_BODIES}}
    posted(bridge, "/v1/track", event, {b"Authorization": f"Bearer {API_KEY}".encode()}, status=200)
    posted(
        bridge,
        "/v1/track",
        event | {"event_type": IN_BODIES},
        {b"Authorization": f"Bearer {API_KEY}".encode()},
        status=200,
    )
    until(lambda: any(row["last_status"] == 401 for row in listed(folder, "deliveries")), what="the pause")
    until(lambda: not listed(folder, "webhooks", state="received"), what="the rest")


def posted(
    bridge: Serving, path: str, body: object, headers: Mapping[bytes, bytes] = {}, *, status: int | None = None
) -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    answer = httpx.post(bridge.url + path, content=content, headers=dict(headers), trust_env=False)
    assert status is None or answer.status_code == status, answer.text


def steering(text: str) -> str:
    """What of a text a terminal obeys, reorders or hides."""
    return "".join(one for one in text if one != "\n" and unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"})


def run(kept: Kept, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*words), cwd=kept.folder, env=clean_environment(kept.settings) | environment,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def run_on_a_terminal(kept: Kept, *words: str) -> str:
    """All that a command writes to a terminal, which colours it."""
    ours, its = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": "200", "LANG": "C.UTF-8"}
    environment = clean_environment(kept.settings) | terminal
    process = subprocess.Popen(
        command(*words), cwd=kept.folder, env=environment, stdin=its, stdout=its, stderr=its, close_fds=True
    )
    os.close(its)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # Linux's end of a terminal
        pass
    os.close(ours)
    process.wait(60)
    return written.decode().replace("\r\n", "\n")


LISTS = [("list", what) for what in ("webhooks", "events", "deliveries")]
LOOKS = [*LISTS, ("status",), ("retry", "--all-dead", "--dry-run"), ("replay", "--set-aside", "--dry-run")]
TRIES = [
    ("try", "hostile", "body.json"),
    ("try", "hostile", "body.json", "--topic", HOSTILE),
    ("try", "hostile", "body.json", "--explain"),
    ("diff", "hostile", "more/hostile.yaml"),
    ("diff", "hostile", "more/changed.yaml"),
    ("replay", "--since", "1d", "--dry-run"),
    ("check", "more/wrong.yaml"),
    ("check", "more/wrong.yaml", "--format", "github"),
    ("check", f"more/{NAME}.yaml"),
]
MISTAKES = [
    ("show", HOSTILE),
    ("try", HOSTILE, "body.json"),
    ("try", "hostile", f"{IN_BODIES}"),
    ("try", "hostile", "body.json", "--var", IN_BODIES),
    ("list", IN_BODIES),
    ("list", "webhooks", f"--{IN_BODIES}"),
    ("list", "webhooks", "--since", IN_BODIES),
    ("diff", "hostile", "more/wrong.yaml"),
    ("send", IN_BODIES, "body.json", "--to", "http://127.0.0.1:9"),
    ("send", "hostile", "body.json", "--to", IN_BODIES),
    ("deliver", IN_BODIES),
    (IN_BODIES,),
]


def test_the_store_holds_hostile_text_in_every_field(kept: Kept) -> None:
    webhooks, events = listed(kept.folder, "webhooks"), listed(kept.folder, "events")
    assert {"translated", "ignored", "set_aside"} == {row["state"] for row in webhooks}
    assert f"pay{HOSTILE}" in {row["topic"] for row in webhooks}
    assert "\x9b31m" in {row["topic"] for row in webhooks}
    assert {HOSTILE, f"purchase{HOSTILE}"} <= {row["event_type"] for row in events}
    answers = [row["last_answer"] for row in listed(kept.folder, "deliveries")]
    assert IN_BODIES in answers or json.dumps({"success": False, "error": IN_BODIES}) in answers


@pytest.mark.parametrize("words", [*LOOKS, *TRIES, *MISTAKES], ids=range(len(LOOKS + TRIES + MISTAKES)))
def test_no_command_writes_a_character_that_steers(kept: Kept, words: tuple[str, ...]) -> None:
    done = run(kept, *words)
    for stream in (done.stdout, done.stderr):
        assert steering(stream.decode()) == ""
    assert done.stdout or done.stderr
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("form", ["text", "json"])
def test_show_writes_no_character_that_steers_whatever_is_shown(kept: Kept, form: str) -> None:
    for one in kept.ids:
        done = run(kept, "show", one, "--format", form)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        assert steering(done.stdout.decode()) == ""


@pytest.mark.parametrize("words", LISTS, ids=lambda words: words[1])
def test_json_says_exactly_what_is_kept(kept: Kept, words: tuple[str, ...]) -> None:
    written = run(kept, *words, "--format", "json").stdout.decode()
    assert steering(written) == ""
    assert json.loads(written) == listed(kept.folder, words[1])


@pytest.mark.parametrize("words", [*LOOKS, TRIES[2], TRIES[4]], ids=lambda words: words[-1])
def test_on_a_terminal_a_command_writes_colours_and_nothing_else_that_steers(
    kept: Kept, words: tuple[str, ...]
) -> None:
    written = run_on_a_terminal(kept, *words)
    assert SGR.search(written)
    assert steering(SGR.sub("", written)) == ""


def test_markup_and_emoji_codes_in_a_cell_stand_there_literally(kept: Kept) -> None:
    literal = "[red]:smile:[link=http://x]"
    for words in LISTS:
        assert literal in run(kept, *words).stdout.decode().replace("\n", "")
    shown = [run(kept, "show", one).stdout.decode() for one in kept.ids if one.startswith("wh_")]
    assert any(literal in one.replace("\n", "") for one in shown)  # the web processes decide which comes first


def test_a_table_is_as_wide_as_its_escapes(kept: Kept) -> None:
    lines = [line for line in run(kept, "list", "events").stdout.decode().splitlines() if "purchase" in line]
    assert lines
    assert {len(line) <= 240 for line in lines} == {True}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", [*LISTS, ("status",), ("check",), TRIES[2]], ids=lambda words: words[-1])
def test_an_encoding_without_a_character_is_no_error(kept: Kept, words: tuple[str, ...], encoding: str) -> None:
    done = run(kept, *words, PYTHONIOENCODING=encoding)
    assert b"Error" not in done.stderr
    assert steering(done.stdout.decode(encoding)) == ""


def test_the_log_is_ascii_and_holds_no_line_that_somebody_forged(kept: Kept) -> None:
    written = kept.log.read_bytes()
    assert written.isascii()
    assert steering(written.decode()) == ""
    assert b"webhook.kept" in written
    stamped = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warning|error) [a-z]+\.[a-z_]+[ \n]")
    assert [line for line in written.splitlines(keepends=True) if not stamped.match(line)] == []


def test_commands_print_by_nothing_but_what_makes_text_visible() -> None:
    folder = Path(__file__).parents[2] / "bridge" / "cli"
    for path in folder.glob("*.py"):
        text = path.read_text()
        if path.name not in {"terminal.py", "streams.py"}:
            assert not re.search(r"(?<![.\w])print\(", text), f"{path.name}: print text by terminal.say"
        if path.name != "safe_console.py":
            assert not re.search(r"(?<![.\w])Console\(", text), f"{path.name}: print tables on look.console()"
