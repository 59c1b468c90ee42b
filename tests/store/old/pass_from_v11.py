"""Opens a store that an earlier commit left, as an upgrade does, and lets it take more. Runs with the code of version 11.

    PYTHONPATH=<a checkout of that commit> python pass_from_v11.py STORE pass COMMIT

What the store held before is what `fill_up_to_v10.py` filled it with: version 11 renamed a column of that.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from bridge.core import dedupe_keys
from bridge.core.model import Webhook
from bridge.store.sqlite.store import SqliteStore

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def webhook(name: str, *, is_hashed: bool = True) -> Webhook:
    """As Shopify's come, known by topic and bytes."""
    body = f'{{"id": "{name}", "note": "{"made up " * (60 if len(name) % 3 == 0 else 1)}"}}'.encode()
    return Webhook(
        source="shopify",
        id=name,
        topic="orders/paid",
        received_at=NOW,
        body=body,
        identity=(dedupe_keys.unsigned_webhook_key("shopify", "orders/paid", body),) if is_hashed else (),
        headers={"content-type": "application/json", "x-shopify-webhook-id": name},
        query={"shop": "a b"},
    )


async def main() -> None:
    """Three requests that were answered, one of them a second time, and one that is hashed when it is applied."""
    store = SqliteStore(sys.argv[1])
    await store.probe(now=NOW)
    name = f"w-kept-{sys.argv[3]}"
    for one in (f"{name}-1", f"{name}-22", f"{name}-333", f"{name}-1"):
        await store.keep([webhook(one)])
    await store.keep([webhook(f"{name}-unhashed", is_hashed=False)])
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
