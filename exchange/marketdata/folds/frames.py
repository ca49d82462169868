"""Whether the commands of a frame are such as a client may send: compiled, for frames of a thousand."""

import numpy as np

from exchange.core.jit import ROW
from exchange.core.records import CLIENT_ORDER_ID_BYTES_MAX, COMMAND
from exchange.core.types import CommandKind
from exchange.marketdata.folds.compiled import address, entry, int64, kernel, record_at, routine

FIT, NOT_YOURS, BAD_NAME = range(3)
NAME_BYTES = 40
_COMMAND = np.dtype((ROW, COMMAND))
_BYTE = np.dtype((ROW, [("value", "u1")]))
_COMMAND_BYTES = COMMAND.itemsize
_NAME_AT = COMMAND.fields["words"][1] if COMMAND.fields else 0


def checked(commands: np.ndarray, account: int, kinds: np.ndarray, letters: np.ndarray, reserved: np.ndarray) -> int:
    """Put commands in the name of an account, and return whether they are FIT, or what is wrong with one of them.

    `kinds` and `letters` tell of each byte whether it may stand; no name may begin with the bytes of `reserved`.
    """
    wrong: int = _check(
        address(commands), len(commands), account, address(kinds), address(letters), address(reserved), len(reserved)
    )
    return wrong


@kernel
def _byte(place: int) -> int:
    return int64(record_at(place, _BYTE).value)


@entry
def _check(
    commands_at: int, count: int, account: int, kinds_at: int, letters_at: int, reserved_at: int, reserved: int
) -> int:
    """Look at one command after the other; what the server sets is zero, whatever the kind."""
    found = FIT
    for index in range(count):
        place = commands_at + index * _COMMAND_BYTES
        command = record_at(place, _COMMAND)
        if _byte(kinds_at + int64(command.kind)) == 0 or (command.account != 0 and command.account != account):
            return NOT_YOURS
        if command.sequence != 0 or command.time_ns != 0 or int64(command.state) + int64(command.spare) != 0:
            return NOT_YOURS
        if command.asset != 0 or command.group != 0:
            return NOT_YOURS
        command.account = account
        if _byte(place + _NAME_AT) == 0:
            if not _is_blank(place + _NAME_AT, 0):
                found = BAD_NAME
        elif command.kind != CommandKind.NEW_ORDER or not _is_name(place + _NAME_AT, letters_at, reserved_at, reserved):
            found = BAD_NAME
    return found


@routine
def _is_blank(place: int, begin: int) -> bool:
    for index in range(begin, NAME_BYTES):
        if _byte(place + index) != 0:
            return False
    return True


@routine
def _is_name(place: int, letters_at: int, reserved_at: int, reserved: int) -> bool:
    """Tell whether the bytes from a place on are a client order id, and none that the exchange gives itself."""
    end, alike = 0, 0
    while end <= CLIENT_ORDER_ID_BYTES_MAX and _byte(place + end) != 0:
        letter = _byte(place + end)
        if _byte(letters_at + letter) == 0:
            return False
        if end < reserved and alike == end and letter == _byte(reserved_at + end):
            alike += 1
        end += 1
    return end <= CLIENT_ORDER_ID_BYTES_MAX and alike < reserved and _is_blank(place, end)
