"""`trackbridge migrate` on a store that is a file, and on one that is on a server."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from peers import typed

from bridge import __version__
from bridge.core.errors import StoreUnavailable
from bridge.store import engines
from bridge.store.postgres import schema

DONE = f"the store is at the version of trackbridge {__version__}\n"


def test_a_file_is_brought_to_this_version_when_it_is_opened_and_has_nothing_to_finish(tmp_path: Path) -> None:
    assert "there is no store" in typed(tmp_path, {}, "migrate").stderr
    engines.open_store(f"sqlite:///{tmp_path}/trackbridge.db")
    for words in (("migrate",), ("migrate", "--finish")):
        done = typed(tmp_path, {}, *words)
        assert (done.returncode, done.stdout) == (0, DONE)


def test_what_would_be_removed_is_named_and_stays_while_somebody_uses_it(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as db:
        schema.migrate_database(db, where="here", durable=False)
        db.execute("CREATE TABLE made_up ()")
        monkeypatch.setitem(schema.FINISHING, "finish:98_made_up", "DROP TABLE made_up")
        monkeypatch.setattr(schema, "PATIENCE", 0.2)
        assert engines.unfinished_steps(empty_database) == ("98_made_up",)
        with psycopg.connect(empty_database) as reader:
            reader.execute("SELECT * FROM made_up")
            with pytest.raises(StoreUnavailable, match="is held up by another transaction"):
                engines.finish_steps(empty_database)
        assert engines.finish_steps(empty_database) == ("98_made_up",)
        assert engines.unfinished_steps(empty_database) == ()
        db.execute("DELETE FROM steps_taken WHERE name = 'finish:98_made_up'")
