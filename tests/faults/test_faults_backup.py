"""Backups of a bridge under load: nothing that was acknowledged before is missing, nothing is doubled."""

from __future__ import annotations

from pathlib import Path

from backups import backups


def test_a_backup_under_load_restores_everything_that_was_acknowledged_before_it_began(tmp_path: Path) -> None:
    figures = backups(tmp_path, rounds=5, seed=1)
    assert figures["acknowledged"] > 200
    assert figures["log_files"] > 0
    assert figures["restored"] >= figures["acknowledged"]
