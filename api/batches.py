"""Binary frames of many commands at once, for order entry: bytes in, the journal's own records out, and back.

The layout is described in docs/binary-frames.md. Everything here works on whole arrays: a frame of a thousand commands
costs little more than a frame of one. What a command asks is the engine's decision; refused here is only what a client
may not say at all.
"""

from typing import NamedTuple

import numpy as np

from api import parameters
from api.errors import (
    FRAME_LENGTH,
    FRAME_MAGIC,
    FRAME_NAME,
    FRAME_NOT_YOURS,
    Problem,
    RequestError,
)
from exchange.core.records import CLIENT_ORDER_ID_BYTES_MAX, COMMAND
from exchange.core.types import CommandKind, EventKind, SelfTradePrevention

COMMANDS_MAX = 1_024  # of one frame
REQUEST = np.dtype([("magic", "S4"), ("count", "<u4"), ("id", "<u8")])
ANSWER = np.dtype([("magic", "S4"), ("count", "<u4"), ("id", "<u8"), ("status", "<u4"), ("retry_after_ms", "<u4")])
RESULT = np.dtype(
    [
        ("kind", "u1"),  # EventKind
        ("reason", "u1"),  # RejectReason of a rejection
        ("trades", "<u2"),
        ("spare", "<u4"),
        ("sequence", "<i8"),
        ("order_id", "<i8"),
        ("filled_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("amount", "<i8"),
        ("fee", "<i8"),
    ]
)
REQUEST_MAGIC, ANSWER_MAGIC = b"TBB1", b"TBA1"
_KINDS = (
    CommandKind.NEW_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.REPLACE_ORDER,
    CommandKind.REDUCE_ORDER,
    CommandKind.MASS_CANCEL,
)
_MAY = np.isin(np.arange(256), _KINDS)
_NAME_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/\0"
_MAY_STAND = np.isin(np.arange(256), np.frombuffer(_NAME_LETTERS, np.uint8))
_OWN_NAME = parameters.OWN_NAME.encode()
_SERVER_FIELDS = ("sequence", "time_ns", "state", "spare", "asset", "group")  # zero, whatever the kind

assert COMMANDS_MAX * COMMAND.itemsize + REQUEST.itemsize <= 256 * 1024
assert RESULT.itemsize == 56


class Batch(NamedTuple):
    """A frame that was read."""

    id: int
    commands: np.ndarray  # COMMAND, writable, each with the account that sends it


def batch_id(frame: bytes) -> int:
    """Return the id to answer a frame under, 0 if it is too short to have one."""
    return int(np.frombuffer(frame, REQUEST, 1)["id"][0]) if len(frame) >= REQUEST.itemsize else 0


def decode(frame: bytes, account: int) -> Batch:
    """Return the commands of a frame that an account sent, or refuse all of them."""
    if len(frame) < REQUEST.itemsize or frame[:4] != REQUEST_MAGIC:
        raise RequestError(FRAME_MAGIC)
    count = (len(frame) - REQUEST.itemsize) // COMMAND.itemsize
    head = np.frombuffer(frame, REQUEST, 1)[0]
    if not 1 <= count <= COMMANDS_MAX or len(frame) != REQUEST.itemsize + count * COMMAND.itemsize:
        raise RequestError(FRAME_LENGTH._replace(message=FRAME_LENGTH.message.format(COMMANDS_MAX)))
    if head["count"] != count:
        raise RequestError(FRAME_LENGTH._replace(message=FRAME_LENGTH.message.format(COMMANDS_MAX)))
    commands = np.frombuffer(bytearray(frame[REQUEST.itemsize :]), COMMAND)
    if not _MAY[commands["kind"]].all() or not np.isin(commands["account"], (0, account)).all():
        raise RequestError(FRAME_NOT_YOURS)
    if any(commands[name].any() for name in _SERVER_FIELDS):
        raise RequestError(FRAME_NOT_YOURS)
    _check_names(commands)
    commands["account"] = account
    return Batch(int(head["id"]), commands)


def _check_names(commands: np.ndarray) -> None:
    """Refuse words that are no client order id, or the name that the exchange gives an order without one."""
    names = np.ascontiguousarray(commands["words"]).view(np.uint8).reshape(len(commands), -1)
    if not names.any():
        return
    ended = np.maximum.accumulate(names == 0, axis=1)
    is_good = _MAY_STAND[names].all() and not (names[ended]).any() and not names[:, CLIENT_ORDER_ID_BYTES_MAX:].any()
    is_ours = (names[:, : len(_OWN_NAME)] == np.frombuffer(_OWN_NAME, np.uint8)).all(axis=1).any()
    if not is_good or is_ours or names[commands["kind"] != CommandKind.NEW_ORDER].any():
        raise RequestError(FRAME_NAME)


def answer(batch: Batch, events: np.ndarray) -> bytes:
    """Return the frame that says what became of each command of a batch, by the events of all of them."""
    head = np.array([(ANSWER_MAGIC, len(batch.commands), batch.id, 200, 0)], ANSWER)
    return head.tobytes() + results(batch.commands, events).tobytes()


def refusal(number: int, problem: Problem) -> bytes:
    """Return the frame that says that none of a batch's commands was taken, or, with 504, that nobody knows."""
    head = np.array([(ANSWER_MAGIC, 0, number, problem.status, problem.retry_after_s * 1_000)], ANSWER)
    return head.tobytes() + problem.message.encode()


def results(commands: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return RESULT of each command, from the events of all, which stand together and in order."""
    sequences = events["sequence"]
    starts = np.flatnonzero(np.diff(sequences, prepend=sequences[0] - 1))
    ends = np.append(starts[1:], len(events))
    assert len(starts) == len(commands)
    told = np.where(commands["kind"] == CommandKind.MASS_CANCEL, ends - 1, starts)  # its sum is its last event
    first = events[told]
    found = np.zeros(len(commands), RESULT)
    for name in ("kind", "sequence", "order_id"):
        found[name] = first[name]
    found["reason"] = np.where(first["kind"] == EventKind.COMMAND_REJECTED, first["reason"], 0)
    _add_fills(found, events, starts, np.repeat(first["order_id"], ends - starts))
    _add_leaves(found, events, starts, first)
    return found


def _add_fills(found: np.ndarray, events: np.ndarray, starts: np.ndarray, own: np.ndarray) -> None:
    """Sum up the trades of each command's own order; one that rested may be a maker of a stop that it woke."""
    is_maker = events["counter_order_id"] == own
    is_own = (events["kind"] == EventKind.TRADED) & (is_maker | (events["order_id"] == own))
    fees = np.where(is_maker, events["counter_fee"], events["fee"])
    for name, values in (("filled_lots", events["quantity_lots"]), ("amount", events["amount"]), ("fee", fees)):
        found[name] = np.add.reduceat(np.where(is_own, values, 0), starts)
    found["trades"] = np.minimum(np.add.reduceat(is_own.astype(np.int64), starts), 0xFFFF)


def _add_leaves(found: np.ndarray, events: np.ndarray, starts: np.ndarray, first: np.ndarray) -> None:
    """Say how much of each command's own order is open after it; of a mass cancellation, how many orders are."""
    own = np.repeat(first["order_id"], np.diff(np.append(starts, len(events))))
    is_own = (events["order_id"] == own) | (events["counter_order_id"] == own)
    is_less = (events["kind"] == EventKind.MATCH_PREVENTED) & is_own
    is_less &= events["self_trade_prevention"] == SelfTradePrevention.DECREMENT
    less = np.add.reduceat(np.where(is_less, events["quantity_lots"], 0), starts)
    is_end = (events["kind"] == EventKind.ORDER_EXPIRED) & (events["order_id"] == own)
    is_over = np.add.reduceat(is_end.astype(np.int64), starts) > 0
    begun = np.where(first["kind"] == EventKind.ORDER_ACCEPTED, first["quantity_lots"], first["leaves_lots"])
    leaves = begun - found["filled_lots"] - less
    has_leaves = np.isin(first["kind"], (EventKind.ORDER_ACCEPTED, EventKind.ORDER_REPLACED)) & ~is_over
    found["leaves_lots"] = np.where(has_leaves, leaves, 0)
    is_sum = first["kind"] == EventKind.MASS_CANCELED
    found["leaves_lots"][is_sum] = first["leaves_lots"][is_sum]
    found["filled_lots"][is_sum] = 0
