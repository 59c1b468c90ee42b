"""An event as a destination file sees it: what its person agreed to, and addresses of pages without what is private."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from bridge.core import json_text
from bridge.core.json_text import Json

CLICK_IDS = frozenset({
    "dclid", "epik", "fbclid", "gbraid", "gclid", "li_fat_id", "msclkid", "oppref", "rdt_cid", "sccid", "ttclid",
    "twclid", "wbraid",
})  # fmt: skip
"""Parameters of a page's address that name a click, in lower case; Snap's is written ScCid."""
_UTM = "utm_"
_REFUND = "refund"
_PAGES = ("page_url", "referrer")
_LONGEST = 1 << 16
_GIVEN = {"granted": True, "denied": False}
"""Words of consent besides true and false; any other word is unknown."""


def view_event(text: bytes, *, purpose: str) -> dict[str, Json]:
    """The event of a text. An `own` system gets it as it is, any other without what no platform should see.

    Raises ValueError for what is no JSON object.
    """
    event = json_text.parse_json(text, strict=False)
    if not isinstance(event, dict):
        raise ValueError("the event is no object")  # noqa: TRY004  as for any other text that is no event
    if purpose == "own":
        return event
    consent = event.get("consent")
    if isinstance(consent, dict):
        event["consent"] = read_consent(consent)
    context = event.get("context")
    if isinstance(context, dict):
        event["context"] = context | {
            name: clean_address(context[name]) for name in _PAGES if isinstance(context.get(name), str)
        }
    return event


def name_conversion(event: dict[str, Json], of_order: int, *, prefix: str = "") -> str | None:
    """The id of an event's conversion at a platform: its order id, with `.2`, `.3` … behind it for later ones.

    A platform takes the same id again for the same conversion: it would drop a second payment of an order, or put its
    value in the place of the first one's. A refund is no payment: it names its order, whichever one it is of that, as
    GA4 finds the purchase by it. `prefix` tells apart orders of shops that count alike. None where the event has no
    order id.
    """
    properties = event.get("properties")
    order_id = properties.get("order_id") if isinstance(properties, dict) else None
    if not isinstance(order_id, (str, int)) or order_id == "":
        return None
    is_later = of_order > 1 and event.get("event_type") != _REFUND
    return f"{prefix}{order_id}.{of_order}" if is_later else f"{prefix}{order_id}"


def read_consent(consent: dict[str, Json]) -> dict[str, bool]:
    """What is known of a consent: true or false, also written `granted` or `denied`."""
    known = {name: _GIVEN.get(value.lower()) if isinstance(value, str) else value for name, value in consent.items()}
    return {name: value for name, value in known.items() if isinstance(value, bool)}


def clean_address(address: str) -> str | None:
    """A page's address without userinfo and fragment, and with click ids and `utm_…` only; None where it is none.

    Pages of shops carry keys and e-mail addresses in their queries.
    """
    if len(address) > _LONGEST:
        return None
    try:
        parts = urlsplit(address.strip())
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    kept = [one for one in parts.query.split("&") if _is_kept(one.partition("=")[0].lower())] if parts.query else []
    return urlunsplit((parts.scheme, host, parts.path, "&".join(kept), "")) or None


def _is_kept(name: str) -> bool:
    return name in CLICK_IDS or name.startswith(_UTM)
