"""Lists of model prices and of data sets as instruments to list: CSV text in, rows out, each bad line with its reason.

A model's line gives one token allowance for each direction that has a price above zero; a data set's line gives one
licence, without a price. Prices are per million tokens, in any currency whose rate in yuan is given, and rounded half
up to ticks of 0.0001 yuan. The same symbol twice is read once; at another price the later line is bad.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from exchange.core.types import PRICE_TICKS_MAX, AssetKind

TICKS_PER_YUAN = 10_000  # of an allowance
BAND_FACTOR = 10  # orders may be priced from a tenth to ten times the list price
CODE_CHARACTERS_MAX = 13  # of a model or data set in a symbol; longer ones end with a part of their hash
ISSUER_CHARACTERS_MAX = 7
DESCRIPTION_CHARACTERS_MAX = 120
BASE_CURRENCY = "CNY"
_HASH_CHARACTERS = 6
_PRICE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,20})?(e-[0-9]{1,2})?").fullmatch
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class ListKind(StrEnum):
    """Which of the two lists a file is, known by its columns."""

    PRICES = "prices"
    DATASETS = "datasets"


_COLUMNS = {
    ListKind.PRICES: ("provider", "model", "in_per_1m", "out_per_1m", "currency", "to_date"),
    ListKind.DATASETS: ("name", "publisher", "availability", "bytes", "tokens", "license"),
}
KINDS = {ListKind.PRICES: AssetKind.ALLOWANCE, ListKind.DATASETS: AssetKind.LICENCE}


class Wanted(NamedTuple):
    """An instrument to list, and the line that asks for it."""

    line: int
    symbol: str
    issuer: str  # a name
    price_ticks: int  # 0: none is known
    description: str


class BadRow(NamedTuple):
    """A line that lists nothing, and why."""

    line: int
    reason: str


class PriceList(NamedTuple):
    """What a file asks for."""

    kind: ListKind
    row_count: int
    wanted: list[Wanted]
    repeated_count: int  # lines that say again what an earlier one said
    bad: list[BadRow]


class FormatError(ValueError):
    """The text is neither of the two lists."""


class _Refusal(Exception):  # noqa: N818 - a refusal is no error of ours
    """Why a line is bad."""


def read(lines: Iterable[str], rates: Mapping[str, Fraction], today: str = "") -> PriceList:
    """Return what a file asks for; `rates` are yuan per unit of a currency, a price that ended before `today` is bad.

    Raises FormatError for a text without the columns of either list.
    """
    table = csv.DictReader(lines)
    try:
        names = set(table.fieldnames or ())
        kind = next((kind for kind, columns in _COLUMNS.items() if names.issuperset(columns)), None)
        if kind is None:
            wanted = " or ".join(",".join(columns) for columns in _COLUMNS.values())
            raise FormatError(f"the first line does not name the columns {wanted}")
        return _read(kind, table, {**rates, BASE_CURRENCY: Fraction(1)}, today)
    except csv.Error as error:
        raise FormatError(f"line {table.line_num}: {error}") from None


def code(text: str, characters_max: int = CODE_CHARACTERS_MAX) -> str:
    """Return a name as a part of a symbol: capitals, digits and hyphens, cut where need be and told apart by a hash."""
    plain = re.sub(r"[^A-Z0-9]+", "-", text.upper()).strip("-")
    if plain and len(plain) <= characters_max:
        return plain
    digest = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    tail = "".join(_ALPHABET[digest >> 5 * place & 31] for place in range(_HASH_CHARACTERS))
    head = plain[: characters_max - _HASH_CHARACTERS - 1].rstrip("-")
    return f"{head}-{tail}" if head else tail


def _read(kind: ListKind, table: "csv.DictReader[str]", rates: Mapping[str, Fraction], today: str) -> PriceList:
    found: dict[str, Wanted] = {}
    bad: list[BadRow] = []
    row_count = repeated_count = 0
    for row in table:
        row_count += 1
        line = table.line_num
        try:
            asked = list(_allowances(row, line, rates, today) if kind is ListKind.PRICES else _licences(row, line))
            new = [wanted for wanted in asked if _is_new(wanted, found)]
        except _Refusal as refusal:
            bad.append(BadRow(line, str(refusal)))
            continue
        found.update((wanted.symbol, wanted) for wanted in new)
        repeated_count += not new
    return PriceList(kind, row_count, list(found.values()), repeated_count, bad)


def _is_new(wanted: Wanted, found: Mapping[str, Wanted]) -> bool:
    known = found.get(wanted.symbol)
    if known is not None and (known.issuer, known.description) != (wanted.issuer, wanted.description):
        raise _Refusal(f"line {known.line} lists {wanted.symbol} for another")
    if known is not None and known.price_ticks != wanted.price_ticks:
        raise _Refusal(f"line {known.line} lists {wanted.symbol} at another price")
    return known is None


def _allowances(row: Mapping[str, str], line: int, rates: Mapping[str, Fraction], today: str) -> Iterator[Wanted]:
    provider, model = _text(row, "provider"), _text(row, "model")
    end = (row["to_date"] or "").strip()
    if end and end < today:
        raise _Refusal(f"the price ended on {end}")
    currency = _text(row, "currency")
    rate = rates.get(currency)
    if rate is None:
        raise _Refusal(f"no rate is given for {currency}")
    prices = {"IN": _price(row, "in_per_1m"), "OUT": _price(row, "out_per_1m")}
    if not any(prices.values()):
        raise _Refusal("no price above zero")
    if prices["IN"] and prices["OUT"] and prices["OUT"] < prices["IN"]:
        raise _Refusal("output is cheaper than input")
    name = model.removeprefix(f"{provider}/")
    stem = f"TA.{code(provider, ISSUER_CHARACTERS_MAX)}.{code(name)}"
    about = f"{provider}/{name}, list price"[:DESCRIPTION_CHARACTERS_MAX]
    for direction, price in prices.items():
        if price:
            yield Wanted(line, f"{stem}.{direction}.NAT.E90.G0A", provider, _ticks(price * rate), about)


def _licences(row: Mapping[str, str], line: int) -> Iterator[Wanted]:
    name, publisher = _text(row, "name"), _text(row, "publisher")
    availability = _text(row, "availability")
    if availability not in {"All", "Partial"}:
        raise _Refusal(f"its availability is {availability[:40]!r}: All or Partial can be licensed")
    for column in ("bytes", "tokens"):
        if row[column] and not re.fullmatch(r"[0-9]{1,18}", row[column]):
            raise _Refusal(f"{column} is not a whole number")
    about = f"{name} by {publisher}, {row['license'] or '-'}"[:DESCRIPTION_CHARACTERS_MAX]
    yield Wanted(line, f"DL.{code(name)}.PT.Y1S1", publisher, 0, about)


def _text(row: Mapping[str, str], column: str) -> str:
    """Return a column that must not be empty."""
    text = (row[column] or "").strip()
    if not text:
        raise _Refusal(f"{column} is empty")
    return text


def _price(row: Mapping[str, str], column: str) -> Fraction:
    """Return a price, 0 where there is none."""
    text = (row[column] or "").strip().lower()
    if text and not _PRICE(text):
        raise _Refusal(f"{column} is not a price")
    return Fraction(text or 0)


def _ticks(yuan: Fraction) -> int:
    ticks = int(yuan * TICKS_PER_YUAN + Fraction(1, 2))
    if not ticks:
        raise _Refusal("the price is less than half a tick of 0.0001 yuan")
    if ticks * BAND_FACTOR > PRICE_TICKS_MAX:
        raise _Refusal(f"the price is above {PRICE_TICKS_MAX // BAND_FACTOR // TICKS_PER_YUAN} yuan")
    return ticks
