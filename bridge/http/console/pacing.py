"""How often a peer may log in with a wrong key: five times a minute, each peer for itself.

Pure: the time is an argument. The console's process counts, for all web processes. Nobody guesses a key, which is
random and long; this keeps the log and the store calm.
"""

from __future__ import annotations

from collections import OrderedDict, deque

WRONG_A_MINUTE = 5
MOST_PEERS = 10_000
"""Peers that are remembered; the ones that were wrong longest ago are forgotten first."""
_MINUTE = 60.0


class WrongKeyPace:
    """The times of wrong keys, by peer."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_of(self, peer: str, now: float) -> float:
        """Seconds until this peer may try again; 0 if it may now."""
        times = self._wrong.get(peer)
        while times and now - times[0] >= _MINUTE:
            times.popleft()
        return _MINUTE - (now - times[0]) if times and len(times) >= WRONG_A_MINUTE else 0.0

    def count_wrong(self, peer: str, now: float) -> None:
        """Note a wrong key of a peer."""
        self._wrong.setdefault(peer, deque(maxlen=WRONG_A_MINUTE)).append(now)
        self._wrong.move_to_end(peer)
        while len(self._wrong) > MOST_PEERS:
            self._wrong.popitem(last=False)
