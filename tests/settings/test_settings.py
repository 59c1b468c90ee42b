"""What the operator may set, and what is said when it is set wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.alert_targets import NO_ALERTS
from bridge.core.errors import SettingsError
from bridge.settings import TABLE, DestinationSettings, Setting, Settings, load_settings, store_url
from bridge.settings.app_config import AppConfig
from bridge.settings.load import load_configuration
from bridge.store.protocol import DEFAULT_LIMITS

PROVIDERS = {"shopify": ("purchase", "shop"), "stripe": ("purchase", "refund")}
BOUNDED = ("BRIDGE_MIN_FREE", "BRIDGE_QUEUE_LIMIT", "BRIDGE_QUEUE_PATIENCE")


def loaded(environment: dict[str, str], config: Path | None = None) -> Settings:
    return load_settings(environment, providers=PROVIDERS, config=config)


def filed(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    return loaded(environment or {}, path)


def complaint(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        filed(tmp_path, text, environment)
    return str(caught.value).replace(str(tmp_path), "")


def test_nothing_set_is_a_store_beside_the_process_and_nothing_else() -> None:
    settings = loaded({})
    assert settings.store == "sqlite:///trackbridge.db"
    assert (settings.sources, settings.destinations, settings.keys) == ((), (), ())


def test_a_providers_secret_makes_the_source_of_its_name_with_each_secret_of_the_list() -> None:
    [source] = loaded({"STRIPE_WEBHOOK_SECRET": "whsec_a, whsec_b"}).sources
    assert (source.name, source.mapping, source.secrets) == ("stripe", "stripe", ("whsec_a", "whsec_b"))


@pytest.mark.parametrize("value", ["", "  ", "whsec_a,", ",whsec_a", "a,,b"])
def test_a_secret_that_is_set_but_blank_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="STRIPE_WEBHOOK_SECRET is set but blank"):
        loaded({"STRIPE_WEBHOOK_SECRET": value})


def test_the_environments_destination_is_called_track() -> None:
    [destination] = loaded({"BRIDGE_TRACK_URL": "https://up.example", "BRIDGE_TRACK_KEY": "k"}).destinations
    expected = {"url": "https://up.example", "api_key": "k", "rate": "1000", "test": "false"}
    assert destination == DestinationSettings("track", "track", expected)


def test_the_environments_destination_takes_test_events_and_a_rate_where_told() -> None:
    environment = {
        "BRIDGE_TRACK_URL": "https://up.example",
        "BRIDGE_TRACK_KEY": "k",
        "BRIDGE_TRACK_RATE": "60",
        "BRIDGE_TRACK_TEST": "1",
    }
    [destination] = loaded(environment).destinations
    assert (destination.options["rate"], destination.options["test"]) == ("60", "true")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BRIDGE_TRACK_URL": "https://up.example"}, "BRIDGE_TRACK_URL is set without BRIDGE_TRACK_KEY"),
        ({"BRIDGE_TRACK_KEY": "k"}, "BRIDGE_TRACK_KEY is set without BRIDGE_TRACK_URL"),
        ({"BRIDGE_TRACK_URL": "u", "BRIDGE_TRACK_KEY": "k", "BRIDGE_TRACK_RATE": "fast"}, "BRIDGE_TRACK_RATE must be"),
        ({"BRIDGE_TRACK_URL": "u", "BRIDGE_TRACK_KEY": "k", "BRIDGE_TRACK_TEST": "yes"}, "BRIDGE_TRACK_TEST must be"),
        ({"BRIDGE_API_KEYS": ""}, "BRIDGE_API_KEYS is set but blank"),
        ({"BRIDGE_TRAK_URL": "https://up.example"}, "did you mean BRIDGE_TRACK_URL?"),
        ({"BRIDGE_WEBHOOK_LIMIT": "5MB"}, "BRIDGE_WEBHOOK_LIMIT must be a whole number"),
        (
            {"BRIDGE_BODY_BUDGET": "16MiB"},
            "BRIDGE_BODY_BUDGET must be 20971520 bytes or more: 4 times the largest body",
        ),
        ({"BRIDGE_WEBHOOK_LIMIT": "8388608"}, "BRIDGE_BODY_BUDGET must be 33554432 bytes or more"),
        (
            {"BRIDGE_TRUSTED_PROXIES": "10.0.0.5/8"},
            "entry 1 is a network whose address has bits set behind its prefix; write",
        ),
        (
            {"BRIDGE_TRUSTED_PROXIES": "10.0.0.5, caddy"},
            "BRIDGE_TRUSTED_PROXIES: entry 2 is no address and no network; write addresses such as 10.0.0.5",
        ),
        ({"BRIDGE_TRUSTED_PROXIES": "10.0.0.5,"}, "BRIDGE_TRUSTED_PROXIES is set but blank"),
        ({"BRIDGE_MIN_FREE": "plenty"}, "BRIDGE_MIN_FREE must be a number of bytes, or one with a unit, such as 64MiB"),
        ({"BRIDGE_MIN_FREE": "-1"}, "BRIDGE_MIN_FREE must be a number of bytes"),
        ({"BRIDGE_MIN_FREE": "1.5GiB"}, "BRIDGE_MIN_FREE must be a number of bytes"),
        ({"BRIDGE_LOG": "xml"}, "BRIDGE_LOG must be text or json"),
        ({"BRIDGE_SPOOL": "/srv/spool"}, "BRIDGE_SPOOL is for a store on a PostgreSQL server"),
        ({"BRIDGE_QUEUE_LIMIT": "0"}, "BRIDGE_QUEUE_LIMIT must be 1 or more"),
        ({"BRIDGE_QUEUE_PATIENCE": "0"}, "BRIDGE_QUEUE_PATIENCE must be from 1 to 60 seconds"),
        ({"BRIDGE_QUEUE_PATIENCE": "61"}, "BRIDGE_QUEUE_PATIENCE must be from 1 to 60 seconds"),
    ],
)
def test_a_wrong_environment_is_refused_by_name(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(environment)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1048576", 1 << 20), ("64MiB", 64 << 20), ("2 GiB", 2 << 30), ("5mb", 5_000_000), ("1g", 1 << 30)],
)
def test_free_space_is_set_in_bytes_or_with_a_unit(text: str, size: int) -> None:
    assert loaded({"BRIDGE_MIN_FREE": text}).bounds.min_free == size


def test_the_budget_of_bodies_and_the_trusted_proxies_are_set_and_have_the_tables_defaults() -> None:
    default = next(row.default for row in TABLE if row.name == "BRIDGE_BODY_BUDGET")
    assert loaded({}).body_budget == loaded({"BRIDGE_BODY_BUDGET": default}).body_budget
    assert loaded({}).trusted_proxies == ()
    set_ = loaded({"BRIDGE_BODY_BUDGET": "64MiB", "BRIDGE_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, fd00::/8"})
    assert set_.body_budget == 64 << 20
    assert [str(one) for one in set_.trusted_proxies] == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]


def test_the_limits_of_what_waits_for_the_disk_are_set_and_have_the_tables_defaults() -> None:
    assert loaded({}).bounds == DEFAULT_LIMITS
    assert loaded({row.name: row.default for row in TABLE if row.name in BOUNDED}).bounds == DEFAULT_LIMITS
    set_ = loaded({"BRIDGE_QUEUE_LIMIT": "7", "BRIDGE_QUEUE_PATIENCE": "2"}).bounds
    assert (set_.waiting, set_.max_wait) == (7, timedelta(seconds=2))


def test_a_secret_for_no_known_provider_is_told_with_the_nearest_name() -> None:
    [warning] = loaded({"STRIP_WEBHOOK_SECRET": "x"}).warnings
    assert (
        warning
        == "STRIP_WEBHOOK_SECRET is set, but no source or mapping has that name; did you mean STRIPE_WEBHOOK_SECRET?"
    )


def test_api_keys_have_names_that_are_not_the_keys() -> None:
    keys = loaded({"BRIDGE_API_KEYS": "one,two", "BRIDGE_API_RATE": "5"}).keys
    assert [(key.name, key.key, key.rate) for key in keys] == [("env-1", "one", 5), ("env-2", "two", 5)]


def test_the_store_of_an_environment_needs_nothing_else() -> None:
    assert store_url({"BRIDGE_STORE": "sqlite:////x.db"}) == "sqlite:////x.db"
    assert store_url({"BRIDGE_STORE": ""}) == "sqlite:///trackbridge.db"


WHOLE = """\
sources:
  shop-eu: {mapping: shopify, secrets: ["${SHOP_EU_SECRET}"], vars: {country: NO}, to: [convultra], scope: shop}
destinations:
  convultra: {kind: track, url: "https://your-endpoint.com", api_key: "${CONVULTRA_SERVER_KEY}", rate: 1000}
api_keys: ["${BRIDGE_KEY}", {name: shop, key: "sha256:00", rate: 0, to: [convultra]}]
"""


def test_a_file_names_sources_destinations_and_keys_and_reads_the_environment(tmp_path: Path) -> None:
    settings = filed(tmp_path, WHOLE, {"SHOP_EU_SECRET": "s", "CONVULTRA_SERVER_KEY": "k", "BRIDGE_KEY": "b"})
    [source] = settings.sources
    assert (source.name, source.mapping, source.secrets, source.to) == ("shop-eu", "shopify", ("s",), ("convultra",))
    assert (source.vars, source.scope) == ({"country": "NO"}, "shop")
    [destination] = settings.destinations
    assert destination.options == {"url": "https://your-endpoint.com", "api_key": "k", "rate": "1000"}
    assert [(key.name, key.key, key.rate, key.to) for key in settings.keys] == [
        ("file-1", "b", 1000, None),
        ("shop", "sha256:00", 0, ("convultra",)),
    ]


def test_an_unset_secret_or_key_leaves_the_source_known_and_the_key_out(tmp_path: Path) -> None:
    settings = filed(tmp_path, WHOLE, {"CONVULTRA_SERVER_KEY": "k"})
    assert settings.sources[0].secrets == ()
    assert [key.name for key in settings.keys] == ["shop"]


def test_environment_and_file_add_up(tmp_path: Path) -> None:
    settings = filed(
        tmp_path,
        WHOLE,
        {
            "CONVULTRA_SERVER_KEY": "k",
            "STRIPE_WEBHOOK_SECRET": "whsec_a",
            "BRIDGE_TRACK_URL": "https://up.example",
            "BRIDGE_TRACK_KEY": "k",
        },
    )
    assert [source.name for source in settings.sources] == ["stripe", "shop-eu"]
    assert [destination.name for destination in settings.destinations] == ["track", "convultra"]


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("sorces: {}", {}, "/bridge.yaml:1:1: unknown key `sorces`; did you mean `sources`?"),
        ("sources:\n  a: {mappin: shopify}", {}, "/bridge.yaml:2:7: unknown key `mappin`; did you mean `mapping`?"),
        ("sources:\n  a: {mapping: stripe}\n  a: {}", {}, "/bridge.yaml:3:3: the key 'a' stands twice, first in line 2"),
        ("sources: [a]", {}, "/bridge.yaml:1:10: must be `name: value` lines"),
        ("sources:\n  a: {secrets: ['${X}']}", {"X": " "}, "/bridge.yaml:2:17: X is set but blank; give it a value or take it out"),
        ("sources:\n  a: {secrets: ['']}", {}, "/bridge.yaml:2:17: is blank; give it a value or take it out"),
        ("sources:\n  a b: {}", {}, "/bridge.yaml:2:8: a name is 1 to 64 letters, digits, `.`, `_` or `-`"),
        ("destinations:\n  a: {api_key: '${X}'}", {}, "/bridge.yaml:2:16: X is not set in the environment; set it, or write the value here"),
        ("api_keys: one", {}, "/bridge.yaml:1:11: must be a list: `[one, two]`"),
        ("api_keys: [{name: a}]", {}, "/bridge.yaml:1:12: an API key needs `key:`"),
        ("sources: {", {}, "/bridge.yaml:2:1: not YAML: "),
        ("sources: {a: {to: [up]}}", {}, "source `a`: entry 1 of `to` names no destination; known are none yet"),
        ("sources: {stripe: {secrets: [a]}}", {"STRIPE_WEBHOOK_SECRET": "s"}, "source `stripe`: its secrets are set twice, in the file and as STRIPE_WEBHOOK_SECRET; keep one"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_at_its_line(tmp_path: Path, text: str, environment: dict[str, str], said: str) -> None:
    assert complaint(tmp_path, text, environment).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: " + "[" * 10_000, "/bridge.yaml:1:73: nested over 64 deep"),
        ("sources: " + "{a: " * 10_000, "/bridge.yaml:1:262: nested over 64 deep"),
        ("- " * 10_000 + "a", "/bridge.yaml:1:129: nested over 64 deep"),
        ("\n".join(" " * depth + "a:" for depth in range(900)), "/bridge.yaml:65:65: nested over 64 deep"),
        (
            "sources: {a: &a {}, b: " + "{x: *a, y: " * 10_000,
            "/bridge.yaml:1:248: over 20 aliases; write the values out",
        ),
        (
            "sources:\n  a: {to: &a [x]}\n" + "".join(f"  s{n}: {{to: *a}}\n" for n in range(30)),
            "/bridge.yaml:23:13: over 20 aliases; write the values out",
        ),
        ("sources: &a [*a]", "/bridge.yaml:1:14: the alias stands inside what it repeats"),
        ("sources: {[hunter2]: {}}", "/bridge.yaml:1:11: a key must be text"),
        (
            "#" * (1 << 20) + "\n",
            "/bridge.yaml: cannot be read: it is larger than 1 MiB; check BRIDGE_CONFIG or --config",
        ),
        (
            "a: *b",
            "/bridge.yaml:1:4: the alias repeats nothing that stands before it; a text that begins with `*` needs quotes",
        ),
    ],
    ids=range(10),
)
def test_a_file_that_is_too_deep_too_large_or_full_of_aliases_is_refused_at_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    assert complaint(tmp_path, text) == said


def test_an_alias_repeats_a_part_of_the_file(tmp_path: Path) -> None:
    text = "sources:\n  a: {mapping: stripe, vars: &v {k: x}}\n  b: {mapping: stripe, vars: *v}\n"
    assert [one.vars for one in filed(tmp_path, text).sources] == [{"k": "x"}, {"k": "x"}]


def test_a_file_that_is_not_there_is_reported_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"none\.yaml: cannot be read: No such file or directory; check BRIDGE_CONFIG"
    ):
        loaded({"BRIDGE_CONFIG": str(tmp_path / "none.yaml")})


def test_no_complaint_repeats_a_secret(tmp_path: Path) -> None:
    for environment in ({"STRIPE_WEBHOOK_SECRET": "hunter2,"}, {"BRIDGE_API_KEYS": "hunter2,,"}):
        with pytest.raises(SettingsError) as caught:
            loaded(environment)
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in complaint(tmp_path, "sources: {a: {mappin: hunter2}}")


@pytest.mark.parametrize(
    "text",
    [
        *("api_keys: [*hunter2]", "hunter2: {}", "sources: {a: {hunter2: b}}", "sources: {a: {secrets: {hunter2: b}}}"),
        *("api_keys: [!hunter2 a]", "api_keys: &hunter2 [*hunter2]", "api_keys: [@hunter2]", "api_keys: [%hunter2]"),
        *(
            'api_keys: ["\\hunter2"]',
            "api_keys: [`hunter2`]",
            "api_keys: [a: hunter2: b]",
            "api_keys: {hunter2",
            "hunter2",
        ),
        *("api_keys: [{key: 0123hunter2, rate: 0x1hunter2}]", "api_keys: a\n--- hunter2\n", "api_keys: [.inf, hunter2"),
    ],
)
def test_a_secret_at_the_wrong_place_of_the_file_is_not_repeated(tmp_path: Path, text: str) -> None:
    assert "hunter2" not in complaint(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "sources: {a: {to: ['${SECRET}']}}",
        "api_keys: [{key: a-made-up-key, to: [up, '${SECRET}']}]\ndestinations: {up: {url: 'http://up.example', api_key: k}}",
        "sources: {a: {mapping: '${SECRET}'}}",
        "sources: {a: {mapping: stripe, vars: {country: '${SECRET}'}}}",
        "destinations: {up: {kind: '${SECRET}'}}",
        "destinations: {up: {url: 'http://up.example', api_key: '${SECRET}'}}",
        "destinations: {up: {url: '${SECRET}', api_key: k}}",
        "destinations: {up: {url: 'http://up.example', api_key: k, batch: '${SECRET}'}}",
        "api_keys: [{key: a-made-up-key, rate: '${SECRET}'}]",
        "api_keys: [{key: a-made-up-key, name: '${SECRET}'}]",
    ],
)
@pytest.mark.parametrize("secret", ["hunter2 hunter2", "hunter2-\u00e9", "1002003001"])
def test_no_error_repeats_a_secret_that_the_environment_put_where_none_belongs(
    tmp_path: Path, text: str, secret: str
) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    try:
        AppConfig(*load_configuration({"SECRET": secret, "BRIDGE_CONFIG": str(path)}, None, tell=False))
    except SettingsError as error:
        assert secret not in str(error)  # noqa: PT017  some of these are right where they stand


@pytest.mark.parametrize("secret", ["hunter2", "10.0.0.5/hunter2", "10.20.30.40/8"])
def test_no_error_repeats_a_value_of_the_trusted_proxies(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({"BRIDGE_TRUSTED_PROXIES": f"10.0.0.5, {secret}"})
    assert secret not in str(caught.value)


def test_what_is_not_set_is_the_tables_default_read_by_its_type() -> None:
    defaults = {row.name: row.default for row in TABLE if row.default and row.name != "BRIDGE_CONFIG"}
    assert replace(loaded(defaults), given=()) == loaded({})
    assert replace(loaded({}), alerts=NO_ALERTS) == Settings()  # the sender of mails is named after the machine


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_blank_text_is_as_good_as_none(row: Setting[object]) -> None:
    assert row.read({row.name: " "}) == row.read({})


@given(text=st.text(max_size=40), row=st.sampled_from(TABLE))
def test_every_type_reads_a_text_or_names_its_setting_and_keeps_the_text_to_itself(
    text: str, row: Setting[object]
) -> None:
    secret = f"s3cret{text}"
    with suppress(SettingsError), _naming(row.name, "s3cret" if row.is_private else None):
        row.read({row.name: secret})


@contextmanager
def _naming(name: str, secret: str | None) -> Iterator[None]:
    """An error that is raised in the block names the setting, and not what is secret."""
    try:
        yield
    except SettingsError as error:
        said = str(error)
        if name not in said or (secret is not None and secret in said):
            pytest.fail(f"said of {name}: {said}")
        raise
