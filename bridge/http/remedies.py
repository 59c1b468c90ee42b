"""What an operator can do where requests to the track API were refused, in a few words, by reason."""

from __future__ import annotations

TRACK = {
    "wrong_key": "compare the caller's key with BRIDGE_API_KEYS; a new key needs a restart",
    "no_key": "have the caller send its API key as `Authorization: Bearer KEY`",
    "rate": "have the caller send batches, or raise BRIDGE_API_RATE",
    "too_large": "have the caller send fewer events in a request",
    "too_slow": "look for a slow network or proxy",
    "cut_off": "look for a caller or proxy that ends requests early",
    "encoded": "have the caller send bodies without Content-Encoding",
}
