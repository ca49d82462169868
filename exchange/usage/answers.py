"""What a batch of metered use was answered, as few bytes: kept in the journal for whoever did not hear it."""

import zlib

import msgspec
import numpy as np

from exchange.registry.series import Factors
from exchange.usage.plan import Outcome, Planned


class _Kept(msgspec.Struct, array_like=True):
    outcome: bytes
    rows: list[int]  # of those paid in cash, in part at least
    burned: list[int]
    overrun: list[int]
    cost: list[int]
    left: list[int | None] | dict[str, int]  # of the batch's keys in their order; by key: as it once was written
    factors: Factors


class Told(msgspec.Struct):
    """What became of each record."""

    outcome: np.ndarray
    burned: np.ndarray
    overrun: np.ndarray
    cost: np.ndarray
    left: dict[str, int]


_DECODER = msgspec.msgpack.Decoder(_Kept)


def told(planned: Planned) -> Told:
    """Return the answer to a batch that went as planned."""
    return Told(planned.outcome, planned.burned, planned.overrun, planned.cost, planned.left)


def pack(answer: Told, factors: Factors, keys: list[str]) -> bytes:
    """Return an answer as bytes; what a record burned follows from its need, so only exceptions are written.

    `keys` are those of the batch: it names them already, each far longer than the number that is kept for it.
    """
    rows = np.flatnonzero(answer.overrun)
    kept = _Kept(
        answer.outcome.tobytes(),
        rows.tolist(),
        answer.burned[rows].tolist(),
        answer.overrun[rows].tolist(),
        answer.cost[rows].tolist(),
        [answer.left.get(key) for key in keys],
        factors,
    )
    return zlib.compress(msgspec.msgpack.encode(kept), 1)


def factors_in(data: bytes) -> Factors:
    """Return the factors that a packed answer was made with."""
    return _DECODER.decode(zlib.decompress(data)).factors


def unpack(data: bytes, need: np.ndarray, keys: list[str]) -> Told:
    """Return the answer; `need` is of the same records with the same factors, `keys` are theirs."""
    kept = _DECODER.decode(zlib.decompress(data))
    outcome = np.frombuffer(kept.outcome, np.uint8)
    burned = need.sum(axis=1) * (outcome == Outcome.APPLIED)
    overrun, cost = np.zeros_like(burned), np.zeros_like(burned)
    burned[kept.rows], overrun[kept.rows], cost[kept.rows] = kept.burned, kept.overrun, kept.cost
    return Told(outcome, burned, overrun, cost, _by_key(kept.left, keys))


def _by_key(left: list[int | None] | dict[str, int], keys: list[str]) -> dict[str, int]:
    if isinstance(left, dict):
        return left
    return {key: units for key, units in zip(keys, left, strict=True) if units is not None}
