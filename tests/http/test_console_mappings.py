"""The console's pages of mappings: each file with its problems as `check` has them, and what became of its webhooks."""

from __future__ import annotations

import asyncio
import gc
import html
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from console_app import AUDITOR, Console, with_console
from made_up_mapping import CLUB, club_webhook, keep_translated

from bridge.http.console.mapping_process import MappingProcess, TrialFailed, TrialLimits
from bridge.http.console.mapping_trial import CheckedMapping, CheckQuestion
from bridge.mapping import parse_mapping


def words_of(text: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def folder_with(tmp_path: Path, text: str) -> dict[str, str]:
    """The settings of a bridge whose operator has one mapping of this text."""
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "club.yaml").write_text(text)
    return {"BRIDGE_MAPPINGS": str(maps), "CLUB_WEBHOOK_SECRET": "an-invented-signing-secret-of-some-length"}


def test_each_mapping_has_its_state_sources_digest_and_coverage(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        source = parse_mapping(CLUB, name="club.yaml").bind_source("club", secrets=(), vars={})
        await keep_translated(
            console.store, source, [club_webhook(1), club_webhook(2), club_webhook(3, total="a lot"), club_webhook(4)]
        )
        await console.log_in(AUDITOR)
        club, shopify, stripe = (await console.client.get("/ui/mappings.json")).json()
        assert (club["name"], club["own"], club["use"], club["sources"]) == ("club", True, "in use", ["club"])
        assert club["webhooks"] == {"translated": 3, "set_aside": 1}
        assert source.mapping_text is not None
        assert club["sha256"] == source.mapping_text.digest.hex()
        assert (shopify["own"], shopify["problems"], stripe["examples"] > 100) == (False, [], True)
        words = words_of((await console.client.get("/ui/mappings")).text)
        assert "club.yaml yours, " in words
        assert "75.0%" in words
        assert "1 set aside" in words_of((await console.client.get("/ui/mappings/club")).text)
        assert (await console.client.get("/ui/mappings/club.yaml")).text == CLUB
        for path in ("nothing", "nothing.yaml", "..%2Fclub", "%2e%2e"):
            assert (await console.client.get(f"/ui/mappings/{path}")).status_code == 404

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def checked_by_command(file: Path) -> Any:
    """The problems that the command prints, each named by its file alone."""
    command = [sys.executable, "-m", "bridge", "check", "--format", "json", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    return [one | {"path": Path(one["path"]).name} for one in json.loads(checked.stdout)]


def test_problems_are_those_of_check_at_their_lines_and_what_runs_is_told_apart(tmp_path: Path) -> None:
    settings = folder_with(tmp_path, CLUB)
    file = Path(settings["BRIDGE_MAPPINGS"], "club.yaml")
    rewrite = file.write_text

    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        rewrite(CLUB.replace("=person.email", "=lowr(person.email)"))
        club = (await console.client.get("/ui/mappings.json")).json()[0]
        told = checked_by_command(file)
        assert told[0]["line"] == 23
        assert told == club["problems"]
        assert club["use"] == "the text from before its errors is in use"
        page = (await console.client.get("/ui/mappings/club")).text
        marked = re.search(r'<div class="l err" id="L23">.*?</div></div>', page)
        assert marked is not None
        assert "unknown function 'lowr'; did you mean 'lower'?" in words_of(marked[0])
        rewrite(CLUB + "# another line\n")
        assert "changed since it was loaded" in words_of((await console.client.get("/ui/mappings")).text)
        assert (await console.client.get("/ui/mappings.json")).json()[0]["problems"] == []

    with_console(tmp_path, story, settings=settings)


@pytest.mark.parametrize("named", ["provider: club", '"provider": "club"'])
def test_an_example_that_comes_changes_or_goes_is_seen_at_the_next_look(tmp_path: Path, named: str) -> None:
    settings = folder_with(tmp_path, CLUB.replace("provider: club", named))
    beside = Path(settings["BRIDGE_MAPPINGS"], "examples", "club")
    Path(settings["BRIDGE_MAPPINGS"], "club.yaml").rename(Path(settings["BRIDGE_MAPPINGS"], "other.yaml"))

    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)

        async def look() -> tuple[int, bool]:
            (one,) = [one for one in (await console.client.get("/ui/mappings.json")).json() if one["name"] == "other"]
            return one["examples"], any(each["severity"] == "error" for each in one["problems"])

        assert await look() == (0, False)
        beside.mkdir(parents=True)  # noqa: ASYNC240  a folder of the test
        assert await look() == (0, False)
        example = beside / "seen.yaml"
        for reason, wrong in (("a rule for this topic", True), ("no rule for this topic", False)):
            example.write_text(f"given: {{body: {{type: order.seen}}}}\nexpect: {{ignored: {reason}}}\n")
            assert await look() == (1, wrong)
            assert await look() == (1, wrong)
        example.unlink()
        assert await look() == (0, False)

    with_console(tmp_path, story, settings=settings)


# ------------------------------------------------------------------------------------------------------- the child


def ask_child(tmp_path: Path, text: str, limits: TrialLimits | None = None) -> tuple[MappingProcess, CheckedMapping]:
    """What a child of these limits says of a mapping."""
    file = tmp_path / "club.yaml"
    file.write_text(text)
    process = MappingProcess(limits or TrialLimits())
    return process, asyncio.run(process.ask(CheckQuestion(file), CheckedMapping))


def test_the_child_gets_no_secret_and_runs_after_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUB_WEBHOOK_SECRET", "an-invented-signing-secret-of-some-length")
    held = (tmp_path / "a.db").open("w")
    os.set_inheritable(held.fileno(), True)  # noqa: FBT003  its own name
    process, checked = ask_child(tmp_path, CLUB)
    assert checked.problems == ()
    proc = Path(f"/proc/{process.process_id}")
    assert b"SECRET" not in proc.joinpath("environ").read_bytes()
    opened = [str(one.readlink()) for one in proc.joinpath("fd").iterdir()]
    assert not [one for one in opened if one.startswith("/") and one != "/dev/null"], "no file is open in it"
    assert proc.joinpath("stat").read_text().rpartition(")")[2].split()[16] == "19", "its priority is the lowest"
    held.close()
    del process
    assert not proc.exists(), "nothing of it stays behind"


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (TrialLimits(seconds=0.05), "more than 0.05 seconds of a core"),
        (TrialLimits(mebibytes=34), "more than 34 MiB of memory"),
        (TrialLimits(patience=0.001), "no answer within 0.001 seconds"),
    ],
    ids=["time", "memory", "patience"],
)
def test_a_mapping_that_takes_too_much_is_ended_and_the_next_is_answered(
    tmp_path: Path, limits: TrialLimits, why: str
) -> None:
    lets = "".join(f"  name_{at}: =body.a{at} || join('', [body.b{at}, 'c'])\n" for at in range(300))
    large = CLUB.replace("let:\n", f"let:\n{lets}")
    process = MappingProcess(limits)
    (tmp_path / "club.yaml").write_text(large)
    for _ in range(2):
        with pytest.raises(TrialFailed, match=re.escape(why)):
            asyncio.run(process.ask(CheckQuestion(tmp_path / "club.yaml"), CheckedMapping))


class KilledAtOnce(MappingProcess):
    """Its child is killed when it was found to run, before it is asked."""

    def _running_child(self) -> subprocess.Popen[bytes]:
        child = super()._running_child()
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        return child


def test_a_child_that_ends_before_it_has_the_question_leaves_no_pipe_open(tmp_path: Path) -> None:
    told: list[object] = []
    process = KilledAtOnce()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", told.append)
        with pytest.raises(TrialFailed, match="so it was ended"):
            asyncio.run(process.ask(CheckQuestion(tmp_path / "club.yaml"), CheckedMapping))
        del process
        gc.collect()
    assert told == []
