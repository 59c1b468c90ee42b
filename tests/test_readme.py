"""The README tells the truth: its settings, its mapping and its map are held against the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from peers import trackbridge, typed

from bridge import __version__
from bridge.settings import TABLE

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()


def block(language: str, holding: str) -> str:
    fenced = README.split("```")[1::2]
    found = [text.partition("\n")[2] for text in fenced if text.startswith(f"{language}\n") and holding in text]
    assert len(found) == 1, f"one {language} block that holds {holding}"
    return found[0]


def test_the_settings_table_is_the_codes() -> None:
    rows = [f"| `{row.name}` | {f'`{row.default}`' if row.default else '-'} | {row.meaning} |" for row in TABLE]
    assert "\n".join(rows) in README


def test_the_mapping_makes_the_event_that_is_printed(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(block("yaml", "provider: acme"))
    body = re.search(r'^`(\{"id": "e1".*\})`$', README, re.MULTILINE)
    assert body
    (tmp_path / "body.json").write_text(body[1])
    done = trackbridge(tmp_path, {}, "try", "acme.yaml", "body.json")
    assert done.returncode == 0, done.stderr
    told = json.loads(block("json", "event_id"))
    made = json.loads(done.stdout)
    assert re.fullmatch(r"evt_[0-9]+_[a-z0-9]{12}", made.pop("event_id"))
    del told["event_id"]
    assert made == told
    assert '"value": 19.90' in done.stdout


def test_the_mapping_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(block("yaml", "provider: acme"))
    done = typed(tmp_path, {}, "check", "acme.yaml")
    assert (done.returncode, done.stdout) == (0, "1 mapping, no problems; no examples: only the form was checked\n")


def test_the_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"^!\[[^\]]+\]\(([^)]+\.png)\)$", README, re.MULTILINE)
    assert len(pictures) == 2
    assert [path for path in pictures if (CHECKOUT / path).stat().st_size > 150_000] == []


def test_what_is_touched_to_extend_is_there() -> None:
    table = README.partition("| to add | touch | proof |")[2].partition("\n\n")[0]
    named = [text for row in table.splitlines()[2:] for text in re.findall(r"`((?:bridge|mappings)/[^`<]*)[^`]*`", row)]
    assert len(named) >= 7
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_the_newest_section_of_the_changelog_is_of_this_version_and_says_what_an_upgrade_takes() -> None:
    changelog = (CHECKOUT / ".github" / "CHANGELOG.md").read_text()
    heads = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    versions = [tuple(map(int, head.partition(",")[0].split("."))) for head in heads]
    assert heads[0].startswith(f"{__version__}, ")
    assert versions == sorted(versions, reverse=True)
    assert all(re.search(r", (not released yet|\d{4}-\d\d-\d\d)$", head) for head in heads)
    assert "To upgrade from" in changelog.partition("\n- ")[0]


def test_every_file_that_the_documents_link_to_is_there() -> None:
    for path in (CHECKOUT / "README.md", *(CHECKOUT / ".github").glob("*.md")):
        linked = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
        assert [link for link in linked if not (path.parent / link).exists()] == [], path.name


def test_the_map_names_what_is_there_and_leaves_nothing_out() -> None:
    drawn = block("", "cli/")
    named = set(re.findall(r"^  ([a-z_]+(?:\.py|/))", drawn, re.MULTILINE))
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (CHECKOUT / "bridge").iterdir()
        if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")
    }
    assert named == there


def test_what_contributing_names_as_the_place_of_a_decision_is_there() -> None:
    table = (
        (CHECKOUT / ".github" / "CONTRIBUTING.md")
        .read_text()
        .partition("## Where it is decided")[2]
        .partition("\n## ")[0]
    )
    rows = [row for row in table.splitlines() if row.startswith("| ") and not row.startswith("| what |")]
    assert len(rows) >= 15
    missing = [f"{path} {name}" for row in rows for path, name in _places_in(row) if not _holds(path, name)]
    assert missing == []


def _places_in(row: str) -> Iterator[tuple[str, str]]:
    """Each file of a row with each name that follows it."""
    path = ""
    for word in re.findall(r"`([^`]+)`", row.split(" | ", 1)[1]):
        if word.endswith(".py"):
            path = word
            yield path, ""
        elif path and re.fullmatch(r"[A-Z]+_?[A-Z_]*|_?[a-z]+(?:_[a-z]+)+", word):
            yield path, word


def _holds(path: str, name: str) -> bool:
    engines = [path.replace("ENGINE", engine) for engine in ("store/sqlite", "store/postgres")]
    files = [CHECKOUT / "bridge" / each for each in dict.fromkeys(engines)]
    defined = re.compile(rf"^\s*(?:async def |def )?{name}\b", re.MULTILINE)
    return all(file.is_file() and defined.search(file.read_text()) for file in files)
