"""Shipped destinations say in their reasons what an event lacks, so that it counts as missed and not as meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bridge.core.skip_reasons import is_meant

SHIPPED = sorted((Path(__file__).parents[2] / "mappings" / "destinations").glob("*.yaml"))
MEANT = ("a test destination of ", "Google would count ", "LinkedIn would count ", "X would count ")
"""How reasons begin that an operator chose."""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_platform_that_needs_what_an_event_has_not_skips_it_as_missed(path: Path) -> None:
    reasons = [one["reason"] for one in yaml.safe_load(path.read_text()).get("skip", [])]
    assert [one for one in reasons if is_meant(one) and not one.startswith(MEANT)] == []
