"""`trackbridge completion`: the scripts are taken by their shells, and complete what there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from peers import typed

from bridge.cli import COMMANDS


def script(tmp_path: Path, shell: str) -> Path:
    done = typed(tmp_path, {}, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    path = tmp_path / f"script.{shell}"
    path.write_text(done.stdout)
    return path


def needs(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_its_script_which_names_every_command(tmp_path: Path, shell: str) -> None:
    path = script(tmp_path, shell)
    subprocess.run([needs(shell), "-n", str(path)], check=True)
    assert [name for name in COMMANDS if name not in path.read_text()] == []


def bash_offers(tmp_path: Path, *words: str) -> set[str]:
    line = " ".join(f"'{word}'" for word in words)
    program = f"""
    shopt -s progcomp; source {script(tmp_path, "bash")}
    COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
    name=$(complete -p trackbridge | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $name; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([needs("bash"), "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    return {line.strip() for line in done.stdout.splitlines()}


def test_bash_completes_commands_options_and_words_of_a_list(tmp_path: Path) -> None:
    assert bash_offers(tmp_path, "trackbridge", "re") == {"retry", "replay", "release", "restore", "resume"}
    assert bash_offers(tmp_path, "trackbridge", "serve", "--ro") == {"--role"}
    assert bash_offers(tmp_path, "trackbridge", "serve", "--role", "w") == {"web", "worker"}


def test_fish_completes_commands_and_options(tmp_path: Path) -> None:
    fish = needs("fish")
    path = script(tmp_path, "fish")
    asked = [f"source {path}; complete -C 'trackbridge {words}'" for words in ("resto", "serve --ro")]
    said = [
        subprocess.run([fish, "--no-config", "-c", one], capture_output=True, text=True, check=True).stdout
        for one in asked
    ]
    assert [text.split("\t")[0].strip() for text in said] == ["restore", "--role"]
