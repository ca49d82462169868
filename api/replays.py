"""Signed requests that change something are taken once, however often their bytes are sent.

A request is good for the time that its sender allowed, five seconds unless it said otherwise and a minute at most; for
that long it is remembered by what was signed. Who retries signs anew, with a new timestamp. Only orders with a client
order id may come again as they are: their repetition has the first one's answer, and that is what the id is for.
"""

from api.errors import REPLAYED, TOO_MANY_SIGNATURES, RequestError

SLICE_NS = 5_000_000_000  # signatures are forgotten together that end in the same slice of time
SIGNATURES_MAX = 2_000_000  # remembered at once


class Replays:
    """What was signed, taken, and is still good."""

    def __init__(self, signatures_max: int = SIGNATURES_MAX) -> None:
        """Remember so many at once; 0 is none, for those who measure with requests signed beforehand."""
        self._max = signatures_max
        self._slices: dict[int, set[int]] = {}
        self._count = 0

    def take(self, key: str, payload: bytes, until_ns: int, now_ns: int) -> None:
        """Remember what a key signed until it is no longer good; refuse what was taken before."""
        if not self._max:
            return
        number = until_ns // SLICE_NS
        taken = self._slices.get(number)
        if taken is None:
            self._forget(now_ns)
            taken = self._slices[number] = set()
        mark = hash((key, payload))  # of 64 bits, seeded anew with each start
        if mark in taken:
            raise RequestError(REPLAYED)
        if self._count >= self._max:
            raise RequestError(TOO_MANY_SIGNATURES)
        taken.add(mark)
        self._count += 1

    def has_room_for(self, key: str, payload: bytes, until_ns: int, besides: int = 0) -> bool:
        """Tell whether `take` is sure to take it, besides so many others."""
        taken = self._slices.get(until_ns // SLICE_NS, ())
        return not self._max or (self._count + besides < self._max and hash((key, payload)) not in taken)

    def _forget(self, now_ns: int) -> None:
        """Forget the slices that lie behind: what ends there is refused for its time."""
        first = now_ns // SLICE_NS
        for number in [number for number in self._slices if number < first]:
            self._count -= len(self._slices.pop(number))
