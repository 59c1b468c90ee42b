"""What is known under conversion keys, put together from what an engine has read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bridge.core.conversions import KnownConversion


def gather_known(
    keys: Sequence[bytes],
    targets: Mapping[bytes, Sequence[bytes]],
    *,
    entries: Mapping[bytes, int],
    by_number: Mapping[int, KnownConversion],
    deferred: Iterable[tuple[bytes, KnownConversion]],
) -> dict[bytes, Sequence[KnownConversion]]:
    """Returns what is known under each key and under the keys that it belongs to (`targets`); none where nothing is.

    `entries` leads from a key to the number of a conversion; what is deferred comes after what was told.
    """
    known: dict[bytes, list[KnownConversion]] = defaultdict(list)
    for key, number in entries.items():
        if number in by_number:
            known[key].append(by_number[number])
    for key, one in deferred:
        known[key].append(one)
    found: dict[bytes, Sequence[KnownConversion]] = {}
    for key in keys:
        mine = [one for each in (key, *targets.get(key, ())) for one in known.get(each, ())]
        if mine:
            found[key] = mine
    return found
