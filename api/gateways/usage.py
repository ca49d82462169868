"""What is used of the limits, counted in several processes as if in one.

Each process counts what it lets in at once, and tells the others once a turn of its loop what it took: of an order it
tells before it sends the order on, so a client that waits for its answer finds it counted everywhere. Between processes
a limit is exact but for what is on its way at the same moment.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from api.limits import Counted, Limiter

Send = Callable[[bytes], None]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[Counted, str | int, int]]).decode


class Usage:
    """One process's end: tells what its limiter took, and hears what others did."""

    def __init__(self, limiter: Limiter, now_ns: Callable[[], int], send: Send) -> None:
        """Tell of a limiter from now on."""
        self._limiter = limiter
        self._now_ns = now_ns
        self._send = send
        self._sums: dict[tuple[Counted, str | int], int] = {}
        limiter.tell(self._note)

    def hear(self, payload: bytes, held: Counter[str] | None = None) -> None:
        """Count what another process took; `held` is how many connections it has of each address, and is kept up."""
        now_ns = self._now_ns()
        for counted, key, tokens in _decode(payload):
            self._limiter.note(counted, key, tokens, now_ns)
            if held is not None and counted is Counted.CONNECTIONS:
                held[str(key)] += tokens
                if not held[str(key)]:
                    del held[str(key)]

    def closed(self, held: Counter[str]) -> bytes:
        """Count the connections of a process out that has gone; return what is to be told of it."""
        told = _encode([(Counted.CONNECTIONS, address, -count) for address, count in held.items()])
        self.hear(told)
        return told

    def standing(self) -> bytes:
        """Return all that is used, for a process that begins and is told of whatever comes then."""
        self.tell()  # else it would hear it twice
        return _encode(self._limiter.standing(self._now_ns()))

    def tell(self) -> None:
        """Tell what was taken and is not told yet."""
        told = [(counted, key, tokens) for (counted, key), tokens in self._sums.items() if tokens]
        self._sums.clear()
        if told:
            self._send(_encode(told))

    def _note(self, counted: Counted, key: str | int, tokens: int) -> None:
        if not self._sums:
            asyncio.get_running_loop().call_soon(self.tell)
        place = counted, key
        self._sums[place] = self._sums.get(place, 0) + tokens
