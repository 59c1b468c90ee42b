"""The parts of an address in a payload. What is no address becomes null and is no failure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from bridge.core.json_text import Json

_MOST_NAMES = 1_000
_LONGEST = 1 << 16


def parse_url(url: str) -> dict[str, Json] | None:
    """`scheme`, `host`, `port`, `path`, `query` and `fragment` of a full or relative address; None for no address.

    `query` holds the first value of each name, decoded; an empty value counts as none.
    """
    if len(url) > _LONGEST:
        return None
    try:
        parts = urlsplit(url.strip())
        query = _query_values(parts.query)
        host, port = (parts.hostname, parts.port) if parts.netloc else (None, None)
    except ValueError:
        return None
    return {
        "scheme": parts.scheme or None,
        "host": host,
        "port": port,
        "path": parts.path or None,
        "query": query,
        "fragment": parts.fragment or None,
    }


def _query_values(text: str) -> dict[str, str]:
    """The first value of each name. Raises ValueError where there are too many."""
    if "%" in text or "+" in text or text.count("&") >= _MOST_NAMES:
        return dict(reversed(parse_qsl(text, max_num_fields=_MOST_NAMES)))
    query: dict[str, str] = {}
    for part in reversed(text.split("&")):  # nothing to decode: the same in a third of the time
        name, _, value = part.partition("=")
        if value:
            query[name] = value
    return query
