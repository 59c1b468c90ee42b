"""What an operator can do where requests were refused, in a few words, by reason. Of all else: see `bridge/status`."""

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

WEBHOOK = {
    "mismatch": "set the secret that the provider shows for this address; a proxy must not change bodies",
    "missing": "have the provider sign its webhooks; a proxy must pass on all headers",
    "malformed": "enter this address at its own provider only; a proxy must not change headers",
    "stale": "set the clock of this machine; if it is right, the request was late or was sent twice",
    "too_large": "if it is genuine, raise BRIDGE_WEBHOOK_LIMIT",
    "headers": "have the provider, or the proxy in front, send shorter headers",
    "too_slow": "look for a slow network or proxy",
    "cut_off": "look for a proxy or network that ends requests early",
    "method": "have the provider send POST",
    "no_secret": "set the secret of this source, or take the address out at the provider",
    "mapping_broken": "mend the mapping of this source: trackbridge check says where; then reload or restart",
    "unknown_source": "compare the address at the provider with those that serve prints at its start",
}
"""For requests to `/webhooks/{source}`."""
UNKNOWN_PATH = "unknown_path"
"""The cause of requests to a path of no source that resembles one."""
