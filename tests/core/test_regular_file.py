"""Files that an operator names are read without waiting, and only as far as they may go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.core.regular_file import read_regular_file


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert read_regular_file(tmp_path / "a") == b"x" * 100_000


@pytest.mark.timeout(20)
def test_a_fifo_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="no regular file"):
        read_regular_file(tmp_path / "a")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(tmp_path: Path, device: str) -> None:
    (tmp_path / "a").symlink_to(device)
    with pytest.raises(OSError, match="no regular file"):
        read_regular_file(tmp_path / "a")


def test_a_folder_is_refused_with_that_word(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder"):
        read_regular_file(tmp_path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (2 * 1024 * 1024))
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_regular_file(tmp_path / "a", most=1024 * 1024)
