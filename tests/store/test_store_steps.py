"""The steps of the schema are frozen, each makes the tables it made, and a store with other tables is refused."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from old_stores import NAMES, put_back, tables, version_of

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.store.sqlite.db import open_file
from bridge.store.sqlite.schema import FOLDER, STEPS, split_statements

DIGESTS = {
    "01_tables.sql": "fb3b6cbe6e35f9d59a44d14703493e22c0051a4423802bcd84324ded98017439",
    "02_waiting_and_days.sql": "a19e2776c12d3ef3a1e71a57f2f8e1965e5561cdf150e1a060ed23f36fff720e",
    "03_inbox.sql": "b810f47d510273563ed7cf3d51fdc639ceb0f597b6b8fb5875b4b4596b7904ac",
    "04_stale_deliveries.sql": "6d7d16033c7d3d2ab98cdc2a75cee10526feaa1f0ac059d0bd1c01cd1e7b65b0",
    "05_event_indexes.sql": "7cd9f8d574d7cacdf838cbe70c33ca011f080085c85f6150677be98da68447ca",
    "06_ingest_log.sql": "6963cb70360e5512846b2c1f4170a534d7e6743b2f88790bb0b7f353e32411af",
    "07_ledger_buffer.sql": "4120205026f3a47f0a0f95e3bf07cc275f2cb1f6b63362dee5dc44e3abfab360",
    "08_event_ids.sql": "f7af360c12fbe71ec587fe25e1de69976d8f1215cd16eae44ba28a14127c0749",
    "09_believed_clocks.sql": "829745e27d5fae90af7c145293183c9122c2c53d1255159b4ea7f8aaa4d371f8",
    "10_recovery.sql": "2da4d2d4d4e394d24bf08aadf7c139e303b97ad7b4131bcd0131dd63529a82a7",
    "11_event_origin.sql": "73cc973d45c5b459eb191c0dc4ef7d3960dc7840d8cf3b9e7dec40acb2d1a34e",
    "12_conversions.sql": "e6f347dd780c94e5510178e30bfa1e971dc3e1d59507124276c2785b25e08bd2",
    "13_status.sql": "154e605035c18728d2a9c58df95f45acfbcdd590c8e4626149e48ca1703dda22",
    "16_mapping_texts_and_console.sql": "55446c30ce1d02ab21e60a0a5e63617ad7560232700e40e4f6b369c727aa41af",
    "recovery.py": "2e73196835c7676b3d96bd462b9a7e12b8b2e14b4f1d348063aed8de5400cf01",
    "14_doubles.sql": "1a5cebcecabb00503cb8715fe25e17c0ed754ff1cd1006bd475b27a959c00e5b",
    "15_earlier_versions.sql": "ec1a984f2291d2325ef2f41540453fc4f66c4c0ed382bed6aff081713dbc8abd",
    "17_versions.sql": "ef5ec082167988860be3e982d647c33d30871e10bff26580cb905b6d38859e5b",
    "18_coverage.sql": "7c0ee0aade0855a5db70091d81c897bfaaa28b43bae2cb9a70c3b8c31f2d148a",
    "19_deferred_by_rank.sql": "432c7e8ca3ab795ec5c9ea644e858fbe784f0c6fe001688e811c7eaa8f27007a",
    "20_repair.sql": "6364d5c22dfe72edfa8ca66a9ea386c60f3417120d80189584f88a0f0bb2ba66",
    "21_later_payments.sql": "6341a9437dee108f2dc489f5972dfa7e6b9889b04e1f04be2a142a20126143b6",
    "22_refresh_tokens.sql": "3bb4d400bcc434cb3790fcbe45a4a8d4931ad2e49c1b5b5bbe97e08c4bc78525",
    "23_quarters.sql": "0593846ea2738e9f6233ca753f6bfe1b64be24903248c6b2a3b775f2a8e6f049",
    "24_delivered_counts.sql": "d2266e9b73581fecdd82f0ca8ce5a67a4f58cc2f9228f5c8cbaac43b8cecad69",
    "25_request_files.sql": "f7bb377a4a46d51f88a12daa3fc19bcc1a5fee45fad91e214a302d5b96d8c587",
    "26_event_people.sql": "5c520806203439a00ac0826b7a664d4093291a2efc8a4c8247647fc40d7a3788",
    "27_mapping_drafts.sql": "cbce84e8a303dfb8d55f3a8d1ee6de76ac481d700c9627b637285cfe56773a78",
    "28_event_names.sql": "80498b76261baa0c55c57d8d521a66820328d6fe956ae2feb3b4e931f2ee9994",
    "29_moved_to.sql": "3cec8278112db8e26ca22494d6776de522721be444178b649c5f2490d4a27331",
    "30_followers.sql": "1127f29653d342c6fc2665f40bca4167017fb9cf772ff5883dd4aeba5574b53f",
}
"""The SHA-256 of each file of a step. A line is added for a new step and never changed."""
TABLES = (
    "4e192fb13812a34fa4a7cb72c83e9b3003b8a479d9898221944ca563824c10fa",
    "53a2f0327f9bc38bcaea6fc1dd8f81efa08db27953a1be400d4537f0867a7d58",
    "8302c67082772284fc77d620ec44600ca11207a6ca7ffd7249c2cb19ae2e5bc2",
    "367c1da406b4da66e3b999cac30af05100cd8d5c9851ff676ab748be479d6dc4",
    "11ff5a618c9474d8cf9d5d68b49bfe187b7feaecc7bdd8605c2a55e1c6877dbb",
    "7e7d283530d90b8889309e5ac3f2ee5c6f11dc6fec13c03d52f59a05d11661b5",
    "a9fa34fcef91bb1f2d04c30198224eadda4e5a4d19b2142a3487b07a6827b9c1",
    "b6346811bb973762b05070e10c12fa29cb4c8487aa019b634c36149a1e3a9522",
    "74ac0b854573c390337a9cdc8d438e612076b8c831ce3745a475d8cca5ad7f8e",
    "e893c6da1ddc2a52c97eee510ee8d7002a4943e297d91087158f147f50efcbef",
    "8071d1eb853c032f3010edfe49dbbffd385c3fd922830fa14cabcb6842960180",
    "75f5634dafa855bc4708012a55bdacbcd48a14d595f781d1e27325f5a3c0a2b1",
    "52a677aad8e4356992cdc56bc750c6c929f09460887aaf044a2b8965f879b3f4",
    "9aa4b3481c6087a273bdfe5f8898aeb78f25c2e487640851ea77b2b2013555ac",
    "e8ba7a4cafa2b91ed46d6435700e1753e729912a3423b2e5b0a3780c13c0adca",
    "9bec2f4787bf29ea83b82fca61445188ef4a54d3492cf52d1071db24762d86c2",
    "d2127ba3f5f640661c7cfd2771d4ae4e84bf0f829023e100e08af64f810961e8",
    "1901770ffaf72e44c09b66836c0121e64cdcb7b41f2c2941cd6e475e2b61fabb",
    "e681912053b4fab8a9c767f783753d313fe07dd32892d1c5bc1c797a02cd39d3",
    "ffb2861b53792de7df12f2f326a552738b080c96944a60458dba3edcb7319381",
    "d2f3cb5f62cd758d86c3707470516083ffb9d2f507938853d2c999fa55d125cf",
    "ffab4ad954eb121765dcaa87406ea20133bd945bc87cf7a062318ba3f063e2e8",
    "1d92f18e3645f3739c6fdf5448d7c065189a2e51f3f01233e7b4a62d8fc02fd4",
    "6e82a309d35e4829cbc88dcd2b966326a621670a632b6d3ba445a450ea362e96",
    "dd6c21db5fc9a568f83d3196ebcbafbc975d3413ee725f29d4bc22faf7cc515e",
    "e581e9e14a61a224a57c90fc1e0a23e1538e862c906330a3938e56344768989b",
    "1d0cc21dbddcad758af19d768043d4fe2f5f5315c8d1c8fd4efd4b367a8af44a",
    "ffd7e2347b29d7de3e6ee159828fab2a572c3ff34e80656d6bcc9e32f65af3aa",
    "98f018eac6aa393c7d4da03a9ffb6014d1ac80e12d70439fc863cbaa73614aac",
    "ea17246dbabaa92f15825be3f216b187639c75cad11737e029744d1cc62898cc",
)
"""The SHA-256 of the tables that the steps make up to each version, comments and blanks left out."""
FROZEN = (
    "a step that a commit has is frozen: stores were made by it. Undo the change and add a new step instead, as "
    "bridge/store/sqlite/schema.py says; for a new step, add its line to DIGESTS and TABLES"
)


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


# ------------------------------------------------------------------------------------------------------- frozen


def test_no_step_has_changed() -> None:
    found = {one.name: sha256(one.read_bytes()) for one in sorted(FOLDER.iterdir()) if one.is_file()}
    found.pop("__init__.py")
    assert found == DIGESTS, FROZEN


def test_every_version_has_the_tables_it_always_had(tmp_path: Path) -> None:
    found = []
    for version in range(1, len(STEPS) + 1):
        path = tmp_path / f"{version}.db"
        open_file.prepare_file(str(path), steps=STEPS[:version])
        found.append(sha256(repr(sorted(tables(path).items())).encode()))
    assert tuple(found) == TABLES, FROZEN


def test_the_tables_of_a_version_are_those_that_a_commit_of_that_time_made(tmp_path: Path) -> None:
    for name in NAMES:
        old = put_back(name, tmp_path / f"{name}.db")
        anew = tmp_path / f"anew-{name}.db"
        open_file.prepare_file(str(anew), steps=STEPS[: version_of(name)])
        assert tables(anew).items() <= tables(old).items(), name
        assert tables(old).keys() - tables(anew).keys() <= {("index", "webhooks_body"), ("table", "unreadable")}, name


def test_a_script_is_parted_into_its_statements_triggers_too() -> None:
    script = """
    -- why; and how
    CREATE TABLE a (one); -- behind
    CREATE TRIGGER t AFTER INSERT ON a BEGIN
        UPDATE a SET one = 1;
        DELETE FROM a;
    END;
    """
    with pytest.raises(ValueError, match="ends within a statement: DROP"):
        list(split_statements("DROP TABLE"))
    made = [one.strip() for one in split_statements(script)]
    assert len(made) == 2
    assert made[0].startswith("-- why")
    assert made[1].endswith("END;")


# -------------------------------------------------------------------------------------------------------- refused


def picture(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [*db.iterdump(), str(db.execute("PRAGMA user_version").fetchone())]


def refused(path: Path, words: str) -> None:
    before = picture(path)
    with pytest.raises(StoreUnusable, match=rf"^the store {re.escape(str(path))} {words}.*it was left as it is"):
        open_file.prepare_file(str(path))
    assert picture(path) == before


def changed(path: Path, statement: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(statement)
    return path


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
def test_a_store_that_lacks_a_table_an_index_or_a_trigger_of_its_version_is_refused(
    tmp_path: Path, version: int
) -> None:
    whole, path = tmp_path / "whole.db", tmp_path / "x.db"
    open_file.prepare_file(str(whole), steps=STEPS[:version])
    for kind, one in sorted(tables(whole)):
        shutil.copy(whole, path)
        changed(path, f"PRAGMA foreign_keys = OFF; DROP {kind} {one}")
        refused(path, rf"bears schema {version}, but it has no (table|index|trigger|view) \w+")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "ALTER TABLE events ADD COLUMN score REAL",
            "its table events has the column score, which is not of trackbridge",
        ),
        ("ALTER TABLE events RENAME COLUMN value TO amount", "its table events has no column value"),
        ("ALTER TABLE bodies DROP COLUMN form", "its table bodies has no column form"),
        ("DROP INDEX events_door; CREATE INDEX events_door ON events (id)", "its index events_door is another one"),
        (
            "DROP TRIGGER events_go; CREATE TRIGGER events_go AFTER DELETE ON events BEGIN SELECT 1; END",
            "its trigger events_go is another one",
        ),
        (
            "DROP TABLE lasts; CREATE TABLE lasts (source TEXT PRIMARY KEY, at TEXT) WITHOUT ROWID",
            "the columns of its table lasts are of other types, or have other conditions",
        ),
        ("PRAGMA user_version = -1", "there is no such version"),
        ("PRAGMA user_version = -2147483648", "there is no such version"),
    ],
)
def test_a_store_with_other_tables_than_its_version_made_is_refused_with_what_differs(
    tmp_path: Path, statement: str, words: str
) -> None:
    path = tmp_path / "x.db"
    open_file.prepare_file(str(path))
    refused(changed(path, statement), rf"bears schema -?\d+, but {words}")


@pytest.mark.parametrize("version", range(9))  # one of version 9 may have the index that step 10 makes
def test_a_store_that_bears_another_version_than_its_tables_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "x.db"
    open_file.prepare_file(str(path))
    refused(changed(path, f"PRAGMA user_version = {version}"), rf"(bears|cannot be brought from) schema {version}\b")


def test_a_step_that_does_not_come_to_its_tables_is_undone_and_told(tmp_path: Path) -> None:
    path = put_back("v5_c605fcc", tmp_path / "x.db")
    changed(path, "CREATE TABLE unreadable (number INTEGER PRIMARY KEY, count INTEGER NOT NULL, packed BLOB, why TEXT)")
    refused(path, "cannot be brought from schema 5 to 6: its table unreadable has the column why")
    path = put_back("v6_4f1048d", tmp_path / "y.db")
    changed(path, "CREATE TABLE recent (one)")
    refused(path, "cannot be brought from schema 6 to 7: table recent already exists")


def test_tables_of_other_tools_and_indexes_of_the_operator_are_left_alone(tmp_path: Path) -> None:
    path = put_back("v2_3b25d48", tmp_path / "x.db")
    changed(path, "CREATE TABLE _litestream_seq (id, seq); CREATE INDEX mine ON events (order_id); ANALYZE")
    open_file.prepare_file(str(path))
    assert {("table", "_litestream_seq"), ("index", "mine")} <= set(tables(path))


# ------------------------------------------------------------------------------------------------- several at once

OPENS = "import sys; from bridge.store.sqlite.db import open_file; sys.stdin.readline(); open_file.prepare_file(sys.argv[1])"


def opening(path: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """Processes that open the store as soon as they read a line."""
    for _ in range(count):
        yield subprocess.Popen(
            [sys.executable, "-c", OPENS, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.mark.parametrize("name", ["v1_4fc58f6", "v5_83d53ff_3b4a02d", "v7_4fc58f6_3b4a02d_f1671d0_ad7f427"])
def test_several_processes_that_open_an_old_store_at_once_migrate_it_once(tmp_path: Path, name: str) -> None:
    path, alone = put_back(name, tmp_path / "x.db"), put_back(name, tmp_path / "alone.db")
    open_file.prepare_file(str(alone))
    processes = list(opening(path, 4))
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[1] for one in processes]
    assert [(one.returncode, text) for one, text in zip(processes, said, strict=True)] == [(0, "")] * 4
    assert picture(path) == picture(alone)


def test_a_newer_store_is_refused_before_its_tables_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_file.prepare_file(str(path))
    changed(path, f"PRAGMA user_version = {len(STEPS) + 1}; ALTER TABLE events ADD COLUMN newer")
    with pytest.raises(StoreUnavailable, match=r"written by a newer trackbridge .* install that version again"):
        open_file.prepare_file(str(path))
