"""The commands as a person and a script use them: real processes, real store, real answers."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import Serving, Upstream, clean_environment, command, listed, serving, trackbridge, typed, until, upstream
from signed_requests import API_KEY, ORDER, SESSION, STRIPE_SECRET, settings_for

import bridge as package

WEBHOOK_KEYS = {"id", "source", "topic", "state", "reason", "received_at"}
EVENT_KEYS = {
    "id",
    "webhook",
    "event_type",
    "test",
    "duplicate_of",
    "created_at",
    "origin",
    "order_id",
    "value",
    "currency",
    "delivery",
}
DELIVERY_KEYS = {
    "id", "event", "destination", "state", "reason", "attempts", "next_attempt_at", "last_status", "last_answer",
}  # fmt: skip


@pytest.fixture
def peer() -> Iterator[Upstream]:
    with upstream() as one:
        yield one


@pytest.fixture
def bridge(tmp_path: Path, peer: Upstream) -> Iterator[Serving]:
    with serving(tmp_path, settings_for(peer)) as one:
        yield one


def test_help_and_version_are_there(tmp_path: Path) -> None:
    shown = trackbridge(tmp_path, {}, "--help")
    assert shown.returncode == 0
    for name in (
        "serve",
        "demo",
        "send",
        "try",
        "check",
        "list",
        "show",
        "retry",
        "replay",
        "deliver",
        "backup",
        "restore",
    ):
        assert f"  {name} " in shown.stdout
    assert trackbridge(tmp_path, {}, "--version").stdout == f"trackbridge {package.__version__}\n"


def test_a_command_typed_wrong_ends_with_2_and_says_how(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {}, "serve", "--port", "many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "must be a whole number" in done.stderr


def test_send_signs_as_the_provider_would_and_list_and_show_tell_what_became_of_it(
    bridge: Serving, peer: Upstream, tmp_path: Path
) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    settings = settings_for(peer)
    sent = trackbridge(
        tmp_path, settings, "send", "shopify", "order.json", "--to", bridge.url, "--topic", "orders/paid"
    )
    assert (sent.returncode, sent.stdout) == (0, '200 {"success":true}\n')
    until(peer.taken, what="the event")
    [webhook] = until(lambda: listed(tmp_path, "webhooks", state="translated"), what="the state")
    [event] = listed(tmp_path, "events")
    [delivery] = until(lambda: listed(tmp_path, "deliveries", state="delivered"), what="the delivery")
    assert (set(webhook), set(event), set(delivery)) == (WEBHOOK_KEYS, EVENT_KEYS, DELIVERY_KEYS)
    assert event["webhook"] == webhook["id"]
    assert delivery["event"] == event["id"]
    assert json.loads(delivery["last_answer"])["success"] is True
    for row in (webhook, event, delivery):
        shown = typed(tmp_path, {}, "show", row["id"], "--format", "json")
        assert json.loads(shown.stdout)["id"] == row["id"]
        assert typed(tmp_path, {}, "show", row["id"]).stdout.count(row["id"]) >= 1
    assert webhook["id"] in trackbridge(tmp_path, {}, "show", webhook["id"]).stdout
    assert webhook["id"] in trackbridge(tmp_path, {}, "list", "webhooks").stdout


def test_send_with_the_wrong_secret_shows_the_401_and_ends_with_1(bridge: Serving, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(SESSION))
    settings = {"STRIPE_WEBHOOK_SECRET": "whsec_other"}
    done = typed(tmp_path, settings, "send", "stripe", "body.json", "--to", bridge.url)
    assert done.returncode == 1
    assert done.stdout == '401 {"success":false,"error":"not genuine"}\n'


def test_send_takes_a_secret_from_standard_input(bridge: Serving, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(SESSION))
    words = command("send", "stripe", "body.json", "--to", bridge.url, "--secret", "-")
    for secret, status in ((f"{STRIPE_SECRET}\r\n", "200"), ("another-secret", "401"), ("\n", "")):
        done = subprocess.run(
            words, cwd=tmp_path, env=clean_environment({}), input=secret, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.stdout.partition(" ")[0] == status, done.stderr
    assert done.stderr == "trackbridge: --secret -: standard input holds no secret; give it as one line\n"


def test_a_secret_that_is_typed_into_a_terminal_is_not_shown(bridge: Serving, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(SESSION))
    ours, its = pty.openpty()
    process = subprocess.Popen(
        command("send", "stripe", "body.json", "--to", bridge.url, "--secret", "-"), cwd=tmp_path,
        env=clean_environment({}), stdin=its, stdout=its, stderr=its, start_new_session=True,
    )  # fmt: skip
    os.close(its)
    shown = b""
    while not shown.endswith(b"secret: "):
        shown += os.read(ours, 1024)
    os.write(ours, f"{STRIPE_SECRET}\n".encode())
    try:
        while part := os.read(ours, 1024):
            shown += part
    except OSError:  # Linux's end of a terminal
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert b"200 " in shown
    assert STRIPE_SECRET.encode() not in shown


def test_a_secret_in_an_argument_is_refused_and_not_repeated(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {}, "send", "stripe", "b.json", "--to", "http://127.0.0.1:9", "--secret", "whsec_mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert "set <SOURCE>_WEBHOOK_SECRET, or write `--secret -`" in done.stderr
    assert "whsec_mine" not in done.stderr


ADDRESS = "http://user:hidden@host?api_key=hidden"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["metrics", ADDRESS], 2, "unrecognized arguments: [argument 2 after trackbridge]\n"),
        (["metrics", "user:hidden@host"], 2, "unrecognized arguments: [argument 2 after trackbridge]\n"),
        (["metrics", "hidden" * 7, "plain"], 2, "unrecognized arguments: [argument 2 after trackbridge] plain\n"),
        (["metrics", "a hidden\n'text' of more than forty characters"], 2, "[argument 2 after trackbridge]\n"),
        (["metrics", "--api-key=hidden"], 2, "unrecognized arguments: --api-key=[…]\n"),
        (["metrics", f"--{ADDRESS}"], 2, "unrecognized arguments: [argument 2 after trackbridge]\n"),
        ([ADDRESS], 2, "argument COMMAND: invalid choice: [argument 1 after trackbridge] (choose from"),
        (["schema", ADDRESS], 2, "argument what: invalid choice: [argument 1 after trackbridge schema] (choose from"),
        (["serve", f"--role={ADDRESS}"], 2, "argument --role: invalid choice: [argument 1 after trackbridge serve] ("),
        (["example", "add", "x", "y", "--name", "z", ADDRESS], 2, "[argument 7 after trackbridge]\n"),
        (["schema", "mappin"], 2, "argument what: invalid choice: 'mappin' (choose from"),
        (["try", ADDRESS, "body.json"], 1, "there is no mapping for `[…]`; known are"),
        (["example", "add", ADDRESS, "body.json"], 1, "there is no mapping for `[…]`; known are"),
        (["send", ADDRESS, "body.json", "--to", "http://127.0.0.1:9"], 1, "there is no source `[…]`; known are"),
        (["deliver", ADDRESS], 1, "there is no destination `[…]`; known are"),
        (["try", "shopify", "body.json", "--var", "hidden" * 7], 1, "--var takes K=V, got '[…]'"),
    ],
)
def test_an_argument_that_may_hold_a_secret_is_not_repeated(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    (tmp_path / "body.json").write_text("{}")
    done = trackbridge(tmp_path, {}, *words)
    assert done.returncode == status
    assert said in done.stderr
    assert "hidden" not in done.stderr + done.stdout


def test_an_address_behind_the_flag_for_help_is_not_repeated(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {}, "metrics", f"-{ADDRESS}")
    assert done.returncode in {0, 2}  # newer Pythons give the help, older ones tell of the rest
    assert "hidden" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["send", "stripe", "none.json", "--to", "http://127.0.0.1:9"], "none.json: cannot be read: No such file"),
        (["send", "stripe", "body.json", "--to", "localhost"], "--to must be an address such as"),
        (["send", "strip", "body.json", "--to", "http://127.0.0.1:9"], "there is no source `strip`; known are"),
        (["try", "strip", "body.json"], "there is no mapping for `strip`; known are"),
        (["try", "shopify", "body.json", "--var", "country"], "--var takes K=V, got 'country'"),
        (["try", "shopify", "body.json", "--var", "land=DE"], "land"),
        (["list", "webhooks"], "there is no store at trackbridge.db; start `trackbridge serve` there"),
        (["retry"], "name what you mean: either ids, or --all-dead"),
        (["replay", "wh_1", "--set-aside"], "name what you mean: either ids, or --set-aside"),
        (["deliver", "up"], "there is no destination `up`; known are none yet"),
    ],
)
def test_a_mistake_is_one_line_that_names_it_and_the_remedy(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "body.json").write_text("{}")
    done = typed(tmp_path, {}, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("trackbridge: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_looking_makes_no_store(tmp_path: Path) -> None:
    trackbridge(tmp_path, {}, "list", "webhooks")
    assert list(tmp_path.iterdir()) == []


def test_try_prints_one_json_list_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    done = trackbridge(tmp_path, {}, "try", "shopify", "order.json", "--topic", "orders/paid", "--format", "json")
    assert done.returncode == 0, done.stderr
    [event] = json.loads(done.stdout)
    assert event["properties"]["value"] == 404.9
    ignored = typed(tmp_path, {}, "try", "shopify", "order.json", "--topic", "carts/update", "--format", "json")
    assert (ignored.returncode, json.loads(ignored.stdout)) == (0, [])
    assert ignored.stderr.startswith("ignored (topic carts/update): ")
    chosen = typed(
        tmp_path, {}, "try", "shopify", "order.json", "--topic", "orders/create", "--var", "purchase=orders/create"
    )
    assert '"event_type": "purchase"' in chosen.stdout


def test_a_body_that_would_be_set_aside_makes_try_end_with_1(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER | {"total_price": "four"}))
    done = typed(tmp_path, {}, "try", "shopify", "order.json", "--topic", "orders/paid")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("set aside (topic orders/paid): ")
    assert "shopify.yaml:" in done.stderr


def test_a_dead_letter_is_retried_by_hand_singly_and_in_bulk(bridge: Serving, peer: Upstream, tmp_path: Path) -> None:
    settings = settings_for(peer)
    refusal: tuple[int, dict[str, str], bytes] = (400, {}, b'{"success": false, "error": "no such currency"}')
    peer.script += [refusal]
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    typed(tmp_path, settings, "send", "shopify", "order.json", "--to", bridge.url, "--topic", "orders/paid")
    [dead] = until(lambda: listed(tmp_path, "deliveries", state="dead"), what="the dead letter")
    assert "no such currency" in dead["last_answer"]
    peer.script += [refusal]
    assert trackbridge(tmp_path, {}, "retry", dead["id"]).stdout.startswith("1 delivery due now")
    until(lambda: len(peer.posted) == 2, what="the second refusal")
    until(lambda: listed(tmp_path, "deliveries", state="dead"), what="the dead letter again")
    assert typed(tmp_path, {}, "retry", "--all-dead").stdout.startswith("1 delivery due now")
    until(peer.taken, what="the event")
    missing = typed(tmp_path, {}, "retry", "dlv_999")
    assert (missing.returncode, missing.stderr.count("dlv_999")) == (1, 1)


def test_a_webhook_set_aside_is_replayed_when_its_mapping_is_mended(tmp_path: Path, peer: Upstream) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    shipped = (Path(package.__file__).parents[1] / "mappings" / "shopify.yaml").read_text()
    broken = shipped.replace("decimal(order_value)", "decimal(body.email)")
    assert broken != shipped
    (mappings / "shopify.yaml").write_text(broken)
    settings = settings_for(peer) | {"BRIDGE_MAPPINGS": str(mappings)}
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    with serving(tmp_path, settings) as bridge:
        words = ("send", "shopify", "order.json", "--to", bridge.url, "--topic", "orders/paid")
        assert typed(tmp_path, settings, *words).returncode == 0
        [aside] = until(lambda: listed(tmp_path, "webhooks", state="set_aside"), what="set aside")
        assert "shopify.yaml:" in aside["reason"]
        assert ORDER["email"] not in aside["reason"]
    (mappings / "shopify.yaml").write_text(shipped)
    with serving(tmp_path, settings):
        assert trackbridge(tmp_path, {}, "replay", "--set-aside").stdout.startswith("1 webhook received again")
        [event] = until(peer.taken, what="the event")
    assert event["properties"]["order_id"] == str(ORDER["id"])


def test_a_mapping_with_mistakes_is_checked_line_by_line(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    (mappings / "shopify.yaml").write_text("mapping: 1\nprovider: shopify\nevnts: []\n")
    checked = typed(tmp_path, {}, "check", "mappings")
    assert checked.returncode == 1
    assert "shopify.yaml:3:1: error: unknown key 'evnts'; did you mean 'events'?" in checked.stdout


def test_check_without_arguments_checks_what_serve_would_load(tmp_path: Path) -> None:
    done = trackbridge(tmp_path, {}, "check")
    assert done.returncode == 0, done.stdout


def test_the_demo_shows_all_arriving_once_and_ends_with_0_whatever_is_set(tmp_path: Path) -> None:
    settings = {"BRIDGE_STORE": "nonsense", "STRIPE_WEBHOOK_SECRET": "", "BRIDGE_TRACK_URL": "http://127.0.0.1:9"}
    done = trackbridge(tmp_path, settings, "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("purchase", "refund", "begin_checkout", "delivered", "forged: refused", "each once"):
        assert told in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_reported_with_the_remedy(bridge: Serving, tmp_path: Path) -> None:
    port = bridge.url.rpartition(":")[2]
    elsewhere = {"BRIDGE_API_KEYS": API_KEY, "BRIDGE_STORE": "sqlite:///other.db"}
    done = trackbridge(tmp_path, elsewhere, "serve", "--port", port)
    assert done.returncode == 1
    assert done.stderr == (
        f"trackbridge: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port or --host\n"
    )


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://", "ftp://x", "http://a\nb/", "http://user:hunter2@127.0.0.1:9"]
)
def test_send_to_an_odd_address_fails_in_one_line_that_holds_no_password(tmp_path: Path, url: str) -> None:
    (tmp_path / "body.json").write_text("{}")
    settings = {"STRIPE_WEBHOOK_SECRET": STRIPE_SECRET}
    done = trackbridge(tmp_path, settings, "send", "stripe", "body.json", "--to", url)
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
