"""Two PostgreSQL servers of which one follows the other, and pgbouncer in front: started, killed, and changed over.

Each commit waits until the follower has it, unless the pair is asynchronous. Not concerned with nodes.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from peers import until
from postgres_server import USER, find_tree, own_options, readable_tree, run_program, server_user, wait_until_ready
from processes import process_tree

OPTIONS = {
    "shared_buffers": "16MB", "max_connections": "120", "autovacuum": "off", "jit": "off", "max_worker_processes": "0",
    "wal_retrieve_retry_interval": "100ms", "wal_keep_size": "64MB", "wal_sender_timeout": "0",
    "hot_standby_feedback": "off", "full_page_writes": "on", "fsync": "on",
    "cluster_name": "follower",
}  # fmt: skip
NAME = OPTIONS["cluster_name"]
"""By which a standby is known to its primary: `*` would count pg_basebackup as one, whose copy may come to nothing."""
NETWORKS = ("127.0.0.1/32", "10.231.0.0/16")
BOUNCER = """
[databases]
* = host=127.0.0.1 port={server} user=bridge
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
server_login_retry = 1
"""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Server:
    """One PostgreSQL server on a port of its own, at all addresses of this machine."""

    tree: Path
    folder: Path
    synchronous: bool
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://bridge@127.0.0.1:{self.port}/postgres"

    @property
    def data(self) -> Path:
        return self.folder / f"data-{self.port}"

    def make(self) -> None:
        """A new one, with nothing in it."""
        run_program(
            self.tree, "initdb", "-D", str(self.data), "-U", "bridge", "-A", "trust", "-E", "UTF8", "--locale=C",
            "--no-sync",
        )  # fmt: skip
        lines = [f"host {what} all {net} trust\n" for net in NETWORKS for what in ("all", "replication")]
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.writelines(lines)

    def start(self, *, alone: bool = False) -> None:
        """Start; `alone`: its commits wait for nobody."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        log = self.folder / f"log-{self.port}"
        options = OPTIONS | ({"synchronous_standby_names": f"ANY 1 ({NAME})"} if self.synchronous and not alone else {})
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [self.tree / "bin" / "postgres", "-D", str(self.data), "-k", str(self.folder), "-p", str(self.port),
                 "-c", "listen_addresses=*", *words, *own_options(self.tree)],
                user=server_user(), stdout=out, stderr=out, cwd="/", start_new_session=True,
            )  # fmt: skip
        wait_until_ready(self.process, self.data, log)

    def stop_at_once(self) -> None:
        """As `pg_ctl -m immediate stop`: nothing is written any more."""
        assert self.process
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def kill(self) -> None:
        """All its processes, as if its machine had lost its power."""
        if self.process is None:
            return
        for pid in process_tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def follow(self, primary: Server) -> None:
        """Become a copy of another one, and go on copying what it commits."""
        shutil.rmtree(self.data, ignore_errors=True)
        run_program(self.tree, "pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync",
                    "-d", f"host=127.0.0.1 port={primary.port} user=bridge")  # fmt: skip
        self.start()

    def receivers(self) -> list[int]:
        """The processes that copy from the primary."""
        assert self.process
        found = []
        for pid in process_tree(self.process.pid):
            with suppress(OSError):
                if b"walreceiver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, each on a connection of its own."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as db:
            found = db.execute(query.encode())
            return found.fetchall() if found.description else []


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Server
    standby: Server
    bouncer: Bouncer | None = None

    def restart(self) -> None:
        """The primary ends at once and comes back."""
        self.primary.stop_at_once()
        self.primary.start()

    def fail_over(self, *, lag: float) -> None:
        """The primary is lost, a while after its standby has heard from it for the last time; the standby follows it.

        A new standby is made when that is done.
        """
        behind = self.standby.receivers()
        for pid in behind:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(lag)
        self.primary.kill()
        for pid in behind:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # what had reached its socket is lost with it
        until(self._is_promoted, what="the promotion of the standby", pause=0.1)
        self.primary, self.standby = self.standby, self.primary
        if self.bouncer is not None:
            self.bouncer.lead_to(self.primary)

    def _is_promoted(self) -> bool:
        with suppress(psycopg.Error):  # a crashed receiver makes the whole server start anew
            if self.standby.ask("SELECT pg_is_in_recovery()") == [(False,)]:
                return True
            self.standby.ask("SELECT pg_promote(false)")
        return False

    def repair(self) -> None:
        """The server that was lost comes back as the standby."""
        self.standby.follow(self.primary)

    def wait_for_standby(self) -> None:
        """Until the standby has all that the primary has, so that each commit is on both."""
        behind = f"SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '{NAME}'"
        until(lambda: self.primary.ask(behind)[0][0], what="the standby")


@dataclass
class Bouncer:
    """Pgbouncer in transaction mode, of the version that is installed."""

    folder: Path
    server: Server
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://bridge@127.0.0.1:{self.port}/postgres"

    @property
    def _file(self) -> Path:
        return self.folder / "pgbouncer.ini"

    def start(self) -> None:
        self._file.write_text(BOUNCER.format(server=self.server.port, port=self.port))
        self._file.chmod(0o644)
        with (self.folder / "pgbouncer.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["pgbouncer", "-q", str(self._file)], user=server_user(), stdout=log, stderr=log, cwd="/",
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}, start_new_session=True,
            )  # fmt: skip
        until(self._listens, what="pgbouncer")

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def lead_to(self, server: Server) -> None:
        """From now on its clients reach another server."""
        self.server = server
        self.kill()
        self.start()

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(30)


@contextmanager
def running_pair(*, synchronous: bool = True, pooled: bool = True) -> Iterator[Pair]:
    """Both, and pgbouncer where it is installed; all of it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="trackbridge-nodes-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        tree = find_tree()
        if os.geteuid() == 0:
            tree = readable_tree(tree, folder)
            shutil.chown(folder, USER)
        pair = Pair(Server(tree, folder, synchronous), Server(tree, folder, synchronous))
        servers: Sequence[Server] = (pair.primary, pair.standby)
        try:
            pair.primary.make()
            pair.primary.start()
            pair.repair()
            pair.wait_for_standby()
            if pooled and shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin"):
                pair.bouncer = Bouncer(folder, pair.primary)
                pair.bouncer.start()
            yield pair
        finally:
            if pair.bouncer is not None:
                pair.bouncer.kill()
            for server in servers:
                server.kill()
