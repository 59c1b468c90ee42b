"""Vars and secrets of sources in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import SettingsError
from bridge.settings import Settings, load_settings
from bridge.settings.app_config import AppConfig
from bridge.settings.load import load_configuration

VARS = {"stripe": ("purchase", "wait_for_richer"), "shop": ("eu_purchase", "purchase")}


def loaded(environment: dict[str, str], file: str | None = None, *, folder: Path | None = None) -> Settings:
    config = None
    if file is not None and folder is not None:
        config = folder / "bridge.yaml"
        config.write_text(file)
    return load_settings(environment, providers=VARS, config=config)


def vars_of(settings: Settings) -> dict[str, dict[str, str]]:
    return {one.name: dict(one.vars) for one in settings.sources if one.vars}


def test_a_declared_var_of_a_mappings_own_source_is_read_with_or_without_a_secret() -> None:
    environment = {"STRIPE_PURCHASE": "charge.succeeded", "STRIPE_API_KEY": "somebody else's", "PATH": "/bin"}
    assert vars_of(loaded(environment)) == {"stripe": {"purchase": "charge.succeeded"}}
    with_secret = loaded(environment | {"STRIPE_WEBHOOK_SECRET": "whsec"})
    assert vars_of(with_secret) == {"stripe": {"purchase": "charge.succeeded"}}
    assert with_secret.warnings == ()


def test_a_source_of_the_file_is_named_in_capitals(tmp_path: Path) -> None:
    settings = loaded({"SHOP_DE_PURCHASE": "x"}, "sources: {shop-de: {mapping: stripe}}", folder=tmp_path)
    assert vars_of(settings) == {"shop-de": {"purchase": "x"}}


def test_where_a_name_fits_two_sources_the_longer_source_counts(tmp_path: Path) -> None:
    settings = loaded({"SHOP_EU_PURCHASE": "x"}, "sources: {shop-eu: {mapping: stripe}}", folder=tmp_path)
    assert vars_of(settings) == {"shop-eu": {"purchase": "x"}}


def test_a_name_that_fits_two_sources_equally_well_is_refused(tmp_path: Path) -> None:
    text = "sources: {shop-eu: {mapping: stripe}, shop_eu: {mapping: stripe}}"
    with pytest.raises(SettingsError, match="SHOP_EU_PURCHASE would be of two sources, `shop-eu` and `shop_eu`"):
        loaded({"SHOP_EU_PURCHASE": "x"}, text, folder=tmp_path)


def test_two_sources_of_such_names_are_no_mistake_by_themselves(tmp_path: Path) -> None:
    text = "sources: {shop-eu: {mapping: stripe}, shop_eu: {mapping: stripe}}"
    assert [one.name for one in loaded({}, text, folder=tmp_path).sources] == ["shop-eu", "shop_eu"]


def test_a_source_called_bridge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a source cannot be called `Bridge`: names like BRIDGE_STORE are settings"):
        loaded({}, "sources: {Bridge: {mapping: stripe}}", folder=tmp_path)


def test_a_var_in_the_file_and_in_the_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the var `purchase` is set twice, in the file and as STRIPE_PURCHASE"):
        loaded({"STRIPE_PURCHASE": "x"}, "sources: {stripe: {vars: {purchase: y}}}", folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "near"),
    [("STRIPE_PURCHSE", "STRIPE_PURCHASE"), ("STRIPE_WAIT_FOR_RICHR", "STRIPE_WAIT_FOR_RICHER")],
)
def test_a_name_that_is_nearly_one_of_a_var_is_warned_of(name: str, near: str) -> None:
    assert loaded({name: "x"}).warnings == (f"{name} is set and nothing reads it; did you mean {near}?",)


@pytest.mark.parametrize("name", ["STRIPE_KEY", "PURCHASE", "STRIPE", "STRIPE_PRICE_TABLE"])
def test_any_other_name_is_somebody_elses(name: str) -> None:
    settings = loaded({name: "x"})
    assert (settings.sources, settings.warnings) == ((), ())


def test_a_source_of_the_file_may_have_its_secret_in_the_environment(tmp_path: Path) -> None:
    [source] = loaded({"STRIPE_WEBHOOK_SECRET": "whsec_a"}, "sources: {stripe: {to: []}}", folder=tmp_path).sources
    assert (source.name, source.secrets, source.to) == ("stripe", ("whsec_a",), ())


def test_the_mapping_follows_a_var_of_the_environment(tmp_path: Path) -> None:
    environment = {"STRIPE_PURCHASE": "payment_intent.succeeded", "BRIDGE_STORE": f"sqlite:///{tmp_path / 'a.db'}"}
    assert AppConfig(*load_configuration(environment, None)).sources["stripe"]
    with pytest.raises(SettingsError, match=r"^STRIPE_PURCHASE: source `stripe`: the var `purchase` must be one of"):
        AppConfig(*load_configuration(environment | {"STRIPE_PURCHASE": "payment"}, None))


def test_a_wrong_var_of_the_file_is_refused_at_its_line(tmp_path: Path) -> None:
    config = tmp_path / "bridge.yaml"
    config.write_text("sources:\n  stripe:\n    vars:\n      purchase: payment\n")
    with pytest.raises(SettingsError) as refusal:
        AppConfig(*load_configuration({"BRIDGE_STORE": f"sqlite:///{tmp_path / 'a.db'}"}, config))
    assert str(refusal.value).startswith(f"{config}:4:17: source `stripe`: the var `purchase` must be one of")
