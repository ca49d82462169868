"""Load for an HTTP server: prebuilt requests over many connections, as little work as Python can do for each.

One request is in flight on each connection. What has come on all of them is read in one sweep and answered with as
many new requests, over plain sockets and epoll, without an event loop: the load must not be the limit, and says what
processor time it took itself.
"""

import re
import select
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

RECEIVE_BYTES = 1 << 16
PATIENCE_S = 30.0  # for one answer
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n").search
_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200"


class Played(NamedTuple):
    """What became of the requests that were sent."""

    seconds: float  # from the first request to the last answer
    cpu_s: float  # of this process meanwhile
    latencies_s: list[float]
    answers: list[bytes]  # heads and bodies, all of them 200


class HttpLoad:
    """Connections to one server."""

    def __init__(self, port: int, connections: int) -> None:
        """Open so many."""
        self._poll = select.epoll()
        self._lines: dict[int, socket.socket] = {}
        for _ in range(connections):
            line = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._lines[line.fileno()] = line
            self._poll.register(line.fileno(), select.EPOLLIN)

    def play(self, requests: Sequence[bytes], seconds: float) -> Played:
        """Send requests in turn, each connection's next when its last is answered; stop at the time, or after all.

        Raises AssertionError for an answer that is no 200, TimeoutError where none comes.
        """
        rest = iter(requests)
        sent_s: dict[int, float] = {}
        latencies: list[float] = []
        answers: list[bytes] = []
        now = time.perf_counter
        cpu_begin, begin = time.process_time(), now()
        end = begin + seconds
        for line, request in zip(self._lines.values(), rest, strict=False):
            sent_s[line.fileno()] = now()
            line.send(request)
        while sent_s:
            for number in self._ready():
                line = self._lines[number]
                answers.append(self._answer(line))
                at = now()
                latencies.append(at - sent_s.pop(number))
                following = next(rest, None) if at < end else None
                if following is not None:
                    sent_s[number] = at
                    line.send(following)
        return Played(now() - begin, time.process_time() - cpu_begin, latencies, answers)

    def close(self) -> None:
        """Hang up."""
        for line in self._lines.values():
            line.close()
        self._poll.close()

    def _ready(self) -> list[int]:
        ready = [number for number, _ in self._poll.poll(PATIENCE_S)]
        if not ready:
            raise TimeoutError(f"no answer within {PATIENCE_S} s")
        return ready

    @staticmethod
    def _answer(line: socket.socket) -> bytes:
        data = line.recv(RECEIVE_BYTES)
        while not is_whole(data):
            part = line.recv(RECEIVE_BYTES)
            assert part, f"the server hung up after {data[:300]!r}"
            data += part
        assert data.startswith(_OK), data[:600].decode(errors="replace")
        return data


def is_whole(data: bytes) -> bool:
    """Say whether an answer has come to its end; it has a length."""
    head = data.find(_END)
    if head < 0:
        return False
    length = _LENGTH(data, 0, head + 2)
    return length is not None and len(data) >= head + 4 + int(length[1])
