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
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind
from exchange.marketdata.folds.frames import BAD_NAME, FIT, NOT_YOURS, checked
from exchange.marketdata.folds.results import RESULT, results

COMMANDS_MAX = 1_024  # of one frame
REQUEST = np.dtype([("magic", "S4"), ("count", "<u4"), ("id", "<u8")])
ANSWER = np.dtype([("magic", "S4"), ("count", "<u4"), ("id", "<u8"), ("status", "<u4"), ("retry_after_ms", "<u4")])
REQUEST_MAGIC, ANSWER_MAGIC = b"TBB1", b"TBA1"
_KINDS = (
    CommandKind.NEW_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.REPLACE_ORDER,
    CommandKind.REDUCE_ORDER,
    CommandKind.MASS_CANCEL,
)
_MAY = np.isin(np.arange(256), _KINDS)
_NAME_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/"
_MAY_STAND = np.isin(np.arange(256), np.frombuffer(_NAME_LETTERS, np.uint8))
_OWN_NAME = np.frombuffer(parameters.OWN_NAME.encode(), np.uint8)
_WRONG = {NOT_YOURS: FRAME_NOT_YOURS, BAD_NAME: FRAME_NAME}

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
    wrong = checked(commands, account, _MAY, _MAY_STAND, _OWN_NAME)
    if wrong != FIT:
        raise RequestError(_WRONG[wrong])
    return Batch(int(head["id"]), commands)


def answer(batch: Batch, events: np.ndarray) -> bytes:
    """Return the frame that says what became of each command of a batch, by the events of all of them."""
    head = np.array([(ANSWER_MAGIC, len(batch.commands), batch.id, 200, 0)], ANSWER)
    return head.tobytes() + results(batch.commands, events).tobytes()


def refusal(number: int, problem: Problem) -> bytes:
    """Return the frame that says that none of a batch's commands was taken, or, with 504, that nobody knows."""
    head = np.array([(ANSWER_MAGIC, 0, number, problem.status, problem.retry_after_s * 1_000)], ANSWER)
    return head.tobytes() + problem.message.encode()
