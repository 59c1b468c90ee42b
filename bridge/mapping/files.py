"""Where mapping files and their examples are: the shipped ones, the operator's, and the examples beside each."""

from __future__ import annotations

from pathlib import Path

import bridge

EXAMPLES = "examples"
"""The folder, beside mappings, with a folder of examples for each provider."""


def shipped_mappings() -> Path:
    """The folder of mappings that came with this package: inside a wheel, or beside it in a checkout."""
    package = Path(bridge.__file__).parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "mappings"


def mapping_files(extra: Path | None) -> list[Path]:
    """Every mapping file that serve loads, the operator's last.

    Names that begin with a dot are left out: editors and Macs leave such files.
    """
    folders = [shipped_mappings(), *([extra] if extra else [])]
    return [path for folder in folders for path in sorted(folder.glob("[!.]*.yaml"))]


def example_files(mapping: Path, provider: str) -> list[Path]:
    """The examples of a provider beside its mapping."""
    return sorted((mapping.parent / EXAMPLES / provider).glob("[!.]*.yaml")) if provider else []


def example_folders(folder: Path) -> list[Path]:
    """The folders of examples beside the mappings of a folder, each named for its provider."""
    beside = folder / EXAMPLES
    return sorted(path for path in beside.iterdir() if path.is_dir()) if beside.is_dir() else []
