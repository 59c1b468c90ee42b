"""Examples of destination files: those that are shipped hold, and one that does not is told with the difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from declaring import ACME, platform
from peers import typed

from bridge.destinations.language.files import known_kinds, load_kind, platform_examples, shipped_platforms
from bridge.destinations.tools.examples import read_destination_example, run_destination_example
from bridge.yaml.problems import Problems

SHIPPED = [
    (kind, path) for kind in known_kinds(None) for path in platform_examples(shipped_platforms() / f"{kind}.yaml", kind)
]
SENT = """\
given:
  options: {pixel: p1}
  events: [{event_type: purchase, event_id: evt_1, timestamp: "2026-06-01T11:00:00Z", context: {ip: 192.0.2.1, user_agent: A}}]
expect:
  request:
    url: https://acme.example/p1/events
    headers: {Authorization: "Bearer [token]"}
    body: {data: [{name: Bought, at: 1780311600, id: evt_1, ip: 192.0.2.1, ua: A}]}
"""
ANSWERED = """\
given:
  sent: 2
  response: {status: 200, body: {failed: [{index: 1, message: bad}]}}
expect: [delivered, {rejected: bad}]
"""


def told(text: str) -> list[str]:
    problems = Problems()
    example = read_destination_example(text, name="example.yaml", problems=problems)
    if example is not None:
        run_destination_example(platform(), example, problems)
    return ["\n".join((str(one), *one.details)) for one in problems.all_problems]


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=[f"{kind}/{path.stem}" for kind, path in SHIPPED])
def test_a_shipped_example_holds(kind: str, path: Path) -> None:
    problems = Problems()
    found = load_kind(kind, None)
    example = read_destination_example(path.read_bytes(), name=path.name, problems=problems)
    assert found is not None
    assert example is not None
    run_destination_example(found, example, problems)
    assert [str(one) for one in problems.all_problems] == []


@pytest.mark.parametrize("kind", known_kinds(None))
def test_every_shipped_kind_has_examples_of_what_it_sends_and_what_it_is_answered(kind: str) -> None:
    names = {path.stem for each, path in SHIPPED if each == kind}
    assert "purchase" in names
    assert any(name.startswith("answer-") for name in names)


@pytest.mark.parametrize("text", [SENT, ANSWERED, SENT.replace("purchase", "refund").partition("  request")[0] + "  skipped: refund is not among its events\n"])  # fmt: skip
def test_an_example_that_holds_has_no_problem(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "old", "new", "problem"),
    [
        (SENT, "name: Bought", "name: Sold", '-          "name": "Sold"'),
        (SENT, "Bearer [token]", "Bearer x", '-      "Authorization": "Bearer x"'),
        (SENT, "acme.example/p1", "acme.example/p2", "comes to something else:"),
        (SENT, "pixel: p1", "pixle: p1", "acme has no option `pixle`; did you mean `pixel`?"),
        (SENT, "event_type: purchase, ", "", "event_type"),
        (SENT, "    body: {data", "    boddy: {data", "the expected request needs `body`"),
        (ANSWERED, "{rejected: bad}", "delivered", '-  "delivered"'),
        (ANSWERED, "  sent: 2\n", "  sent: 2\n  events: []\n", "given needs `events` to be sent, or a `response`"),
        (ANSWERED, "status: 200", "stauts: 200", "unknown key 'stauts'; did you mean 'status'?"),
    ],
)
def test_an_example_that_does_not_hold_is_told(text: str, old: str, new: str, problem: str) -> None:
    assert old in text
    assert any(problem in one for one in told(text.replace(old, new))), told(text.replace(old, new))


def test_check_looks_at_destination_files_and_their_examples(tmp_path: Path) -> None:
    (tmp_path / "examples" / "acme").mkdir(parents=True)
    (tmp_path / "acme.yaml").write_text(ACME)
    (tmp_path / "examples" / "acme" / "sent.yaml").write_text(SENT)
    done = typed(tmp_path, {}, "check", ".")
    assert (done.returncode, done.stdout) == (0, "1 destination, 1 example, no problems\n")
    (tmp_path / "examples" / "acme" / "sent.yaml").write_text(SENT.replace("Bought", "Sold"))
    for named in (".", "acme.yaml", "examples/acme/sent.yaml"):
        done = typed(tmp_path, {}, "check", named)
        assert done.returncode == 1, named
        assert "sent.yaml:4:1: error: comes to something else:" in done.stdout, done.stdout


def test_check_without_arguments_looks_at_the_operators_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "acme.yaml").write_text(ACME.replace("hashed(who", "hashd(who"))
    done = typed(tmp_path, {"BRIDGE_DESTINATIONS": str(folder)}, "check")
    assert done.returncode == 1
    assert "acme.yaml:21:12: error: unknown function 'hashd'; did you mean 'hashed'?" in done.stdout


def test_a_file_that_is_not_named_for_its_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(ACME)
    done = typed(tmp_path, {}, "check", ".")
    assert "other.yaml:1:1: error: a file is found by its kind: call it acme.yaml" in done.stdout
