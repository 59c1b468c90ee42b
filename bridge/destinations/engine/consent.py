"""Whether a person's consent lets an event go to a destination, by the purpose of its platform. Pure.

Nothing known is unknown, never yes.
"""

from __future__ import annotations

from bridge.core.json_text import Json
from bridge.core.skip_reasons import CONSENT_UNKNOWN, NO_CONSENT, OPTED_OUT

DECIDED_BY = {"ads": "ads", "marketing": "ads", "analytics": "analytics"}
"""The word of `consent` that decides for each purpose; `own` asks none."""
SEND, SKIP = "send", "skip"


def consent_skip(event: dict[str, Json], *, purpose: str, without_consent: str, limits_sale: bool) -> str | None:
    """Why consent keeps an event back, or None. `limits_sale` is whether the request itself says that sale is not.

    `without_consent` is what becomes of an event that does not say: `send` or `skip`.
    """
    word = DECIDED_BY.get(purpose)
    if word is None:
        return None
    consent = event.get("consent")
    given = consent if isinstance(consent, dict) else {}
    if given.get(word) is False:
        return NO_CONSENT
    if given.get(word) is not True and without_consent != SEND:
        return CONSENT_UNKNOWN
    return OPTED_OUT if purpose == "ads" and given.get("sale_opt_out") is True and not limits_sale else None
