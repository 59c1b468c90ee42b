"""How the environment's variables for a source are called: `<SOURCE>_<VAR>`, such as `STRIPE_PURCHASE`. Pure."""

from __future__ import annotations


def environment_name(source: str) -> str:
    """How a source's name begins the environment's names for it: `shop-eu` is `SHOP_EU`."""
    return source.upper().replace("-", "_").replace(".", "_")


def var_environment_name(source: str, var: str) -> str:
    """The environment's name for a var of a source: `purchase` of `shop-eu` is `SHOP_EU_PURCHASE`."""
    return f"{environment_name(source)}_{var.upper()}"
