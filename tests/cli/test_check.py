"""`trackbridge check` as people, editors and CI use it: real files, a real process, every format."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from peers import trackbridge, typed, until

MAPPING = """\
mapping: 1
provider: acme
webhook:
  signature: {kind: hmac, algorithm: sha256, encoding: hex, from: "header:X-Sig", signed: "{body}"}
  id: ["json:/id"]
  topic: ["json:/type"]
vars:
  country: {default: DE, allowed: [DE, AT]}
events:
  - topic: paid
    when: =body.total
    dedupe: =body.id
    event:
      event_type: purchase
      timestamp: =body.at
      properties: {order_id: =body.id, value: =decimal(body.total), currency: =body.currency}
      user_data:
        email: =body.payer.email
"""
EXAMPLE = """\
given:
  body: {id: o-1, type: paid, at: "2026-01-01T00:00:00Z", total: "19.90", currency: EUR, payer: {email: a@example.com}}
expect:
  - event_type: purchase
    timestamp: "2026-01-01T00:00:00Z"
    properties: {order_id: o-1, value: 19.9, currency: EUR}
    user_data: {email: a@example.com}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m" / "examples" / "acme").mkdir(parents=True)
    (tmp_path / "m" / "acme.yaml").write_text(MAPPING)
    (tmp_path / "m" / "examples" / "acme" / "paid.usual.yaml").write_text(EXAMPLE)
    return tmp_path


def checked(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit status of `check`, and the lines that it prints."""
    done = typed(folder, {}, "check", *arguments)
    return done.returncode, done.stdout.splitlines()


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / "m" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_is_right_is_counted_and_ends_with_0(folder: Path) -> None:
    assert checked(folder, "m") == (0, ["1 mapping, 1 example, no problems"])
    assert checked(folder, "m/acme.yaml") == (0, ["1 mapping, 1 example, no problems"])
    assert checked(folder, "m", "--no-examples") == (0, ["1 mapping, no problems"])


def test_a_mapping_without_examples_is_said_to_be_checked_in_its_form_alone(folder: Path) -> None:
    (folder / "m" / "other.yaml").write_text(MAPPING.replace("provider: acme", "provider: other"))
    alone = "; other.yaml has no examples: only the form was checked"
    assert checked(folder, "m") == (0, [f"2 mappings, 1 example, no problems{alone}"])
    last = "1 mapping, no problems; no examples: only the form was checked"
    assert checked(folder, "m/other.yaml") == (0, [last])


def test_a_topic_that_the_shipped_mapping_of_the_provider_does_not_know_is_told(folder: Path) -> None:
    text = MAPPING.replace("provider: acme", "provider: stripe").replace("topic: paid", "topic: invoice.payed")
    (folder / "m" / "copy.yaml").write_text(text)
    status, lines = checked(folder, "m/copy.yaml")
    assert status == 0
    assert lines[0].endswith("warning: the topic `invoice.payed` is in no example; did you mean 'invoice.paid'?")


def test_a_problem_is_shown_with_its_line_and_a_caret_under_its_column(folder: Path) -> None:
    change(folder, "acme.yaml", "=body.total\n", "=bdy.total\n")
    change(folder, "acme.yaml", "email:", "e_mail:")
    assert checked(folder, "m") == (
        1,
        [
            "m/acme.yaml:11:12: error: unknown name 'bdy'; did you mean 'body'?",
            "   11 |     when: =bdy.total",
            "      |            ^",
            "m/acme.yaml:18:9: warning: the contract knows no `user_data.e_mail`; did you mean `email`?",
            "   18 |         e_mail: =body.payer.email",
            "      |         ^",
            "1 error, 1 warning",
        ],
    )


def test_the_caret_stands_right_behind_wide_letters_and_tabs_and_in_long_lines(folder: Path) -> None:
    change(folder, "acme.yaml", "provider: acme\n", "provider: acme\nignore: {注e\u0301:\tx, b:\t5}\n")
    change(folder, "acme.yaml", "=body.total\n", f"=body.{'a' * 200} || bdy.x\n")
    _, lines = checked(folder, "m", "--no-examples")
    assert lines[0].startswith("m/acme.yaml:3:21: error: ")
    assert lines[1] == r"    3 | ignore: {注eXX:\tx, b:\t5}".replace("XX", "\u0301")
    assert lines[2] == "      | " + " " * len("ignore: {") + "    " + " " * len(r"\tx, b:\t") + "^"
    [shown, caret] = lines[4:6]
    assert shown.startswith("   12 | …aaa")
    assert shown[caret.index("^") :].startswith("bdy.x")


def test_json_is_a_list_of_problems_for_machines(folder: Path) -> None:
    assert checked(folder, "m", "--format", "json") == (0, ["[]"])
    change(folder, "acme.yaml", "=body.total\n", "=bdy.total\n")
    status, lines = checked(folder, "m", "--format", "json")
    assert (status, json.loads("\n".join(lines))) == (
        1,
        [
            {
                "path": "m/acme.yaml",
                "line": 11,
                "column": 12,
                "severity": "error",
                "text": "unknown name 'bdy'; did you mean 'body'?",
            }
        ],
    )


def test_github_gets_workflow_commands_with_everything_escaped(folder: Path) -> None:
    (folder / "m").rename(folder / "a,b:100%")
    path = folder / "a,b:100%" / "examples" / "acme" / "paid.usual.yaml"
    path.write_text(EXAMPLE.replace("value: 19.9", "value: 20"))
    status, [line] = checked(folder, "a,b:100%", "--format", "github")
    assert status == 1
    start, _, text = line.rpartition("::")
    assert start == "::error file=a%2Cb%3A100%25/examples/acme/paid.usual.yaml,line=3,col=1"
    assert text.startswith("comes to something else:%0A--- expected%0A+++ came%0A@@")
    assert '%0A-      "value": 20,%0A+      "value": 19.90,%0A' in text


def test_a_warning_ends_with_0_and_with_strict_it_is_an_error(folder: Path) -> None:
    change(folder, "acme.yaml", "    dedupe: =body.id\n", "")
    status, lines = checked(folder, "m")
    assert (status, lines[-1]) == (0, "1 warning")
    status, lines = checked(folder, "m", "--strict")
    assert (status, lines[-1]) == (1, "1 error")
    assert lines[0].startswith("m/acme.yaml:10:5: error: a purchase without `dedupe`")


def test_an_example_that_comes_to_something_else_is_shown_as_a_difference(folder: Path) -> None:
    change(folder, "examples/acme/paid.usual.yaml", "currency: EUR}\n    user", "currency: USD}\n    user")
    assert checked(folder, "m") == (
        1,
        [
            "m/examples/acme/paid.usual.yaml:3:1: error: comes to something else:",
            "    3 | expect:",
            "      | ^",
            "    --- expected",
            "    +++ came",
            "    @@ -5,7 +5,7 @@",
            '         "properties": {',
            '           "order_id": "o-1",',
            '           "value": 19.9,',
            '    -      "currency": "USD"',
            '    +      "currency": "EUR"',
            "         },",
            '         "user_data": {',
            '           "email": "a@example.com"',
            "1 error",
        ],
    )


def test_an_example_may_expect_a_reason_without_its_places(folder: Path) -> None:
    example = folder / "m" / "examples" / "acme" / "paid.other.yaml"
    body = "given: {body: {id: o, type: paid, at: 2026-01-01, total: x, currency: EUR, payer: {email: y}}}\n"
    example.write_text(f"{body}expect: {{set_aside: 'the text is no number like 19.90, in =decimal(body.total)'}}\n")
    assert checked(folder, "m")[0] == 0
    example.write_text(body.replace("total: x", "total: ''") + "expect: {ignored: no rule's `when` held}\n")
    assert checked(folder, "m") == (0, ["1 mapping, 2 examples, no problems"])
    example.write_text(body + "expect: {ignored: no rule's `when` held}\n")
    status, lines = checked(folder, "m")
    assert status == 1
    assert '    -  "ignored": "no rule\'s `when` held"' in lines


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("given: {body: {}}\n", "1:1: error: an example needs `expect`"),
        ("expect: []\n", "1:1: error: an example needs `given`"),
        ("given: {}\nexpect: {ignored: x}\n", "1:8: error: given needs `body`"),
        ("given: {body: {}, bdy: 1}\nexpect: {ignored: x}\n", "1:19: error: unknown key 'bdy'; did you mean 'body'?"),
        ("given: {body: {}}\nexpects: []\nexpect: {ignored: x}\n", "2:1: error: unknown key 'expects'; did you mean 'expect'?"),
        ("given: {body: {}}\nexpect: {ignord: x}\n", "2:10: error: unknown key 'ignord'; did you mean 'ignored'?"),
        ("given: {body: {}}\nexpect: []\n", "2:9: error: expect must be a list of events, or `ignored: …` or `set_aside: …`"),
        ("given: {body: {}}\nexpect: [5]\n", "2:10: error: each expected event must be an object"),
        ("given: {body: {}, headers: {X-Y: 5}}\nexpect: {ignored: x}\n", "1:34: error: headers.X-Y must be text: put it in quotes"),
        ("given: {body: {type: paid}, vars: {country: FR}}\nexpect: {ignored: x}\n", "1:29: error: the var `country` must be one of DE, AT"),
        ("given: {body: {type: paid}, vars: {contry: DE}}\nexpect: {ignored: x}\n", "1:29: error: acme has no var `contry`; did you mean 'country'? (its vars: country)"),
        ("given: [\n", "2:1: error: not YAML: did not find expected node content"),
    ],
)  # fmt: skip
def test_an_example_that_is_none_is_told_at_its_line(folder: Path, text: str, problem: str) -> None:
    (folder / "m" / "examples" / "acme" / "paid.wrong.yaml").write_text(text)
    status, lines = checked(folder, "m", "--format", "json")
    found = json.loads("\n".join(lines))
    wrong = [each for each in found if each["path"] == "m/examples/acme/paid.wrong.yaml"]
    assert status == 1
    assert f"{wrong[0]['line']}:{wrong[0]['column']}: {wrong[0]['severity']}: {wrong[0]['text']}" == problem


def test_examples_of_a_provider_without_a_mapping_are_told(folder: Path) -> None:
    (folder / "m" / "examples" / "acmee").mkdir()
    (folder / "m" / "examples" / "acmee" / "paid.usual.yaml").write_text(EXAMPLE)
    status, lines = checked(folder, "m")
    assert status == 1
    assert lines[0] == (
        "m/examples/acmee/paid.usual.yaml:1:1: error: no mapping in m is for the provider 'acmee'; did you mean 'acme'?"
    )


def test_one_example_is_checked_by_its_own_path(folder: Path) -> None:
    path = "m/examples/acme/paid.usual.yaml"
    assert checked(folder, path) == (0, ["1 example, no problems"])
    change(folder, "examples/acme/paid.usual.yaml", "value: 19.9", "value: 1")
    assert checked(folder, path)[0] == 1


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("=decimal(body.total)", "=decimal(body.totl)", "16:61: warning: `totl` occurs in no example of paid; did you mean 'total'?"),
        ("=body.payer.email", "=body.payr.email", "18:22: warning: `payr` occurs in no example of paid; did you mean 'payer'?"),
        ("=body.payer.email", "=body.payer.mail", "18:28: warning: `mail` occurs in no example of paid; did you mean 'email'?"),
        ("=body.payer.email", "=body.email || body.payer.email", "18:22: warning: `email` occurs in no example of paid"),
        ("=body.payer.email", "=[body.x, body.payer][?email].emial | [0]", "18:23: warning: `x` occurs in no example of paid"),
    ],
)  # fmt: skip
def test_a_path_that_no_example_has_is_told_with_the_nearest(folder: Path, old: str, new: str, problem: str) -> None:
    change(folder, "acme.yaml", old, new)
    lines = checked(folder, "m")[1]
    assert f"m/acme.yaml:{problem}" in lines


def test_paths_through_names_lists_and_loops_are_followed_to_their_fields(folder: Path) -> None:
    change(folder, "acme.yaml", "events:\n", "let:\n  buyer: =body.payer || body.payer.parent\nevents:\n")
    change(folder, "acme.yaml", "email: =body.payer.email", "email: =buyer.emial")
    change(
        folder,
        "acme.yaml",
        "currency: =body.currency}",
        "currency: =body.currency, items: {for_each: l, in: =body.lines, map: {sku: =l.sk, name: =l.name}}}",
    )
    change(folder, "examples/acme/paid.usual.yaml", "payer: {", "lines: [{sku: a, name: b}], payer: {")
    told = [line.partition(": warning: ")[2] for line in checked(folder, "m")[1] if ": warning: " in line]
    assert told == [
        "`parent` occurs in no example of paid",
        "`sk` occurs in no example of paid; did you mean 'sku'?",
        "`emial` occurs in no example of paid; did you mean 'email'?",
    ]


def test_a_path_is_not_told_where_no_example_shows_what_is_around_it(folder: Path) -> None:
    change(folder, "acme.yaml", "=body.payer.email", "=body.payer.email || pairs(body.currency || `[]`).x || headers.y")
    change(folder, "examples/acme/paid.usual.yaml", "payer: {email: a@example.com}", "payer: null")
    change(folder, "examples/acme/paid.usual.yaml", "    user_data: {email: a@example.com}\n", "")
    assert not [line for line in checked(folder, "m")[1] if "occurs in no example" in line]


def test_what_cannot_be_read_is_told_in_one_line(folder: Path) -> None:
    done = trackbridge(folder, {}, "check", "nowhere.yaml")
    assert (done.returncode, done.stderr) == (
        1,
        "trackbridge: nowhere.yaml: cannot be read: No such file or directory\n",
    )
    (folder / "empty").mkdir()
    assert typed(folder, {}, "check", "empty").stderr == "trackbridge: empty: holds no .yaml file\n"


def test_watch_checks_again_when_a_file_changes_and_ends_with_0_on_ctrl_c(folder: Path) -> None:
    metrics = subprocess.Popen(
        [sys.executable, "-m", "bridge", "check", "m", "--watch"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert metrics.stdout
    assert metrics.stderr
    try:
        assert _line(metrics.stdout) == "1 mapping, 1 example, no problems"
        assert _line(metrics.stderr) == "watching 2 files; Ctrl-C ends"
        change(folder, "acme.yaml", "=body.total\n", "=bdy.total\n")
        assert _line(metrics.stdout).startswith("m/acme.yaml:11:12: error: unknown name 'bdy'")
        assert _line(metrics.stderr) == "watching 2 files; Ctrl-C ends"
        (folder / "m" / "acme.yaml").unlink()
        assert _line(metrics.stderr) == "trackbridge: m: holds no .yaml file"
    finally:
        metrics.send_signal(signal.SIGINT)
        out, errors = metrics.communicate(timeout=30)
    assert metrics.returncode == 0
    assert b"Traceback" not in out + errors


def _line(stream: IO[bytes]) -> str:
    """The next line that is not a second one of the same block."""
    found = until(stream.readline, what="a line")
    return str(found.decode().rstrip("\n"))


@pytest.mark.timeout(60)
def test_a_fifo_among_the_mappings_is_a_problem_and_holds_up_nothing(folder: Path) -> None:
    os.mkfifo(folder / "m" / "pipe.yaml")
    done = typed(folder, {}, "check", "m")
    assert done.returncode == 1
    assert "pipe.yaml: cannot be read: it is no regular file" in done.stderr


def test_files_of_editors_and_macs_beside_the_mappings_are_left_alone(folder: Path) -> None:
    (folder / "m" / ".#stripe.yaml").symlink_to("nobody@nowhere.1234")
    (folder / "m" / "._stripe.yaml").write_bytes(b"\0\5\x16\7")
    assert typed(folder, {"BRIDGE_MAPPINGS": "m"}, "check").returncode == 0
    assert checked(folder, "m") == (0, ["1 mapping, 1 example, no problems"])


def test_a_form_of_the_log_that_is_none_is_refused_by_check_and_by_serve(folder: Path) -> None:
    for command in ("check", "serve"):
        done = typed(folder, {"BRIDGE_LOG": "xml"}, command)
        assert done.returncode == 1
        assert "BRIDGE_LOG must be text or json" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "destinations: {a: {kind: nothing}}",
            "\nbridge.yaml:1:19: error: destination `a`: `kind` names no kind; known are track",
        ),
        ("sources: {a: {mapping: shopfy}}", "source `a`: `mapping` names no mapping; did you mean `shopify`?"),
        (
            "sources: {a: {mapping: stripe, vars: {nothing: b}}}",
            "\nbridge.yaml:1:48: error: ",
        ),
        ("destinations: {a: {kind: track, api_key: some-made-up-key-1234}}", "url"),
    ],
)
def test_settings_that_serve_would_refuse_are_a_problem(folder: Path, text: str, words: str) -> None:
    (folder / "bridge.yaml").write_text(text)
    done = typed(folder, {"BRIDGE_CONFIG": "bridge.yaml"}, "check")
    assert done.returncode == 1
    assert words in f"\n{done.stdout}{done.stderr}"


FORGED = "m/other.yaml:1:1: error: forged"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    when: ", f'    "wh\\n{FORGED}\\u001b[2J": '),
        ("email:", f'"e\\n{FORGED}":'),
        ("event_type: purchase", f'event_type: "purchas\\n{FORGED}"'),
        ("=body.total\n", f'"=\\n{FORGED}"\n'),
        ("default:", f'"a\\r{FORGED}\\u2028{FORGED}":'),
    ],
    ids=["a key", "a field", "an event type", "an expression", "a var"],
)
@pytest.mark.parametrize("form", ["text", "github"])
def test_text_of_a_mapping_forges_no_line(folder: Path, old: str, new: str, form: str) -> None:
    change(folder, "acme.yaml", old, new)
    status, lines = checked(folder, "m", "--format", form, "--strict")
    assert status == 1
    begins = ("::error file=m/", "m/acme.yaml:", "m/examples/acme/paid.usual.yaml:", " ")
    assert [line for line in lines[: -1 if form == "text" else None] if not line.startswith(begins)] == []
    assert [line for line in lines if line.strip().startswith(FORGED)] == []
    assert all(line.isprintable() for line in lines)


def test_text_of_a_mapping_forges_no_line_of_a_command_that_refuses_it(folder: Path) -> None:
    change(folder, "acme.yaml", "    when: ", f'    "wh\\n{FORGED}": ')
    (folder / "body.json").write_text("{}")
    done = typed(folder, {}, "try", "m/acme.yaml", "body.json")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert rf"unknown key 'wh\n{FORGED}'" in done.stderr
