"""Wrong mappings yield exactly their problems: path, line, column, severity and text, all in one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_author import HEAD, one_event, problems, written

from bridge import mapping
from bridge.core.errors import MappingError

ORDER = "{order_id: =body.id, value: =body.v, currency: EUR}"
EVENTS = "events:\n  - topic: made\n    event: {event_type: thing}\n"


def rule(*lines: str) -> str:
    return HEAD + "events:\n  - topic: made\n" + "".join(f"    {line}\n" for line in lines)


EXPRESSIONS = [
    # what is written for `x`, which begins in line 12, column 9, and the problems behind `shop.yaml:12:`
    ("=", ["13: error: an empty expression: write one after the `=`"]),
    ("=body.", ["18: error: the expression ends too early"]),
    ("=body.a ||", ["22: error: the expression ends too early"]),
    ("=body.a b", ["20: error: 'b' cannot stand here"]),
    ("=body.a = 'b'", ["20: error: one `=` compares nothing; write `==`"]),
    ("=body.a == 'b", ["23: error: what opens with ' is never closed"]),
    ("=body.a ? 'b'", ["20: error: '?' has no meaning in an expression; for a choice write `choose(condition, yes, no)`"]),
    ("=body.a + body.b", ["20: error: '+' has no meaning in an expression; write `add(…, …)` for numbers, `format('{}{}', …, …)` for texts"]),
    ("=body.a-b", ["19: error: '-' has no meaning in an expression; a name with `-` stands in double quotes, `\"a-b\"`; a difference is `subtract(…, …)`"]),
    ("=lower(body.a body.b)", ["26: error: 'body' cannot stand here"]),
    ("=lower(body.a,)", ["26: error: ')' cannot stand here"]),
    ("'=\"lower\"(body.a)'", ["14: error: a function's name stands without quotes"]),
    ("=total_price", ["13: error: unknown name 'total_price'; did you mean `body.total_price`?"]),
    ("=bdy.total", ["13: error: unknown name 'bdy'; did you mean 'body'?"]),
    ("=attributs.x", ["13: error: unknown name 'attributs'; did you mean 'attributes'?"]),
    ("=a || b", ["13: error: unknown name 'a'; did you mean `body.a`?", "18: error: unknown name 'b'; did you mean `body.b`?"]),
    ('=body.x == "paid"', ["23: error: unknown name \"paid\": in double quotes it is a field's name; text is written 'paid'"]),
    ("=body.x == null", ["23: error: unknown name 'null'; write it in backticks"]),
    ("=body.x == true", ["23: error: unknown name 'true'; write it in backticks"]),
    ("'=@'", ["14: error: the outermost object has names only: begin with one, such as `body`"]),
    ("'=@.body'", ["14: error: the outermost object has names only: begin with one, such as `body`"]),
    ("'=*'", ["14: error: the outermost object has names only: begin with one, such as `body`"]),
    ("=keys(@)", ["18: error: the outermost object has names only: begin with one, such as `body`"]),
    ("'=[0]'", ["14: error: the outermost object has names only: begin with one, such as `body`"]),
    ("'=[*].a'", ["14: error: the outermost object has names only: begin with one, such as `body`"]),
    ("=webhook.topc", ["21: error: webhook has no `topc`; did you mean 'topic'?"]),
    ("=source.var.country", ["20: error: source has no `var`; did you mean 'vars'?"]),
    ("=source.vars.contry", ["25: error: no var is called `contry`; did you mean 'country'?"]),
    ("=source.vars.zzz", ["25: error: no var is called `zzz`; declare it under `vars:`"]),
    ('=headers."X-Topic"', ['21: error: names of headers are in lower case here: write headers."x-topic"']),
    ("=lowr(body.a)", ["13: error: unknown function 'lowr'; did you mean 'lower'?"]),
    ("=lower()", ["13: error: lower() takes 1 argument, got 0: lower(text: string) -> string"]),
    ("=lower(`5`)", ["19: error: lower() takes text as argument 1, not a number"]),
    ("=lower(body.a == 'b')", ["19: error: lower() takes text as argument 1, not a boolean"]),
    ("=sort_by(body.a || [body.b], 'c')", ["41: error: sort_by() takes `&…` as argument 2"]),
    ("=from_minor(body.a, body.b)", ["13: error: from_minor() needs the table `minor_units:` in the mapping"]),
    ("=body.a[::0]", ["18: error: a slice's step cannot be 0"]),
    ("=!body.a.b", ["13: error: `!a.b` means `(!a).b`, which is null: write `!(a.b)`, or ``a.b == `false` ``"]),
    ('=body.a[?b == "c"]', ["26: warning: \"c\" in double quotes is a field's name: write 'c'"]),
    ("=body.a[?b == null]", ["26: warning: `null` is a field's name here: write it in backticks"]),
    ("=body.a[?b == 'c'][0]", ["13: warning: `[?…][0]` takes the index of each element: write `[?…] | [0]`"]),
    (
        "=body.a[?b == body.c]",
        [
            ("26: warning: `body` is the element's field here, not the root: bring the value in with for_each, "
            "or write `@.body` if the field is meant")
        ],
    ),
    ("=body.a[?b == @.body]", []),
    ("=body.a.body", []),
    ("=body.attributes.a", []),
    (
        "=body.a | body.b",
        [
            ("22: warning: `body` is the element's field here, not the root: bring the value in with for_each, "
            "or write `@.body` if the field is meant")
        ],
    ),
    ("=contains(body.tags, 'vip')", ["22: warning: contains() fails on null: write `… || ''` where it may be missing"]),
    ("=contains(body.tags || '', 'vip')", []),
    ("=body.a == `paid`", ["23: warning: backticks hold JSON: write text as `'…'`"]),
    ("'=body.a == `{\"b\":1,\"b\":2}`'", ["24: error: the literal in backticks the key 'b' is twice in one object"]),
    ('" =body.a"', ["12: warning: white space stands before the `=`, so this is a text and no expression"]),
    ("=format('order #{}', body.id)", ["20: error: what opens with ' is never closed; put the expression in quotes"]),
    ("=body.a || 'b' # a comment", []),
    ("{y: =lower(body.a, 'b')}", ["34: error: not YAML: did not find expected ',' or '}'; put the expression in quotes"]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
def test_a_wrong_expression_yields_exactly_its_problems(expression: str, wanted: list[str]) -> None:
    text = one_event(f"properties:\n  x: {expression}") + (
        "let:\n  attributes: =body.attributes\nvars:\n  country: {default: ''}\n"
    )
    assert problems(text) == [f"shop.yaml:12:{each}" for each in wanted]


FILES = [
    # the parts of the file, and its problems behind `shop.yaml:`
    ("events: []\n", [
        "1:1: error: a mapping needs `mapping`",
        "1:1: error: a mapping needs `provider`",
        "1:1: error: a mapping needs `webhook`",
    ]),
    ("- a\n", ["1:1: error: a mapping must be an object"]),
    (HEAD, ["1:1: error: a mapping needs `events`"]),
    (HEAD.replace("mapping: 1", "mapping: 2") + EVENTS, [
        "1:10: error: this is version 1 of the language: write `mapping: 1`",
    ]),
    (HEAD.replace("provider: shop", "provder: shop") + EVENTS, [
        "1:1: error: a mapping needs `provider`",
        "2:1: error: unknown key 'provder'; did you mean 'provider'?",
    ]),
    (HEAD.replace("provider: shop", "provider: My Shop") + EVENTS, [
        "2:11: error: provider must be of a-z, 0-9, `-` and `_`: it stands in addresses",
    ]),
    (HEAD + "evnts: []\n" + EVENTS, ["7:1: error: unknown key 'evnts'; did you mean 'events'?"]),
    (HEAD + "event: []\n", [
        "1:1: error: a mapping needs `events`",
        "7:1: error: unknown key 'event'; did you mean 'events'?",
    ]),
    (HEAD + "events: {}\n", ["7:9: error: events must be a list: begin each entry with `- `"]),
    (HEAD + "events: [5]\n", ["7:10: error: a rule must be an object"]),
    (rule("evnt: {event_type: thing}"), [
        "8:5: error: a rule needs `event`",
        "9:5: error: unknown key 'evnt'; did you mean 'event'?",
    ]),
    (HEAD + "events:\n  - event: {event_type: thing}\n", ["8:5: error: a rule needs `topic`"]),
    (rule("event: =body"), ["9:12: error: event must be an object"]),
    (rule("event: {x: 1}"), ["9:12: error: an event needs `event_type`"]),
    (rule("event: {event_type: 5}"), ["9:25: error: event_type must be text"]),
    (rule("event: {event_type: ''}"), ["9:25: error: event_type must be text"]),
    (rule("event: {event_type: [a]}"), ["9:25: error: event_type must be text"]),
    (rule("event: {for_each: a, in: =body.a, map: =a}"), [
        "9:12: error: an event is one object; for_each makes a list",
    ]),
    (rule("when: true", "dedupe: x", "event: {event_type: thing}"), [
        "9:11: error: when must be an expression, which begins with `=`",
        "10:13: error: dedupe must be an expression, which begins with `=`",
    ]),
    (rule("event: {event_type: purchase}"), [
        "9:12: error: `properties.currency` is required and nothing gives it: write it, or `require: []`",
        "9:12: error: `properties.order_id` is required and nothing gives it: write it, or `require: []`",
        "9:12: error: `properties.value` is required and nothing gives it: write it, or `require: []`",
    ]),
    (rule("event: {event_type: purchase, properties: =body.p}"), []),
    (rule(f"event: {{event_type: purchase, properties: {ORDER}}}"), []),
    (rule("require: [user_id]", "event: {event_type: thing, user_id: ''}"), [
        "9:15: error: `user_id` is required and nothing gives it: write it, or `require: []`",
    ]),
    (rule("recall: {event_type: purchase, dedupe: =body.id, take: [user_data], wait: 1h}", "event: {event_type: thing}"), []),
    (rule("recall: {event_type: [purchase, lead], dedupe: [=body.id, =body.o], take: [user_data]}",
          "event: {event_type: thing, user_id: =earlier.user_id}"), []),
    (rule("recall: {event_type: purchase, dedupe: [=body.id, x], take: [user_data]}", "event: {event_type: thing}"), [
        "9:55: error: dedupe must be an expression, which begins with `=`",
    ]),
    (rule("event: {event_type: thing, user_id: =earlier.user_id}"), [
        "9:42: error: `earlier` is what the rule's `recall` finds, and is known in a rule that has one",
    ]),
    (rule("when: =earlier.user_id", "recall: {event_type: purchase, dedupe: =body.id, take: [user_data]}",
          "event: {event_type: thing}"), []),
    (rule("recall: {event_type: purchase, dedupe: =earlier.id, take: [user_data]}", "event: {event_type: thing}"), [
        "9:45: error: `earlier` is what the rule's `recall` finds, and is known in a rule that has one",
    ]),
    (rule("recall: {event_typ: purchase, dedupe: x}", "event: {event_type: thing}"), [
        "9:13: error: recall needs `event_type`",
        "9:13: error: recall needs `take`",
        "9:14: error: unknown key 'event_typ'; did you mean 'event_type'?",
        "9:43: error: dedupe must be an expression, which begins with `=`",
    ]),
    (rule("event:", "  event_type: thing", "  items: {for_each: line, in: =body.lines, mpa: =line}"), [
        "11:14: error: a for_each needs `map`",
        "11:48: error: unknown key 'mpa'; did you mean 'map'?",
    ]),
    (rule("event:", "  event_type: thing", "  items: {for_each: body, in: =body.lines, map: =body}"), [
        "11:25: error: the name 'body' is taken; give the elements another one",
    ]),
    (rule("event:", "  event_type: thing", "  items: {for_each: a b, in: =body.lines, map: =body}"), [
        "11:25: error: for_each must be a name of letters, digits and `_`",
    ]),
    (rule("event:", "  event_type: thing", "  items: {for_each: line, in: =body.lines, map: =lin.sku}"), [
        "11:54: error: unknown name 'lin'; did you mean 'line'?",
    ]),
    (rule("event:", "  event_type: thing", "  properties:", "    =body.x: 1"), [
        "12:9: error: a key is no expression; for the text write `==body.x`",
    ]),
    (HEAD.replace("provider: shop", "provider: [shop]\ntitle: =x") + EVENTS, [
        "2:11: error: provider must be a single value",
        "3:8: error: title must be a plain text",
    ]),
    ("mapping: 1\nprovider: shop\nwebhook: 5\nvars: [a]\n" + EVENTS, [
        "3:10: error: webhook must be an object",
        "4:7: error: vars must be an object",
    ]),
    (rule("topics: [made]", "when: [=body.x]", "require: [=body.x, user_id]", "event: {event_type: thing, user_id: =body.u}"), [
        "9:5: error: unknown key 'topics'; did you mean 'topic'?",
        "11:15: error: must be a plain text",
    ]),
    (HEAD + EVENTS + "let:\n  a: =b\n  b: =c.x\n  c: =a\n", ["11:6: error: goes in a circle: a → b → c → a"]),
    (HEAD + EVENTS + "let:\n  body: =headers\n", ["11:3: error: the name 'body' is taken by a root"]),
    (HEAD + EVENTS + "let:\n  a-b: =body\n", ["11:3: error: a name must be of letters, digits and `_`"]),
    (HEAD + "  test: =webhook.test\n" + EVENTS, [
        "7:9: error: goes in a circle: webhook.test → webhook.test",
    ]),
    (HEAD + "  test: yes\n" + EVENTS, ["7:9: error: test must be an expression, which begins with `=`"]),
    (HEAD + EVENTS + "vars:\n  a: {default: x, allowed: [y, z]}\n  b: {help: no default}\n", [
        "11:16: error: the default must be one of y, z",
        "12:6: error: the var b needs `default`",
    ]),
    (HEAD + EVENTS + "minor_units: {default: two, exponents: {x: [jpy], 3: kwd}}\n", [
        "10:24: error: default must be a number of decimals, such as 2",
        "10:41: error: the key 'x' must be a number of decimals, such as 0 or 3",
    ]),
    (HEAD + EVENTS + "ignore:\n  made: twice\n  other: 5\n  more: ''\n", [
        ("11:3: error: the topic 'made' stands under `events` too; keep one: where no rule's `when` holds it is "
        "ignored by itself"),
        "12:10: error: must be a text that says why the topic is ignored",
        "13:9: error: must be a text that says why the topic is ignored",
    ]),
    (HEAD + EVENTS + "set_aside:\n  - {reason: x}\n  - {when: =body.x}\n  - {when: =bod.x, reason: y}\n", [
        "11:5: error: an entry of set_aside needs `when`",
        "12:5: error: an entry of set_aside needs `reason`",
        "13:13: error: unknown name 'bod'; did you mean 'body'?",
    ]),
    (HEAD.replace("kind: hmac", "kind: hmca") + EVENTS, [
        ("4:21: error: `kind` must be one of hmac, digest, token, basic, ed25519, ecdsa_p256, none, got 'hmca'; "
        "did you mean 'hmac'?"),
    ]),
    (HEAD.replace("header:X-Id", "headr:X-Id") + EVENTS, None),
    (HEAD + "  itms: /x\n" + EVENTS, ["7:3: error: unknown key 'itms'; did you mean 'items'?"]),
    (HEAD + EVENTS + "let:\n  a: '=[body, body] | " + " | ".join(["[@, @]"] * 10) + "'\n", [
        "11:6: error: could repeat what it reads over 1,000 times",
    ]),
    (HEAD + EVENTS + "let:\n  a: =[body, body, body]\n" + "".join(
        f"  {name}: =[{before}, {before}, {before}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
    ), ["17:6: error: could repeat what it reads over 1,000 times"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), FILES, ids=range(len(FILES)))
def test_a_wrong_file_yields_exactly_its_problems(text: str, wanted: list[str] | None) -> None:
    found = problems(text)
    if wanted is None:  # the recipe's own words, told at the line of the file
        assert len(found) == 1
        assert found[0].startswith("shop.yaml:5:8: error: 'headr:X-Id' is no place in a request")
    else:
        assert found == [f"shop.yaml:{each}" for each in wanted]


def test_load_raises_with_all_errors_and_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(
        written("events:\n  - topic: made\n    event: {event_type: thing, properties: {x: =a, y: =lowr(body.x)}}\n")
    )
    with pytest.raises(MappingError) as refusal:
        mapping.load_mapping(path)
    assert [str(problem) for problem in refusal.value.problems] == [
        "acme.yaml:9:49: error: unknown name 'a'; did you mean `body.a`?",
        "acme.yaml:9:56: error: unknown function 'lowr'; did you mean 'lower'?",
    ]


def test_warnings_are_told_and_keep_nothing_from_working() -> None:
    text = one_event("properties: {x: \"=contains(body.tags, 'vip')\"}")
    made, found = mapping.check_mapping(text, name="shop.yaml")
    assert made is not None
    assert [problem.severity for problem in found] == ["warning"]
    assert mapping.parse_mapping(text, name="shop.yaml").provider == "shop"
