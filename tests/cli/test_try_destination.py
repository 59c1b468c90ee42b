"""`trackbridge try --to`: the request that a destination would make, where its fields come from, what an answer means."""

from __future__ import annotations

import json
from pathlib import Path

from declaring import ACME
from peers import typed

EVENT = {
    "event_type": "purchase",
    "event_id": "evt_1",
    "timestamp": "2026-01-01T00:00:00Z",
    "properties": {"order_id": "7", "value": 5, "currency": "EUR"},
    "user_data": {"email": "jane@mail.example"},
    "context": {"page_url": "https://shop.example/?fbclid=F"},
}
BODY = {
    "id": 7, "email": "jane@mail.example", "total_price": "19.90", "currency": "EUR", "processed_at": "2026-01-01T00:00:00Z",
    "financial_status": "paid", "line_items": [],
}  # fmt: skip


def event_in(folder: Path, **more: object) -> str:
    (folder / "event.json").write_text(json.dumps(EVENT | more))
    return "event.json"


def test_an_event_becomes_the_request_with_the_names_of_secrets(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "try", "--to", "meta", event_in(tmp_path), "--set", "pixel_id=77")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["url"] == "https://graph.facebook.com/v25.0/77/events"
    assert told["body"]["access_token"] == "[access_token]"
    assert told["body"]["data"][0]["event_name"] == "Purchase"
    assert "sent now, it would be: too old" in done.stderr


def test_an_event_that_is_not_for_it_says_why(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "try", "--to", "meta", event_in(tmp_path, event_type="refund"))
    assert (done.returncode, done.stdout) == (0, "")
    assert "skipped: refund is not among its events" in done.stderr


def test_a_body_goes_through_both_files_and_each_field_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(BODY))
    done = typed(tmp_path, {}, "try", "shopify", "order.json", "--topic", "orders/paid", "--to", "meta", "--explain")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("user_data.em = "))
    assert "meta.yaml:" in lines[place]
    assert "=hashed(who.email, 'email')" in lines[place]
    assert lines[place + 1].startswith('    event.user_data.email = "jane@mail.example"  shopify.yaml:')


def test_a_name_of_let_is_followed_to_what_it_reads(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "try", "--to", "meta", event_in(tmp_path), "--explain")
    lines = done.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("event_source_url = "))
    assert lines[place + 1].startswith("    event.context.page_url = ")


def test_an_operator_may_name_events_on_the_way(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "try", "--to", "meta", event_in(tmp_path), "--set", "events.purchase=Sold")
    assert json.loads(done.stdout)["body"]["data"][0]["event_name"] == "Sold"


def test_what_an_answer_would_mean_is_told_item_by_item(tmp_path: Path) -> None:
    answer = {"code": 20001, "data": {"failed_events": [{"index": 1, "error_message": "invalid currency"}]}}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    done = typed(tmp_path, {}, "try", "--to", "tiktok", "--answer", "answer.json", "--sent", "3")
    assert (done.returncode, done.stdout) == (0, "0: delivered\n1: rejected: invalid currency\n2: delivered\n")


def test_an_answer_that_does_not_say_which_says_what_comes_next(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"error": {"code": 100, "message": "too old"}}')
    done = typed(tmp_path, {}, "try", "--to", "meta", "--answer", "answer.json", "--status", "400", "--sent", "3")
    assert done.stdout == "rejected: too old\n"
    assert "the batch is halved" in done.stderr


def test_a_kind_that_there_is_not_names_the_nearest(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "try", "--to", "met", event_in(tmp_path))
    assert done.returncode == 1
    assert "did you mean `meta`?" in done.stderr


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    assert "try needs PROVIDER and FILE" in typed(tmp_path, {}, "try").stderr
    assert "try --to needs an event's FILE" in typed(tmp_path, {}, "try", "--to", "meta").stderr


def test_an_address_whose_var_is_not_given_asks_for_it_and_a_list_is_named_where_one_of_it_is_read(
    tmp_path: Path,
) -> None:
    url = "=format('https://{}/events', destination.vars.pixel)"
    text = ACME.replace("=format('https://acme.example/{}/events', destination.vars.pixel)", url)
    first = "sku: =event.properties.items[0].sku"
    (tmp_path / "acme.yaml").write_text(text.replace("      currency: ", f"      {first}\n      currency: "))
    event = event_in(tmp_path, properties={"items": [{"sku": "A"}]})
    done = typed(tmp_path, {}, "try", "--to", "acme.yaml", event)
    assert "no address can be made of pixel; check how it is written; give --set pixel=…" in done.stderr
    done = typed(tmp_path, {}, "try", "--to", "acme.yaml", event, "--set", "pixel=host.example", "--explain")
    assert '    event.properties.items = [{"sku":"A"}]' in done.stdout.splitlines()
