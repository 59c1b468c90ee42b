"""Mappings that were written before telling once make equal events; `check` says where duplicates follow its rule.

`before_4381f10.tar.gz` is `git archive 4381f10 mappings`: the shipped mappings of that commit with their examples.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main

ARCHIVE = Path(__file__).with_name("before_4381f10.tar.gz")


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    main(["check", "--format", "json", str(folder / "mappings")])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_each_example_of_then_makes_the_event_of_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = [one for one in checked(tmp_path, capsys) if one["severity"] == "error"]
    assert len(list((tmp_path / "mappings").glob("examples/*/*.yaml"))) > 100
    for one in other:
        wanted, came = (
            [line[1:].strip() for line in one["text"].splitlines() if line.startswith(sign) and line[:3] != 3 * sign]
            for sign in "-+"
        )
        assert all(line.startswith('"ignored": ') for line in [*wanted, *came]), "only the words of a reason differ"


def test_check_says_where_duplicates_follow_the_rule_of_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [one for one in checked(tmp_path, capsys) if "within one source `dedupe` alone decides" in one["text"]]
    assert {(Path(one["path"]).name, one["severity"]) for one in said} == {("stripe.yaml", "warning")}
    assert len(said) == 3
