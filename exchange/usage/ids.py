"""Which usage ids were applied, and by which event: a fold over the events, kept for as long as a record may come.

An id is 16 bytes, two words. The low byte of the second counts the parts of one record: what it burned of several
series, what it paid, what was given back of it. Ids are kept as sorted runs of arrays: four million of them take
100 MB, and looking a batch up costs one binary search a run.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from exchange.core.types import SECOND_NS, EventKind, TransferPurpose
from exchange.events import EventLog
from exchange.usage.memory import UsageMemory

WINDOW_NS = 73 * 3600 * SECOND_NS  # an hour more than a record may be late
PARTS_MAX = 128  # of one record; those from here on are of its reversal
RUN_IDS_MAX = 1 << 17
REBUILD_EVENTS = 1 << 17
_BEARERS = frozenset((int(EventKind.REDEEMED), int(EventKind.TRANSFERRED)))  # of ids
_PURPOSES = (TransferPurpose.OVERRUN, TransferPurpose.CORRECTION)
_ENTRY = np.dtype([("first", "<i8"), ("second", "<i8"), ("event", "<i8")])


def usage_words(issuer: int, record_ids: Iterable[str]) -> np.ndarray:
    """Return the ids of an issuer's records, shape (n, 2), their part 0."""
    salted = blake2b(digest_size=16, salt=issuer.to_bytes(8, "little"))
    digests = []
    for name in record_ids:
        digest = salted.copy()  # in less time than a new one
        digest.update(name.encode())
        digests.append(digest.digest())
    words = np.frombuffer(bytearray(b"".join(digests)), "<i8").reshape(-1, 2)
    words[:, 1] &= ~0xFF
    words[:, 0] |= 1  # never all zero
    return words


class UsageIndex:
    """The ids of the window behind the latest event."""

    def __init__(self, ids_max: int) -> None:
        """`ids_max` is how many the engine can remember."""
        self.memory = UsageMemory(ids_max)
        self._runs: list[np.ndarray] = []
        self._latest_ns: list[int] = []  # of each run

    def rebuild(self, log: EventLog) -> None:
        """Read the whole event log."""
        after = 0
        while after < log.count:
            chunk = log.read(after, REBUILD_EVENTS)
            self.apply(chunk, after + 1)
            after += len(chunk)

    def apply(self, events: np.ndarray, first_number: int) -> None:
        """Take the ids out of the next events."""
        self.memory.apply(events)
        kinds = events["kind"]
        if _BEARERS.isdisjoint(kinds.tobytes()):
            return
        chosen = kinds == EventKind.REDEEMED
        moved = kinds == EventKind.TRANSFERRED
        if moved.any():
            chosen |= moved & np.isin(events["state"], _PURPOSES)
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return
        run = np.empty(len(rows), _ENTRY)
        run["first"], run["second"] = events["order_id"][rows], events["counter_order_id"][rows]
        run["event"] = rows + first_number
        self._add(run[run["first"].argsort(kind="stable")], int(events["time_ns"][-1]))

    def events_of(self, first: int, second: int) -> list[int]:
        """Return the numbers of the events that applied parts of one record, in order."""
        found: list[int] = []
        for run in self._runs:
            begin, end = run["first"].searchsorted(first), run["first"].searchsorted(first, "right")
            same = run[begin:end]
            found += same["event"][same["second"] >> 8 == second >> 8].tolist()
        return sorted(found)

    def known(self, words: np.ndarray) -> np.ndarray:
        """Tell which ids, shape (n, 2), were applied in some part."""
        order = words[:, 0].argsort()
        firsts, seconds = words[order, 0], words[order, 1] >> 8
        found = np.zeros(len(words), bool)
        for run in self._runs:
            place = run["first"].searchsorted(firsts)
            place[place == len(run)] = 0
            hit = run[place]
            found |= (hit["first"] == firsts) & (hit["second"] >> 8 == seconds)
        result = np.empty(len(words), bool)
        result[order] = found
        return result

    def _add(self, run: np.ndarray, latest_ns: int) -> None:
        self._runs.append(run)
        self._latest_ns.append(latest_ns)
        while self._latest_ns[0] < latest_ns - WINDOW_NS:
            del self._runs[0], self._latest_ns[0]
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]) < RUN_IDS_MAX:
            merged = np.concatenate(self._runs[-2:])
            self._runs[-2:] = [merged[merged["first"].argsort(kind="stable")]]
            self._latest_ns[-2:] = [latest_ns]
