"""A store on a network's file system is refused; what Linux says of mounts is read as it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import StoreUnavailable
from bridge.store.engines import reserve_store
from bridge.store.sqlite.db import network_disk
from bridge.store.sqlite.db.network_disk import file_system_of

MOUNTS = r"""
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw,nosuid - proc proc rw
24 22 0:40 / /srv/shop rw,relatime shared:7 master:2 propagate_from:1 - nfs4 nas:/shop rw,vers=4.2
25 24 8:17 / /srv/shop/local rw - xfs /dev/sdb1 rw
26 22 0:41 / /mnt/with\040blank\134and\011tab rw - cifs //nas/share\040x rw
27 22 0:42 / /mnt/twice rw - ext4 /dev/sdc1 rw
28 22 0:43 / /mnt/twice rw - fuse.sshfs me@there:/ rw
29 22 0:44 / /mnt/host rw - virtiofs host rw
30 22 0:45 / /mnt/layers rw - overlay overlay rw,lowerdir=/a - b
cut off
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/srv", "ext4"),
        ("/srv/shop", "nfs4"),
        ("/srv/shop/a/b", "nfs4"),
        ("/srv/shopping", "ext4"),
        ("/srv/shop/local", "xfs"),
        ("/srv/shop/local/deep", "xfs"),
        ("/mnt/with blank\\and\ttab/x", "cifs"),
        ("/mnt/twice", "fuse.sshfs"),
        ("/mnt/host/x", "virtiofs"),
        ("/mnt/layers", "overlay"),
    ],
)
def test_a_folder_lies_on_the_mount_with_the_longest_part_of_its_path(folder: str, kind: str) -> None:
    assert file_system_of(Path(folder), MOUNTS) == kind


def test_text_without_a_mount_says_nothing() -> None:
    assert file_system_of(Path("/srv"), "") is None


def mounted_at(folder: Path, kind: str, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a file system of that kind were mounted at the folder."""
    escaped = str(folder).replace(" ", "\\040")
    mounts = into / "mountinfo"
    mounts.write_text(
        f"22 1 0:21 / / rw - ext4 /dev/sda1 rw\n23 22 0:40 / {escaped} rw shared:1 - {kind} server:/x rw\n"
    )
    monkeypatch.setattr(network_disk, "MOUNTS", mounts)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "glusterfs", "lustre"])
def test_serve_refuses_a_store_on_a_networks_file_system_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "the shop's"
    folder.mkdir()
    mounted_at(folder, kind, tmp_path, monkeypatch)
    (tmp_path / "link").symlink_to(folder)
    for path in (folder / "x.db", tmp_path / "link" / "x.db"):
        with pytest.raises(StoreUnavailable) as refused:
            reserve_store(f"sqlite:///{path}", ["web", "worker"])
        assert f"lies on a network's file system ({kind}, in {folder})" in str(refused.value)
        assert "name a file on a disk of this machine in BRIDGE_STORE" in str(refused.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["overlay", "virtiofs", "ext4", "btrfs", "zfs", "tmpfs", "fuseblk"])
def test_a_containers_and_a_machines_own_file_systems_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounted_at(tmp_path, kind, tmp_path, monkeypatch)
    network_disk.require_local_disk(str(tmp_path / "x.db"))


def test_nothing_is_refused_where_the_system_says_nothing_of_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_disk, "MOUNTS", tmp_path / "none")
    network_disk.require_local_disk(str(tmp_path / "x.db"))
