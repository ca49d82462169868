"""The ways in which clients write orders, on the instruments they write of: what the compiled door works with.

A wording is learned from an order that went the general way; from then on orders written alike are read, and answered,
by `api.compiled`, many in one call. All are forgotten when there is no room for another.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from api.binance.directory import Directory
from api.binance.replies import placed_terms
from api.compiled.frames import unmasked
from api.compiled.reading import read, spread
from api.compiled.telling import ORDER_ROOM, tell
from api.compiled.wording import (
    ACK,
    COMMAND_ROW,
    EVENT_ROW,
    FULL,
    PARTS,
    RESULT,
    ROWS,
    SPANS,
    WORDINGS,
    Part,
)
from api.orders import OrderTexts
from api.shapes import Parted
from exchange.core.records import COMMAND, EVENT
from exchange.registry.entries import Instrument

WORDINGS_MAX = 128
PARTS_MAX = 32  # of one wording
ROWS_MAX = 4_096  # wordings on instruments
SLOTS = 4 * ROWS_MAX
LETTERS_MAX = 1 << 20  # bytes of texts
_PARTS = {
    "id": Part.ID,
    "symbol": Part.SYMBOL,
    "price": Part.PRICE,
    "quantity": Part.QUANTITY,
    "newClientOrderId": Part.NAME,
    "timestamp": Part.TIME,
    "recvWindow": Part.WINDOW,
    "signature": Part.SIGNATURE,
}
_QUOTED = frozenset((Part.SYMBOL, Part.NAME))  # in JSON; all others may be numbers
_RESPONSES = {"FULL": FULL, "RESULT": RESULT, "ACK": ACK}
_COMMAND_BYTES = COMMAND.itemsize
_MESSAGE = int(Part.MESSAGE)


class Tables:
    """What is known at one time, as the compiled functions take it; answers are made with what their orders met."""

    def __init__(self) -> None:
        """Know nothing."""
        self.wordings = np.zeros(WORDINGS_MAX, WORDINGS)
        self.parts = np.zeros(WORDINGS_MAX * PARTS_MAX, PARTS)
        self.letters = np.zeros(LETTERS_MAX, np.uint8)
        self.rows = np.zeros(ROWS_MAX, ROWS)
        self.slots = np.zeros(SLOTS, np.int32)
        self.numbers: dict[tuple[object, ...], int] = {}  # of wordings
        self.instruments: list[Instrument] = []  # of rows
        self.known: set[tuple[int, str]] = set()  # wordings with symbols
        self._letters_used = self._parts_used = 0

    def has_room(self, texts: int, *, is_new: bool) -> bool:
        """Tell whether another row fits, and its wording if that is new, with texts of so many bytes."""
        is_full = (is_new and len(self.numbers) == WORDINGS_MAX) or len(self.instruments) == ROWS_MAX
        return not is_full and self._letters_used + texts <= LETTERS_MAX

    def add_wording(self, key: tuple[object, ...], parts: Sequence[tuple[Part, bytes]], order: OrderTexts) -> int:
        """Add a wording; return its number."""
        number, first = len(self.numbers), self._parts_used
        for kind, literal in parts:
            self.parts[self._parts_used] = (kind, *self._put(literal))
            self._parts_used += 1
        words = (order.side, order.order_type, order.time_in_force, order.flags, _RESPONSES[order.response])
        self.wordings[number] = (first, self._parts_used, *words)
        self.numbers[key] = number  # now it is there
        return number

    def add_row(self, number: int, instrument: Instrument, quote_decimals: int, prevention: int, terms: str) -> None:
        """Add an instrument that orders of a wording may name."""
        symbol = instrument.symbol.encode()
        at, size = self._put(symbol)
        self.rows[len(self.instruments)] = (
            number, at, size, instrument.index, instrument.price_step, instrument.price_decimals,
            instrument.quantity_step, instrument.quantity_decimals, quote_decimals, prevention,
            *self._put(terms.encode()), *self._put(instrument.quote_asset.encode()),
        )  # fmt: skip
        self.instruments.append(instrument)
        self.known.add((number, instrument.symbol))
        place = int(spread(self.letters, at, size, number)) & (SLOTS - 1)
        while self.slots[place]:
            place = (place + 1) & (SLOTS - 1)
        self.slots[place] = len(self.instruments)

    def _put(self, text: bytes) -> tuple[int, int]:
        at = self._letters_used
        self.letters[at : at + len(text)] = np.frombuffer(text, np.uint8)
        self._letters_used += len(text)
        return at, len(text)


class Messages:
    """Messages that came together: their text, and what was read of it."""

    def __init__(self, messages: Sequence[bytes], now_ns: int) -> None:
        """Take them, unread."""
        count = len(messages)
        self.now_ns = now_ns
        self.text = np.frombuffer(b"".join(messages), np.uint8)
        self.spans = np.zeros((count, SPANS, 2), np.int64)
        sizes = list(map(len, messages))
        self.spans[:, _MESSAGE, 1] = sizes
        self.spans[1:, _MESSAGE, 0] = list(accumulate(sizes[:-1]))
        self.commands = np.zeros(count, COMMAND)
        self.row_of = np.zeros(count, np.int64)
        self.until_ns = np.zeros(count, np.int64)  # when it is too late for it


class Burst(NamedTuple):
    """Some of them that were read, one behind the other."""

    tables: Tables
    text: np.ndarray
    spans: np.ndarray
    row_of: np.ndarray
    until_ns: np.ndarray
    commands: np.ndarray

    def part(self, begin: int, end: int) -> "Burst":
        """Return those from one to before another."""
        if (begin, end) == (0, len(self.commands)):
            return self
        return Burst(self.tables, self.text, *[array[begin:end] for array in self[2:]])


class Told(NamedTuple):
    """Answers: their bytes, and of each begin, end, first event, end of its events; begin is end if it is not there."""

    text: memoryview
    places: list[list[int]]


class Wordings:
    """The wordings of one kind of request."""

    def __init__(self, directory: Directory, *, is_http: bool) -> None:
        """Know none; answers are responses or else frames."""
        self._directory = directory
        self._is_http = is_http
        self._tables = Tables()

    def learn(self, message: bytes, parted: Parted | None, order: OrderTexts) -> None:
        """Remember how an order was written that is taken, if that is plain enough."""
        if parted is None or order.amount or order.stop_price or order.iceberg:
            return
        parts = _parts(message, parted, is_json=not self._is_http)
        instrument = self._directory.instrument(order.symbol)
        if not parts or instrument.index in self._directory.registry.gates:
            return
        tables = self._tables
        key = (order[1:5], order.self_trade_prevention, order.response, *parts)
        number = tables.numbers.get(key)
        if number is not None and (number, order.symbol) in tables.known:
            return
        prevention = order.self_trade_prevention
        mode = int(instrument.self_trade_prevention if prevention is None else prevention)
        terms = placed_terms(order.side, order.order_type, order.time_in_force, mode, order.flags)
        texts = len(message) + len(terms) + len(instrument.quote_asset)
        if not tables.has_room(texts, is_new=number is None):
            tables, number = Tables(), None
            self._tables = tables
        if number is None:
            number = tables.add_wording(key, parts, order)
        tables.add_row(number, instrument, self._directory.decimals(instrument.quote), mode, terms)

    def read(self, messages: Messages, begin: int) -> Burst | None:
        """Return the orders from a message on, as many as can be read one behind the other; None if it is none."""
        tables = self._tables
        end = _read(tables, messages, begin) if tables.numbers else begin
        if end == begin or not self._is_good(tables, messages.row_of[begin:end]):
            return None
        arrays = (messages.spans, messages.row_of, messages.until_ns, messages.commands)
        return Burst(tables, messages.text, *[array[begin:end] for array in arrays])

    def tell(self, burst: Burst, events: np.ndarray, units_ns: np.ndarray, tails: Sequence[bytes]) -> Told:
        """Return the answers to orders by their events, each with its unit of time, and its limits or header lines."""
        return _tell(burst, events, units_ns, tails, is_http=self._is_http)

    def _is_good(self, tables: Tables, row_of: np.ndarray) -> bool:
        """Tell whether the instruments are as they were when they were learned; forget all if not."""
        registry = self._directory.registry
        for row in set(row_of.tolist()):
            known = tables.instruments[row]
            found = registry.instrument(known.symbol)
            if found is None or found is not known or not found.is_listed or found.index in registry.gates:
                self._tables = Tables()
                return False
        return True


def compile_orders() -> None:
    """Compile what reads and answers orders, or read it from disk, before somebody waits for it."""
    messages, tables = Messages([], 0), Tables()
    spread(tables.letters, 0, 0, 0)
    _read(tables, messages, 0)
    burst = Burst(tables, messages.text, messages.spans, messages.row_of, messages.until_ns, messages.commands)
    _tell(burst, np.zeros(0, EVENT), np.zeros(0, np.int64), [], is_http=False)
    unmasked(b"", 0, 0)


def _read(tables: Tables, messages: Messages, begin: int) -> int:
    commands, count = messages.commands, len(messages.commands)
    end: int = read(
        messages.text, messages.spans, begin, count, tables.wordings, len(tables.numbers), tables.parts,
        tables.letters, tables.rows, tables.slots, messages.now_ns, commands.view(COMMAND_ROW),
        commands.view(np.uint8).reshape(count, _COMMAND_BYTES), messages.row_of, messages.until_ns,
    )  # fmt: skip
    return end


def _tell(burst: Burst, events: np.ndarray, units_ns: np.ndarray, tails: Sequence[bytes], *, is_http: bool) -> Told:
    sizes = np.fromiter(map(len, tails), np.int64, len(tails))
    places = np.zeros((len(burst.commands), 4), np.int64)
    tail_text = np.frombuffer(b"".join(tails), np.uint8)
    tables, room = burst.tables, (len(events) + 1) * ORDER_ROOM + len(tail_text)
    rows = events.view(EVENT_ROW)
    rows.flags.writeable = False  # whoever they come from, or it would be compiled for each
    is_done = False
    while not is_done:
        room *= 2
        out = np.empty(room, np.uint8)
        is_done = tell(
            rows, burst.text, burst.spans, burst.row_of, units_ns, is_http, sizes, tail_text, tables.wordings,
            tables.letters, tables.rows, out, places,
        )  # fmt: skip
    return Told(out.data, places.tolist())


def _parts(message: bytes, parted: Parted, *, is_json: bool) -> list[tuple[Part, bytes]]:
    """Return a message as literals and what differs, in order; none if something in it is not known here."""
    found: list[tuple[Part, bytes]] = []
    place = 0
    for name, begin, end in parted:
        kind = _PARTS.get(name)
        is_bare = is_json and kind in _QUOTED and message[begin - 1 : begin] != b'"'
        if kind is None or is_bare:
            return []
        found += [(Part.LITERAL, message[place:begin]), (kind, b"")]
        place = end
    found.append((Part.LITERAL, message[place:]))
    found = [(kind, literal) for kind, literal in found if kind is not Part.LITERAL or literal]
    kinds = {kind for kind, _ in found}
    is_whole = kinds >= {Part.SYMBOL, Part.QUANTITY, Part.TIME, Part.ID if is_json else Part.SIGNATURE}
    return found if is_whole and len(found) <= PARTS_MAX else []
