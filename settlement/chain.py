"""The chain of hashes: for every event one value that stands for all that was posted up to it.

The value does not depend on how events were put into batches, so the same events make the same chain in any
database, and whoever has the journal, the event log or the ledger's rows can compute it. Within a block of
BLOCK_EVENTS events each table has a running sha-256 of its rows' COPY bytes; a value is sha-256 of the block's
beginning, the event and those running hashes. A block begins with the value of its predecessor's last event.
"""

from collections.abc import Mapping
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple

from settlement import copyformat
from settlement.config import BLOCK_EVENTS
from settlement.records import CHAINED

GENESIS_HASH = bytes(32)
_EVENT = Struct("<3q")  # number, its command, its time


class Chain(NamedTuple):
    """A point of the chain: its value, and what the rest of the block is computed from."""

    hash: bytes
    block_hash: bytes
    running: tuple[Any, ...]  # a hash object of each chained table; copied, never changed


def genesis() -> Chain:
    """Return the chain before the first event."""
    return begin(GENESIS_HASH)


def begin(block_hash: bytes) -> Chain:
    """Return the chain at the border of two blocks, where its value is `block_hash`."""
    return Chain(block_hash, block_hash, tuple(sha256() for _ in CHAINED))


def after(chain: Chain, event: tuple[int, int, int], copies: Mapping[str, bytes]) -> Chain:
    """Return the chain behind an event, given its number, command and time, and the COPY data of all rows up to it.

    Those rows begin behind the last point and do not reach beyond the block of `event`.
    """
    running = []
    for digest, table in zip(chain.running, CHAINED, strict=True):
        copy = digest
        if table in copies:
            copy = digest.copy()
            copy.update(copyformat.body(copies[table]))
        running.append(copy)
    total = sha256(chain.block_hash + _EVENT.pack(*event))
    for digest in running:
        total.update(digest.digest())
    value = total.digest()
    return begin(value) if event[0] % BLOCK_EVENTS == 0 else Chain(value, chain.block_hash, tuple(running))


def block_start(seq: int) -> int:
    """Return the event behind which the block of the event behind `seq` begins."""
    return seq - seq % BLOCK_EVENTS


def events_left(seq: int) -> int:
    """Return how many events there are behind `seq` in its block: a batch goes no further."""
    return BLOCK_EVENTS - seq % BLOCK_EVENTS
