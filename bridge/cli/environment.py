"""The environment that every command reads: the process's own, and `.env` beside the settings file in use."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.settings.env_file import Environment


def read_environment(config: Path | None = None) -> Environment:
    """The environment as it is now; `config` is the settings file that was typed. Raises SettingsError."""
    return Environment(os.environ, config)
