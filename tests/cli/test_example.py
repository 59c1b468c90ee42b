"""`example add`: what comes out passes `check`, keeps what an example is about, and holds nothing of the person."""

from __future__ import annotations

import asyncio
import functools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_made import applied

from bridge import mapping
from bridge.cli import main
from bridge.core import json_text
from bridge.core.model import Webhook
from bridge.mapping.tools import examples
from bridge.mapping.tools.anonymize import Anonymizer
from bridge.store.engines import open_store
from bridge.yaml import document, dump
from bridge.yaml.problems import Problems

MAPPINGS = Path(__file__).parents[2] / "mappings"
SHIPPED = [  # without those that build on earlier events: a body alone brings none
    path for path in sorted((MAPPINGS / "examples").glob("*/*.yaml")) if "\n  earlier:" not in path.read_text()
]
ORDER = {
    "id": 9007199254740993111,
    "email": "jane.doe@mail.test",
    "phone": "+1 (415) 555-2671",
    "total_price": "404.90",
    "currency": "EUR",
    "financial_status": "paid",
    "browser_ip": "81.2.69.142",
    "token": "aabbccddeeff00112233",
    "note": "please ring at Doe's",
    "landing_site": "/p?gclid=Cj0KCQ&email=jane.doe%40mail.test&colour=red",
    "order_status_url": "https://shop.test/1/orders/aabbccddeeff00112233/authenticate?key=deadbeef12345678",
    "processed_at": "2026-03-04T10:59:58+01:00",
    "client_details": {"user_agent": "Mozilla/5.0 (X11; Linux)"},
    "customer": {
        "id": 115310627314723954,
        "first_name": "Jane",
        "last_name": "Doe",
        "admin_graphql_api_id": "gid://shopify/Customer/115310627314723954",
    },
    "billing_address": {
        "name": "Jane Doe",
        "address1": "1 Main St",
        "zip": "94107",
        "city": "San Francisco",
        "country_code": "US",
        "phone": "(415) 555-2671",
        "latitude": 37.77,
    },
    "line_items": [{"id": 1, "sku": "LAMP", "name": "Blue lamp", "quantity": 2, "price": "199.95"}],
    "note_attributes": [{"name": "gclid", "value": "Cj0KCQ"}, {"name": "colour", "value": "red"}],
}
load = functools.cache(mapping.load_mapping)
PERSONAL = (
    "jane", "Jane", "Doe", "415", "2671", "81.2.69", "aabbccddeeff", "deadbeef", "Cj0KCQ", "X11", "115310627314723954",
    "Main", "94107", "Francisco", "37.77", "ring", "app-secret", "xyzzy",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("BRIDGE_MAPPINGS", "BRIDGE_STORE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def add(folder: Path, provider: str, body: Any, *more: str) -> tuple[Path, int]:
    given = folder / "body.json"
    given.write_bytes(body if isinstance(body, bytes) else json_text.write_json(body))
    status = main(["example", "add", provider, str(given), "--to", str(folder / "examples" / provider), *more])
    written = sorted((folder / "examples" / provider).glob("*.yaml"))
    return (written[0] if written else folder), status


def document_of(path: Path) -> Any:
    root = document.read_document(path.read_bytes(), name=path.name, problems=Problems())
    assert root is not None
    return document.plain_value(root)


def test_an_order_becomes_an_example_without_its_person(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, status = add(
        folder, "shopify", ORDER, "--topic", "orders/paid", "--header", "X-Shopify-Hmac-Sha256: xyzzy",
        "--header", "Authorization: Bearer app-secret", "--header", "X-Shopify-Shop-Domain: a-shop.myshopify.com",
    )  # fmt: skip
    assert status == 0
    assert path.name == "orders_paid.usual.yaml"
    text = path.read_text()
    assert [word for word in PERSONAL if word in text] == []
    told = capsys.readouterr()
    assert [word for word in PERSONAL if word in told.out + told.err] == []
    assert "1 e-mail addresses" in told.err
    assert "expects: purchase" in told.err
    made = document_of(path)
    assert made["given"]["headers"] == {
        "X-Shopify-Shop-Domain": "a-shop.myshopify.com", "X-Shopify-Topic": "orders/paid",
    }  # fmt: skip
    event = made["expect"][0]
    assert event["properties"]["order_id"] == "9007199254740993111"
    assert str(event["properties"]["value"]) == "404.90"


def test_what_belonged_together_still_does(folder: Path) -> None:
    path, _ = add(folder, "shopify", ORDER, "--topic", "orders/paid")
    body = document_of(path)["given"]["body"]
    customer, address = body["customer"], body["billing_address"]
    assert f"{customer['first_name']} {customer['last_name']}" == address["name"]
    assert customer["admin_graphql_api_id"].endswith(f"/{customer['id']}")
    assert body["token"] in body["order_status_url"]
    assert [letter for letter in body["phone"] if letter.isdigit()][1:] == [x for x in address["phone"] if x.isdigit()]
    assert body["note_attributes"][0]["value"] in body["landing_site"]
    assert body["email"].replace("@", "%40") in body["landing_site"]


def test_structure_money_and_what_is_no_persons_stay(folder: Path) -> None:
    path, _ = add(folder, "shopify", ORDER, "--topic", "orders/paid")
    body = document_of(path)["given"]["body"]
    for key in ("id", "total_price", "currency", "processed_at", "line_items"):
        assert body[key] == ORDER[key]
    assert list(body) == list(ORDER)
    assert body["note_attributes"][1] == {"name": "colour", "value": "red"}
    assert body["landing_site"].endswith("&colour=red")
    assert body["billing_address"]["country_code"] == "US"


def test_it_is_the_same_every_time(folder: Path) -> None:
    one, _ = add(folder / "", "shopify", ORDER, "--topic", "orders/paid")
    first = one.read_text()
    one.unlink()
    again, _ = add(folder, "shopify", ORDER, "--topic", "orders/paid")
    assert again.read_text() == first


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_shipped_body_becomes_an_example_that_holds(path: Path, folder: Path) -> None:
    provider = path.parent.name
    shipped = examples.read_example(path.read_bytes(), name=path.name, problems=Problems())
    assert shipped is not None
    assert not shipped.earlier
    options = [part for name, value in shipped.headers.items() for part in ("--header", f"{name}: {value}")]
    options += [part for name, value in shipped.vars.items() for part in ("--var", f"{name}={value}")]
    written, status = add(folder, provider, shipped.body, *options)
    assert status == 0
    problems = Problems()
    made = examples.read_example(written.read_bytes(), name=written.name, problems=problems)
    assert made is not None, problems.all_problems
    known = load(MAPPINGS / f"{provider}.yaml")
    assert examples.example_outcome(known, made) == made.expect
    assert type(made.expect) is type(shipped.expect)
    if isinstance(made.expect, dict):
        assert made.expect == shipped.expect
        return
    for event, before in zip(made.expect, shipped.expect, strict=True):
        for name in ("event_type", "timestamp"):
            assert event.get(name) == before.get(name)
        for name in ("value", "currency", "order_id"):
            assert event.get("properties", {}).get(name) == before.get("properties", {}).get(name)
        for name in ("email", "phone", "first_name", "last_name"):
            was, now = before.get("user_data", {}).get(name), event.get("user_data", {}).get(name)
            assert (was is None) == (now is None), name
            assert was is None or was != now, name
        assert set(event.get("context", {})) == set(before.get("context", {}))


def test_a_kept_webhook_becomes_an_example(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{folder / 'store.db'}"
    monkeypatch.setenv("BRIDGE_STORE", url)
    webhook = Webhook(
        source="shopify",
        id="w1",
        topic="orders/paid",
        received_at=datetime(2026, 3, 4, tzinfo=UTC),
        body=json_text.write_json(ORDER),
        identity=(bytes(16),),
        headers={
            "x-shopify-topic": "orders/paid",
            "host": "bridge.test",
            "user-agent": "Ruby",
            "x-forwarded-for": "1.2.3.4",
        },
    )

    async def keep() -> None:
        store = open_store(url)
        await store.keep([webhook])
        await applied(store)
        await store.close()

    asyncio.run(keep())
    assert main(["example", "add", "shopify", "--from-webhook", "wh_1", "--to", str(folder / "made")]) == 0
    made = document_of(folder / "made" / "orders_paid.usual.yaml")
    assert made["given"]["headers"] == {"x-shopify-topic": "orders/paid"}
    assert made["expect"][0]["event_type"] == "purchase"


def test_check_runs_what_was_added_beside_a_mapping(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "shopify.yaml").write_bytes((MAPPINGS / "shopify.yaml").read_bytes())
    (folder / "body.json").write_bytes(json_text.write_json(ORDER))
    command = ["example", "add", "shopify.yaml", "body.json", "--topic", "orders/paid", "--name", "mine"]
    assert main(command) == 0
    assert capsys.readouterr().out == "examples/shopify/orders_paid.mine.yaml\n"
    assert main(["check", "shopify.yaml"]) == 0
    assert main(command) == 1
    assert "is there already; give another --name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shopify"], "give one of them"),
        (["nobody", "body.json"], "there is no mapping for `nobody`"),
        (["stripe", "body.json", "--topic", "x"], "says its topic in the body"),
        (["shopify", "body.json", "--name", "a/b"], "--name must be of letters"),
        (["shopify", "text.txt"], "neither JSON nor a form"),
        (["shopify", "gone.json"], "cannot be read"),
        (["shopify", "body.json", "--var", "country"], "--var takes K=V"),
        (["shopify", "--from-webhook", "wh_1"], "there is no store"),
        (["shopify", "half.json"], "holds half a character (a lone surrogate)"),
        (["shopify", "half_key.json"], "holds half a character (a lone surrogate)"),
        (["shopify", "body.json", "--header", "X-A: \udcff"], "holds half a character (a lone surrogate)"),
        (["shopify", "deep.json"], "the body is nested over 64 deep"),
        (["shopify", "deep_list.json"], "the body is nested over 64 deep"),
    ],
)
def test_what_cannot_be_made_is_said(
    arguments: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "body.json").write_text('{"id": 1}')
    (folder / "text.txt").write_text("<xml/>")
    (folder / "half.json").write_text(r'{"id": 1, "note": "\ud800"}')
    (folder / "half_key.json").write_text(r'{"id": 1, "\ud800": 1}')
    (folder / "deep.json").write_text('{"id":' * 400 + "1" + "}" * 400)
    (folder / "deep_list.json").write_text('{"id":' + "[" * 400 + "]" * 400 + "}")
    assert main(["example", "add", *arguments, "--to", str(folder / "out")]) == 1
    assert told in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_form_keeps_its_fields(folder: Path) -> None:
    (folder / "acme.yaml").write_text(
        "mapping: 1\nprovider: acme\nwebhook:\n  signature: {kind: basic}\n  topic: form:type\n"
        "events:\n  - topic: lead\n    event:\n      event_type: lead\n      user_data: {email: =body.email}\n"
    )
    (folder / "body").write_text("type=lead&email=jane.doe%40mail.test&plan=gold")
    assert main(["example", "add", "acme.yaml", "body", "--name", "a"]) == 0
    made = document_of(folder / "examples" / "acme" / "lead.a.yaml")
    assert made["given"]["body"].startswith("type=lead&email=")
    assert made["given"]["body"].endswith("%40example.com&plan=gold")
    assert made["expect"][0]["user_data"]["email"].endswith("@example.com")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("email", "a.b@c.test"),
        ("contact", "call me: a.b@c.test today"),
        ("phone_number", "0151 23456789"),
        ("mobile", "+49 1512 3456789"),
        ("anything", "+44 7400 123456"),
        ("cardholder_name", "Ada Lovelace"),
        ("postalCode", "69001"),
        ("ip", "2a02:8071::1"),
        ("whatever", "81.2.69.142"),
        ("userAgent", "some agent"),
        ("access_token", "0123456789abcdef"),
        ("customerId", "c-77"),
        ("customer", "cus_A100"),
        ("last4", "4242"),
        ("birth_date", "1980-02-03"),
        ("longitude", "2.3522"),
        ("comment", "leave it at the door"),
    ],
)
def test_a_personal_value_is_known_by_key_or_looks(key: str, value: str) -> None:
    inventor = Anonymizer()
    inventor.learn_values({"object": {key: value}})
    made = inventor.replace_values({"object": {key: value}})["object"][key]
    assert made != value
    assert value not in made
    assert type(made) is str


@pytest.mark.parametrize(
    "document",
    [
        {"id": "ord_1", "order_id": 7, "amount": 100, "currency": "EUR", "type": "paid", "status": "open"},
        {"product": {"id": 5, "name": "Blue lamp"}, "items": [{"name": "Cap", "sku": "C-1"}]},
        {"created": 1772618400, "created_at": "2026-03-04T10:00:00Z", "livemode": True, "none": None},
        {"name": "#1001", "quantity": 3, "price": "19.90", "tags": ["vip", ""], "coupon": "SPRING"},
    ],
)
def test_what_is_no_persons_stays(document: Any) -> None:
    inventor = Anonymizer()
    inventor.learn_values(document)
    assert inventor.replace_values(document) == document
    assert not inventor.met


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.decimals(-1000, 1000, places=2) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_as_yaml_reads_back(value: Any) -> None:
    problems = Problems()
    root = document.read_document(
        f"given:\n{dump.dump_document({'value': value}, indent=2)}\n", name="x.yaml", problems=problems
    )
    assert root is not None, problems.all_problems
    assert document.plain_value(root) == {"given": {"value": value}}


@given(JSON)
def test_structure_and_types_stay_whatever_comes(value: Any) -> None:
    inventor = Anonymizer()
    inventor.learn_values(value)
    made = inventor.replace_values(value)

    def shape(each: Any) -> Any:
        match each:
            case dict():
                return {key: shape(below) for key, below in each.items()}
            case list():
                return [shape(below) for below in each]
            case _:
                return type(each)

    assert shape(made) == shape(value)
    json.dumps(shape(value), default=str)
