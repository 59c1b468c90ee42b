"""The file `.env` beside the settings file in use: what is taken from it, and what is refused."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import serving, trackbridge, typed, until
from processes import process_tree

from bridge.core.errors import SettingsError
from bridge.settings import load_settings
from bridge.settings.env_file import Environment, read_env_file

SECRET = "a made-up signing secret"


def written(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    (folder / "bridge.yaml").touch()
    path = folder / ".env"
    path.write_text(text)
    path.chmod(mode)
    return folder / "bridge.yaml"


def environment(folder: Path, text: str, own: Mapping[str, str] | None = None) -> Environment:
    return Environment(own or {}, written(folder, text))


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment(folder, text), providers={"stripe": ("purchase",)})
    return str(caught.value).replace(f"{folder}/", "")


def test_values_are_plain_or_in_quotes_and_comments_and_blank_lines_are_left_out(tmp_path: Path) -> None:
    text = "# a comment\n\nA=1\nexport B = two words \nC='it is $5 # or so'\nD=\"x y\"\nE=\nF=a=b#c\n"
    found = environment(tmp_path, text)
    assert dict(found) == {
        "A": "1", "B": "two words", "C": "it is $5 # or so", "D": "x y", "E": "", "F": "a=b#c",
    }  # fmt: skip


@given(st.text(st.characters(exclude_characters="'", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40))
def test_any_value_in_single_quotes_is_taken_as_it_is(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_text(f"NAME='{value}'\n")
    path.chmod(0o600)
    found = read_env_file(path)
    assert found is not None
    assert found["NAME"][0] == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.env"
    path.write_bytes(content)
    path.chmod(0o600)
    with suppress(SettingsError):
        read_env_file(path)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    found = environment(tmp_path, "BRIDGE_PORT=1\nBRIDGE_HOST=::1\n", {"BRIDGE_PORT": "2"})
    assert (found["BRIDGE_PORT"], found["BRIDGE_HOST"]) == ("2", "::1")


def test_the_file_of_the_working_folder_is_read_only_beside_a_settings_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BRIDGE_PORT=no port\n")
    (tmp_path / ".env").chmod(0o600)
    assert typed(tmp_path, {}, "check").returncode == 0
    (tmp_path / "bridge.yaml").touch()
    done = typed(tmp_path, {}, "check")
    assert (done.returncode, "BRIDGE_PORT must be a port" in done.stderr + done.stdout) == (1, True)


def test_the_settings_file_that_is_named_decides_which_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    written(tmp_path / "here", "BRIDGE_API_RATE=1\n")
    config = written(tmp_path / "there", "BRIDGE_API_RATE=2\n")
    assert Environment({"BRIDGE_CONFIG": str(config)})["BRIDGE_API_RATE"] == "2"
    assert Environment({"BRIDGE_CONFIG": "/nowhere"}, config)["BRIDGE_API_RATE"] == "2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BRIDGE_PORT 1\n", ".env:1:1: is no NAME=VALUE; a comment begins with #"),
        ("A=1\n1B=2\n", ".env:2:1: is no NAME=VALUE"),
        ("A='1\n", ".env:1:1: the value of A must end with its quote"),
        ('A="$HOME"\n', ".env:1:1: the value of A must end with its quote; put one with quotes, $ or \\ in single"),
        ("A=1 # one\n", ".env:1:1: the value of A holds a #; put it in single quotes"),
        ("A=1\nB=2\nA=3\n", ".env:3:1: A is set twice, here and in line 1; keep one"),
        ("\nBRIDGE_CONFIG=other.yaml\n", ".env:2:1: BRIDGE_CONFIG cannot be set in this file"),
        ("#\nSTRIPE_WEBHOOK_SECRET=REPLACE_ME_whsec\n", ".env:2: STRIPE_WEBHOOK_SECRET still holds REPLACE_ME; put"),
        ("BRIDGE_PROT=1\n", "BRIDGE_PROT is no setting; did you mean BRIDGE_PORT?"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line_and_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, text).startswith(said)


def test_a_placeholder_of_the_process_environment_is_refused_too() -> None:
    with pytest.raises(SettingsError, match=r"^BRIDGE_TRACK_KEY still holds REPLACE_ME"):
        load_settings({"BRIDGE_TRACK_URL": "https://up.example", "BRIDGE_TRACK_KEY": "REPLACE_ME"}, providers={})


def test_no_message_repeats_what_a_line_holds(tmp_path: Path) -> None:
    assert SECRET not in complaint(tmp_path, f"STRIPE WEBHOOK SECRET={SECRET}\n")
    assert SECRET not in complaint(tmp_path, f"STRIPE_WEBHOOK_SECRET='{SECRET}\n")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match=r"other users may write .*; `chmod 600"):
        Environment({}, written(tmp_path, "A=1\n", mode=mode))


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o640, 1), (0o600, 0), (0o400, 0)])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int, count: int) -> None:
    found = load_settings(Environment({}, written(tmp_path, "A=1\n", mode=mode)), providers={})
    assert len(found.warnings) == count
    assert all("`chmod 600 " in warning for warning in found.warnings)


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    config = written(tmp_path, "A=1\n")
    try:
        os.chown(tmp_path / ".env", 12345, -1)
    except PermissionError:
        pytest.skip("only root can give a file away")
    with pytest.raises(SettingsError, match=r"belongs to user 12345"):
        Environment({}, config)


def test_a_settings_file_of_others_is_read_only_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "bridge.yaml").touch()
    (tmp_path / "bridge.yaml").chmod(0o646)
    for word in ("check", "status", "serve"):
        done = typed(tmp_path, {}, word)
        assert done.returncode == 1
        assert (
            "can be another user's, so it is not read by itself; if it is meant, set BRIDGE_CONFIG"
            in done.stderr + done.stdout
        )
    assert typed(tmp_path, {"BRIDGE_CONFIG": "bridge.yaml"}, "check").returncode == 0


def test_secrets_vars_and_names_in_braces_are_taken_from_the_file(tmp_path: Path) -> None:
    config = written(tmp_path, f"STRIPE_WEBHOOK_SECRET='{SECRET}'\nSTRIPE_PURCHASE=charge.succeeded\nUP=https://up\n")
    config.write_text("destinations:\n  up: {kind: track, url: '${UP}', api_key: some-key}\n")
    found = load_settings(Environment({}, config), providers={"stripe": ("purchase",)}, config=config)
    [source], [destination] = found.sources, found.destinations
    assert (source.secrets, source.vars) == ((SECRET,), {"purchase": "charge.succeeded"})
    assert destination.options["url"] == "https://up"


def test_serve_uses_the_file_and_no_process_of_it_has_it_in_its_environment(tmp_path: Path) -> None:
    written(tmp_path, f"STRIPE_WEBHOOK_SECRET='{SECRET}'\nHTTPS_PROXY=http://a.invalid\nLD_PRELOAD=/none.so\n")
    with serving(tmp_path, {}) as bridge:
        assert "stripe   " in bridge.greeting
        assert "secret set" in bridge.greeting
        for pid in process_tree(bridge.process.pid):
            held = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"HTTPS_PROXY" not in held
            assert b"LD_PRELOAD" not in held
            assert SECRET.encode() not in held


def test_serve_does_not_start_with_a_placeholder(tmp_path: Path) -> None:
    written(tmp_path, "# a comment\nBRIDGE_TRACK_URL=REPLACE_ME\n")
    done = trackbridge(tmp_path, {}, "serve", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    said = "trackbridge: .env:2: BRIDGE_TRACK_URL still holds REPLACE_ME; put its value there, or delete the line\n"
    assert done.stderr == said


def test_every_command_reads_the_file_and_none_takes_its_settings_from_the_environment_alone() -> None:
    folder = Path(__file__).parents[2] / "bridge" / "cli"
    whole = re.compile(r"os\.environ\b(?!\.get|\[)")  # one name may be asked for, if it is no setting
    assert {path.name for path in folder.glob("*.py") if whole.search(path.read_text())} == {"environment.py"}


def test_a_reload_takes_a_changed_secret_of_the_file(tmp_path: Path) -> None:
    written(tmp_path, f"STRIPE_WEBHOOK_SECRET='{SECRET}'\n")
    (tmp_path / "body.json").write_text('{"id": "evt_1", "object": "event", "type": "x"}')
    with serving(tmp_path, {}) as bridge:
        written(tmp_path, "STRIPE_WEBHOOK_SECRET='another made-up signing secret'\n")
        words = ("send", "stripe", "body.json", "--to", bridge.url)
        assert trackbridge(tmp_path, {}, *words).stdout.startswith("401")
        bridge.process.send_signal(signal.SIGHUP)
        until(lambda: "reload.taken" in bridge.log.read_text(), what="the reload")
        assert trackbridge(tmp_path, {}, *words).stdout.startswith("200")
