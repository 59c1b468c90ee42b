"""The page about destinations tells the truth: what it shows is typed here, and its tables are the code's."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from peers import typed

from bridge.destinations.language.files import known_kinds, load_kind
from bridge.destinations.language.words import AUTH_KINDS, OPTIONS, OUTCOMES, RESTS
from bridge.mapping.functions import reference

PAGE = (Path(__file__).parents[1] / "mappings" / "destinations" / "README.md").read_text()
FILES = re.findall(r"^```(?:yaml|json) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def age(oldest: timedelta | None) -> str:
    if oldest is None:
        return "-"
    hours = int(oldest.total_seconds() // 3600)
    return f"{hours}h" if hours % 24 or hours == 72 else f"{hours // 24}d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All files that the page shows, under their names."""
    for name, text in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("kind", known_kinds(None))
def test_every_shipped_platform_is_in_its_table(kind: str) -> None:
    found = load_kind(kind, None)
    assert found is not None
    parts = found.parts
    needed = [f"`{one.name}`" for one in (*parts.vars.values(), *parts.secrets.values()) if one.needed]
    needs = ", ".join([*needed, *(() if parts.names_events else ("`events`",))]) or "-"
    assert f"| `{kind}` | {parts.title} | {parts.purpose} | {needs} | {age(parts.limits.oldest)} |" in PAGE


def test_the_functions_and_rules_at_its_end_are_the_codes() -> None:
    assert PAGE.endswith(f"{reference.destination_tables()}\n"), "write reference.destination_tables() to its end"


@pytest.mark.parametrize("word", [*OPTIONS, *OUTCOMES, *RESTS, *AUTH_KINDS])
def test_every_word_of_the_language_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_the_destination_that_is_written_has_no_problem_and_its_examples_hold(folder: Path) -> None:
    done = typed(folder, {}, "check", "destinations")
    assert (done.returncode, done.stdout) == (0, "1 destination, 2 examples, no problems\n")


def test_the_request_that_is_tried_holds_what_the_page_promises(folder: Path) -> None:
    done = typed(folder, {}, "try", "--to", "destinations/lampo_ads.yaml", "event.json", "--set", "source=12")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["headers"]["x-lampo-key"] == "[key]"
    assert told["body"]["source"] == "12"
    [item] = told["body"]["events"]
    assert (item["name"], item["items"]) == ("sale", [{"sku": "LAMP-1", "count": 2}])
    assert len(item["person"]["email"]) == 64


def test_the_settings_of_metas_five_minutes_are_read(folder: Path) -> None:
    environment = {
        "BRIDGE_CONFIG": str(folder / "bridge.yaml"),
        "SHOPIFY_WEBHOOK_SECRET": "a-made-up-secret-of-shopify",
        "META_TOKEN": "a-made-up-token",
    }
    done = typed(folder, environment, "check")
    assert "no problems" in done.stdout, done.stdout
    (folder / "bridge.yaml").write_text((folder / "bridge.yaml").read_text().replace(", without_consent: skip", ""))
    done = typed(folder, environment, "check")
    assert done.returncode == 1
    assert "destination `meta` needs `without_consent`" in done.stdout


def test_the_operators_folder_makes_it_a_kind(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        'destinations:\n  ads: {kind: lampo_ads, source: "12", key: "${LAMPO_KEY}", without_consent: skip}\n'
    )
    environment = {
        "BRIDGE_CONFIG": str(folder / "mine.yaml"),
        "BRIDGE_DESTINATIONS": str(folder / "destinations"),
        "LAMPO_KEY": "a-made-up-key",
    }
    done = typed(folder, environment, "check")
    assert (done.returncode, "no problems" in done.stdout) == (0, True), done.stdout
