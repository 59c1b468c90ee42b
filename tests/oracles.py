"""The platforms' own SDKs, as judges of what we build: the extra `oracles`.

Tests with `needs_oracles` are skipped where it is not installed. On CI a run that says so may not skip them: it sets
`ORACLES=true`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

NOT_INSTALLED = "the extra `oracles` is not installed"
HAS_ORACLES = find_spec("facebook_business") is not None
needs_oracles = pytest.mark.skipif(not HAS_ORACLES, reason=NOT_INSTALLED)


def load_oracle(name: str) -> Any:
    """A module of the extra, whose types nobody declares; None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None
