"""No command ends in a traceback, whatever it finds: every command of the parser, in every odd place."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from types import MappingProxyType

import pytest
from peers import clean_environment, command, until
from peers import typed as said
from processes import process_tree
from store_made import accepted, dead, ignored, set_aside, settled, webhook

from bridge import cli, mapping
from bridge.store.sqlite.store import SqliteStore

SETTINGS = {
    "BRIDGE_API_KEYS": "a-made-up-key",
    "STRIPE_WEBHOOK_SECRET": "whsec_bWFkZS11cA==",
    "BRIDGE_TRACK_URL": "http://127.0.0.1:9",
    "BRIDGE_TRACK_KEY": "another-made-up-key",
}
STATUSES = {0, 1, 2}
"""As asked, could not be done, typed wrong. 70, a fault of ours, is none of them."""
GIVEN = {
    "file": "body.json", "files": "body.json", "source": "stripe", "provider": "stripe", "old": "stripe", "new": "stripe",
    "paths": "mappings", "id": "wh_1", "ids": "wh_1", "destination": "track", "to": "http://127.0.0.1:9",
}  # fmt: skip
"""What is typed for an argument of that name; whatever else a command wants gets a word that means nothing."""
ENDING = {"demo": ["--once"], "serve": ["--port", "0", "--web", "1"]}
LASTING = {"serve", "demo"}
"""Those that start processes of their own."""


def commands() -> dict[str, list[str]]:
    """A line for each command and verb of the parser, each choice once."""
    return {" ".join(words): words for words in _lines(cli.make_parser(cli.COMMANDS), [])}


def _lines(parser: argparse.ArgumentParser, before: list[str]) -> Iterator[list[str]]:
    actions = vars(parser)["_actions"]
    nested = [action.choices for action in actions if action.nargs == argparse.PARSER]
    for choices in nested:
        for name, one in choices.items():
            yield from _lines(one, [*before, name, *ENDING.get(name, ())])
    if not nested:
        lines = [before]
        for action in actions:
            if not action.option_strings:
                lines = [[*line, str(word)] for line in lines for word in action.choices or [_word(action)]]
            elif action.required:
                lines = [[*line, action.option_strings[0], _word(action)] for line in lines]
        yield from lines


def _word(action: argparse.Action) -> str:
    return GIVEN.get(action.dest, "x")


COMMANDS = commands()
STORELESS = {"check", "schema", "try", "send"}
"""Those that open no store."""
LOOKING = {line: words for line, words in COMMANDS.items() if words[0] not in LASTING}

STORED = {line: words for line, words in LOOKING.items() if words[0] not in STORELESS}


def typed(folder: Path, settings: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """Status, output and errors of a command."""
    try:
        done = said(folder, SETTINGS | dict(settings), *words)
    except SystemExit as left:
        return int(left.code or 0), "", ""
    return done.returncode, done.stdout, done.stderr


def fill(folder: Path) -> None:
    """A store with something of each kind, and what commands read beside it."""

    async def filled() -> None:
        store = SqliteStore(str(folder / "trackbridge.db"))
        await set_aside(store, "a", "b")
        await ignored(store, "c")
        await dead(store, "evt_1")
        await accepted(store, *(f"evt_x{number}" for number in range(40)))
        await settled(store, "d")
        await store.keep([webhook("e"), webhook("f")])
        await store.close()

    asyncio.run(filled())
    furnish(folder)


def furnish(folder: Path) -> None:
    (folder / "body.json").write_text(json.dumps({"id": "evt_1", "type": "x"}))
    (folder / "mappings").mkdir()


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Hundreds of commands read the same mapping files: each content is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "read_mapping", lru_cache(maxsize=16)(mapping.read_mapping))
        yield


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pattern")
    fill(folder)
    return folder


@pytest.fixture
def folder(pattern: Path, tmp_path: Path) -> Path:
    """A filled one of one's own."""
    mine = tmp_path / "mine"
    shutil.copytree(pattern, mine)
    return mine


def test_every_command_is_among_them_and_does_what_it_is_asked_to_where_all_is_well(folder: Path) -> None:
    assert {words[0] for words in COMMANDS.values()} >= {"serve", "demo", "send", "list", "show", "status", "replay"}
    for words in LOOKING.values():
        status, _, errors = typed(folder, {}, *words)
        assert (status in STATUSES, "Traceback" in errors) == (True, False), (words, status, errors)


# ---------------------------------------------------------------------------------------------------- odd stores


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_text(path: Path) -> None:
    path.write_text("not a store, but somebody's notes\n" * 100)


def an_empty_file(path: Path) -> None:
    path.write_bytes(b"")


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def unreadable(path: Path) -> None:
    path.chmod(0)


def in_a_folder_that_is_read_only(path: Path) -> None:
    path.parent.chmod(0o500)


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def without_its_inbox(path: Path) -> None:
    shutil.rmtree(f"{path}-inbox")


def with_a_file_for_an_inbox(path: Path) -> None:
    without_its_inbox(path)
    Path(f"{path}-inbox").write_text("in the way")


ODD: Sequence[Callable[[Path], None]] = (
    a_folder,
    a_text,
    an_empty_file,
    a_link_to_itself,
    unreadable,
    in_a_folder_that_is_read_only,
    cut_off,
    without_its_inbox,
    with_a_file_for_an_inbox,
)


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_an_odd_store_is_told_in_a_sentence(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "trackbridge.db")
    try:
        for words in STORED.values():
            status, _, errors = typed(folder, {}, *words)
            assert (status in STATUSES, "Traceback" in errors) == (True, False), (words, status, errors)
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_store_is_told_in_a_sentence(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = folder / "trackbridge.db"
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        at = chance.randrange(4096, len(content) - 16)
        content[at : at + 16] = chance.randbytes(16)
    for words in STORED.values():
        path.write_bytes(content)
        status, _, errors = typed(folder, {}, *words)
        assert (status in STATUSES, "Traceback" in errors) == (True, False), (words, status, errors)


# -------------------------------------------------------------------------------------------- odd settings and words


@pytest.mark.parametrize(
    "settings",
    [
        {"BRIDGE_CONFIG": "mappings"},
        {"BRIDGE_CONFIG": "nothing.yaml"},
        {"BRIDGE_CONFIG": "body.json"},
        {"BRIDGE_MAPPINGS": "body.json"},
        {"BRIDGE_STORE": "sqlite:///mappings"},
        {"BRIDGE_STORE": "sqlite:////dev/null"},
        {"BRIDGE_STORE": "sqlite:////dev/full"},
        {"BRIDGE_STORE": "postgres://x"},
        {"BRIDGE_STORE": "sqlite:///\udcff.db"},
        {"BRIDGE_TRACK_URL": "http://\udcff"},
    ],
    ids=str,
)
def test_odd_settings_are_told_in_a_sentence(folder: Path, settings: dict[str, str]) -> None:
    for words in LOOKING.values():
        status, _, errors = typed(folder, settings, *words)
        assert (status in STATUSES, "Traceback" in errors) == (True, False), (words, status, errors)


@pytest.mark.parametrize("word", ["\udcff", "", "ä" * 5000, "../..", "mappings", "/dev/null", "-"], ids=ascii)
def test_an_odd_word_in_any_place_is_told_in_a_sentence(folder: Path, word: str) -> None:
    for words in LOOKING.values():
        for place in range(1, len(words)):
            odd = [*words[:place], word, *words[place + 1 :]]
            status, _, errors = typed(folder, {}, *odd)
            assert (status in STATUSES, "Traceback" in errors) == (True, False), (odd, status, errors)


def test_a_fault_of_ours_is_one_line_and_its_traceback_only_where_it_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_argv: object) -> int:
        raise TypeError("somebody@example.com")

    monkeypatch.setattr(cli, "_run_command", faulty)
    assert typed(folder, {}, "status") == (
        70,
        "",
        "trackbridge: a fault of trackbridge itself (TypeError); report it\n",
    )
    assert "TypeError: somebody@example.com" in typed(folder, {"BRIDGE_DEBUG": "1"}, "status")[2]


# ------------------------------------------------------------------------------------------------------- odd streams

STREAMS = {
    "a full output": ">/dev/full",
    "a closed output": ">&-",
    "closed errors": "2>&-",
    "full errors": "2>/dev/full",
    "a closed input": "<&-",
    "all closed": "<&- >&- 2>&-",
    "a reader that goes": "| true",
    "another locale": "",
}


SHORT = ("a full output", "a closed output", "a closed input")
"""Each command is run with one of these, in turns: the streams are looked after in one place for all."""
FEW = {"serve", "status", "list"}
"""The commands that are run with every stream."""
TURNS = tuple(zip(COMMANDS, cycle(SHORT)))
EVERY = tuple((line, stream) for line, words in COMMANDS.items() if words[0] in FEW for stream in STREAMS)


@pytest.mark.parametrize(("line", "stream"), sorted({*TURNS, *EVERY}))
def test_odd_streams_make_no_traceback(folder: Path, line: str, stream: str) -> None:
    odd = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"} if stream == "another locale" else {}
    program = ["bash", "-o", "pipefail", "-c", f'"$@" {STREAMS[stream]}', "bash", *command(*COMMANDS[line])]
    process = started(folder, program, odd)
    status = ended(process, line)
    said = (folder / "errors").read_text()
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert status in STATUSES, said


def started(
    folder: Path, program: Sequence[str], settings: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[bytes]:
    with (folder / "errors").open("wb") as errors:
        return subprocess.Popen(
            program,
            cwd=folder,
            env=clean_environment({**SETTINGS, **settings}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def ended(process: subprocess.Popen[bytes], line: str) -> int:
    """Its status; `serve` is told to end once it has children."""
    if line.startswith("serve"):
        served = until(lambda: _parents(process.pid) or process.poll() is not None, what="children, or an end")
        for pid in served if isinstance(served, list) else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    return process.wait(60)


def _parents(pid: int) -> list[int]:
    """Those of a process and its children that have children which Python runs in."""
    return [
        one
        for one in process_tree(pid)
        if len(process_tree(one)) >= 4 and _line(one).startswith(b"trackbridge: supervisor")
    ]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("line", ["status --watch", "check --watch", "demo", "serve --port 0"])
def test_ctrl_c_ends_a_command_without_a_word(folder: Path, line: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it, and hands that on
    process = started(folder, command(*line.split()))
    ready = f"/proc/{process.pid}/maps"
    until(lambda: "_sqlite3" in Path(ready).read_text() or "_yaml" in Path(ready).read_text(), what="its work")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in {0, 130, -signal.SIGINT}  # the last where Python itself was already ending
    assert "Traceback" not in (folder / "errors").read_text()


def test_serve_starts_a_process_again_although_its_log_cannot_be_written(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            command("serve", "--port", "0", "--web", "1"),
            cwd=folder,
            env=clean_environment(SETTINGS),
            stdout=subprocess.PIPE,
            stderr=full,
        )
    assert process.stdout
    try:
        until(lambda: b"track API" in process.stdout.readline(), what="the greeting")  # type: ignore[union-attr]
        before = process_tree(process.pid)[1:]
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(process_tree(process.pid)[1:]) - set(before)) == 1, what="another process")
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert process.returncode == 0
