"""Replaces what a module calls by a name, for programs that start `serve` with less patience than it has.

`serve` forks its processes, so what is replaced before it starts is replaced in all of them.
"""

from __future__ import annotations

from types import ModuleType


def replace_name(module: ModuleType, name: str, value: object) -> None:
    """From now on the module finds this value by that name.

    Raises AttributeError where the module has no such name: after a renaming, setting the old name would do nothing.
    """
    getattr(module, name)
    setattr(module, name, value)
