"""Orders read: from the bytes of many messages the commands they ask for.

Read is only what the general readers (`api.shapes`, `api.orders`, `api.gateway`) would take, and then to the same
command; with the first message that is not, for whatever reason, reading ends, and that one is theirs.
"""

import numpy as np

from api.auth import AHEAD_MS_MAX, MICROSECONDS_FROM, RECV_WINDOW_MS, RECV_WINDOW_MS_MAX
from api.compiled.wording import COUNTING, DIGIT, HEX, LETTERS, NAMING, Part, entry
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.records import CLIENT_ORDER_ID_BYTES_MAX, COMMAND
from exchange.core.types import PRICE_TICKS_MAX, CommandKind

ID_DIGITS_MAX = 18
ID_TEXT_MAX = 64
SYMBOL_MAX = 64
TIME_DIGITS_MAX = 16
MILLISECONDS_MAX = 9 * 10**12  # a time in nanoseconds stays within 64 bits
MICROSECONDS_MAX = 9 * 10**15
WINDOW_DIGITS_MAX = 5
SIGNATURE_SIZE = 64
NUMBER_DIGITS_MAX = 18  # of a number with all its decimals, which stays within 64 bits
HASH_FACTOR, HASH_MASK = 16_777_619, (1 << 32) - 1  # FNV-1a of 32 bits
NONE = -1
_LITERAL, _ID, _SYMBOL, _PRICE, _QUANTITY = (
    int(part) for part in (Part.LITERAL, Part.ID, Part.SYMBOL, Part.PRICE, Part.QUANTITY)
)
_NAME, _TIME, _WINDOW, _SIGNATURE = (int(part) for part in (Part.NAME, Part.TIME, Part.WINDOW, Part.SIGNATURE))
_MESSAGE, _SPANS = int(Part.MESSAGE), int(Part.LITERAL)
_QUOTE, _POINT, _ZERO = ord('"'), ord("."), ord("0")
_OWN_T, _OWN_B, _OWN_DASH = b"tb-"
_WORDS_AT = COMMAND.fields["words"][1] if COMMAND.fields else 0
_NEW_ORDER = int(CommandKind.NEW_ORDER)
_MILLISECOND, _MICROSECOND = 1_000_000, 1_000


@entry
def read(
    text: np.ndarray,
    spans: np.ndarray,
    begin: int,
    end: int,
    wordings: np.ndarray,
    wording_count: int,
    parts: np.ndarray,
    letters: np.ndarray,
    rows: np.ndarray,
    slots: np.ndarray,
    now_ns: int,
    commands: np.ndarray,
    command_bytes: np.ndarray,
    row_of: np.ndarray,
    until_ns: np.ndarray,
) -> int:
    """Read messages, whose whole spans are given, into commands; return the first that was not read.

    Of each it tells its row, and until when it is good.
    """
    latest = 0
    for index in range(begin, end):
        found = False
        for attempt in range(wording_count):
            number = latest + attempt
            number -= wording_count if number >= wording_count else 0
            if not _parted(text, spans[index], wordings[number], parts, letters):
                continue
            row = _row(text, spans[index], number, letters, rows, slots)
            until_ns[index] = _good_until_ns(text, spans[index], now_ns)
            is_timely = until_ns[index] >= now_ns
            if row != NONE and is_timely and _ordered(text, spans[index], wordings[number], rows[row], commands[index]):
                _put_name(text, spans[index], command_bytes[index])
                row_of[index], latest, found = row, number, True
            break  # no other wording has the same parts
        if not found:
            return index
    return end


@routine
def _parted(text: np.ndarray, spans: np.ndarray, wording: Record, parts: np.ndarray, letters: np.ndarray) -> bool:
    """Find the parts of a message; tell whether it is written in a wording."""
    place = spans[_MESSAGE, 0]
    end = place + spans[_MESSAGE, 1]
    for kind in range(_MESSAGE + 1, _SPANS):
        spans[kind, 1] = 0
    for number in range(wording.first, wording.end):
        part = parts[number]
        if part.kind == _LITERAL:
            size = part.size
            if end - place < size or not _is_same(text, place, letters, part.at, size):
                return False
        else:
            size = _size(text, place, end, part.kind)
            if size == 0:
                return False
            spans[part.kind, 0], spans[part.kind, 1] = place, size
        place += size
    return place == end


@kernel
def _is_same(text: np.ndarray, place: int, letters: np.ndarray, at: int, size: int) -> bool:
    for offset in range(size):
        if text[place + offset] != letters[at + offset]:
            return False
    return True


@routine
def _size(text: np.ndarray, place: int, end: int, kind: int) -> int:
    """Return the size of a part, 0 if none that may stand there does."""
    if place >= end:
        return 0
    if kind == _ID:
        if text[place] == _QUOTE:
            size = _run(text, place + 1, end, COUNTING, ID_TEXT_MAX)
            closed = place + 1 + size < end and text[place + 1 + size] == _QUOTE
            return size + 2 if size != 0 and closed else 0
        return _whole(text, place, end, ID_DIGITS_MAX)
    if kind == _SYMBOL:
        return _run(text, place, end, NAMING, SYMBOL_MAX)
    if kind == _NAME:
        return _run(text, place, end, NAMING, CLIENT_ORDER_ID_BYTES_MAX)
    if kind == _TIME:
        return _whole(text, place, end, TIME_DIGITS_MAX)
    if kind == _WINDOW:
        return _whole(text, place, end, WINDOW_DIGITS_MAX)
    if kind == _SIGNATURE:
        size = _run(text, place, end, HEX, SIGNATURE_SIZE)
        return size if size == SIGNATURE_SIZE else 0
    return _decimal(text, place, end)


@kernel
def _run(text: np.ndarray, place: int, end: int, letters: int, size_max: int) -> int:
    """Return how many bytes of some kind follow, at most `size_max`."""
    size = 0
    while size < size_max and place + size < end and (int64(LETTERS[text[place + size]]) & letters) != 0:
        size += 1
    return size


@kernel
def _whole(text: np.ndarray, place: int, end: int, digits_max: int) -> int:
    """Return the size of a whole number as JSON writes it, 0 if there is none."""
    size = _run(text, place, end, DIGIT, digits_max)
    return 0 if size > 1 and text[place] == _ZERO else size


@kernel
def _decimal(text: np.ndarray, place: int, end: int) -> int:
    """Return the size of a decimal number as JSON writes it, 0 if there is none."""
    size = _whole(text, place, end, NUMBER_DIGITS_MAX)
    if size == 0 or place + size >= end or text[place + size] != _POINT:
        return size
    behind = _run(text, place + size + 1, end, DIGIT, NUMBER_DIGITS_MAX)
    return 0 if behind == 0 else size + 1 + behind


@routine
def _row(
    text: np.ndarray, spans: np.ndarray, wording: int, letters: np.ndarray, rows: np.ndarray, slots: np.ndarray
) -> int:
    """Return the row of a wording and the instrument that a message names, NONE if there is none."""
    at, size = spans[_SYMBOL, 0], spans[_SYMBOL, 1]
    place = _spread(text, at, size, wording) & (len(slots) - 1)
    while slots[place] != 0:
        number = int64(slots[place]) - 1
        row = rows[number]
        if row.wording == wording and row.symbol_size == size and _is_same(text, at, letters, row.symbol_at, size):
            return number
        place = (place + 1) & (len(slots) - 1)
    return NONE


@entry
def spread(text: np.ndarray, at: int, size: int, wording: int) -> int:
    """Return where to look first for the row of a wording and of a symbol that stands in a text."""
    return _spread(text, at, size, wording)


@kernel
def _spread(text: np.ndarray, at: int, size: int, wording: int) -> int:
    found = wording + 1
    for offset in range(size):
        found = ((found ^ int64(text[at + offset])) * HASH_FACTOR) & HASH_MASK
    return found ^ (found >> 15)


@routine
def _ordered(text: np.ndarray, spans: np.ndarray, wording: Record, row: Record, command: Record) -> bool:
    """Make the command of a new order; tell whether nobody need refuse it for what stands in its text."""
    lots = _steps(text, spans[_QUANTITY, 0], spans[_QUANTITY, 1], row.quantity_step, row.quantity_decimals)
    ticks = int64(0)
    if spans[_PRICE, 1] != 0:
        ticks = _steps(text, spans[_PRICE, 0], spans[_PRICE, 1], row.price_step, row.price_decimals)
        if ticks <= 0 or ticks > PRICE_TICKS_MAX:
            return False
    name_at, name_size = spans[_NAME, 0], spans[_NAME, 1]
    if lots <= 0 or (name_size > 2 and _is_own(text, name_at)):
        return False
    command.kind = _NEW_ORDER
    command.side, command.order_type = wording.side, wording.order_type
    command.time_in_force, command.flags = wording.time_in_force, wording.flags
    command.self_trade_prevention, command.instrument = row.prevention, row.instrument
    command.price_ticks, command.quantity_lots = ticks, lots
    return True


@kernel
def _is_own(text: np.ndarray, at: int) -> bool:
    """Tell whether a name begins like those that the exchange gives (`api.parameters.OWN_NAME`)."""
    return text[at] == _OWN_T and text[at + 1] == _OWN_B and text[at + 2] == _OWN_DASH


@kernel
def _put_name(text: np.ndarray, spans: np.ndarray, command: np.ndarray) -> None:
    for offset in range(spans[_NAME, 1]):
        command[_WORDS_AT + offset] = text[spans[_NAME, 0] + offset]


@kernel
def _number(text: np.ndarray, at: int, size: int) -> int:
    found = int64(0)
    for offset in range(size):
        found = found * 10 + int64(text[at + offset]) - _ZERO
    return found


@routine
def _good_until_ns(text: np.ndarray, spans: np.ndarray, now_ns: int) -> int:
    """Return until when a message is good as `api.auth.good_until_ns` does, NONE if that is not plain."""
    sent = _number(text, spans[_TIME, 0], spans[_TIME, 1])
    if sent >= (MICROSECONDS_MAX if sent >= MICROSECONDS_FROM else MILLISECONDS_MAX):
        return NONE
    sent *= _MICROSECOND if sent >= MICROSECONDS_FROM else _MILLISECOND
    window = int64(RECV_WINDOW_MS)
    if spans[_WINDOW, 1] != 0:
        window = _number(text, spans[_WINDOW, 0], spans[_WINDOW, 1])
    is_plain = window <= RECV_WINDOW_MS_MAX and sent < now_ns + AHEAD_MS_MAX * _MILLISECOND
    return sent + window * _MILLISECOND if is_plain else NONE


@routine
def _steps(text: np.ndarray, at: int, size: int, step: int, decimals: int) -> int:
    """Return how many steps a number is, NONE if it is no whole number of them or perhaps too large."""
    found, place, whole = int64(0), int64(0), size
    while place < size:
        digit = int64(text[at + place])
        if digit == _POINT:
            whole = place
        elif place > whole + decimals:
            if digit != _ZERO:
                return NONE
        else:
            found = found * 10 + digit - _ZERO
        place += 1
    if whole + decimals > NUMBER_DIGITS_MAX:
        return NONE
    fraction = min(decimals, max(0, size - whole - 1))
    for _ in range(decimals - fraction):
        found *= 10
    return NONE if found % step != 0 else found // step
