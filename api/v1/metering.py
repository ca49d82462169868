"""From the body of a batch to columns, and back from what became of it to an answer; nothing is sent from here."""

from itertools import repeat
from operator import attrgetter
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from api.call import Call
from api.errors import Problem, RequestError
from api.parameters import AUTHENTICATION, long, refuse_unknown
from api.v1.problems import (
    ALLOWANCE_EXHAUSTED,
    KEY_ENDED,
    KEY_WITHOUT_ALLOWANCE,
    NO_MEANS,
    NOTHING_METERED,
    OUTSIDE_TIME,
    OVERTAKEN,
    UNKNOWN_HOLDER,
    invalid_json,
)
from exchange.registry.series import Factors
from exchange.usage.answers import Told
from exchange.usage.ids import usage_words
from exchange.usage.plan import TOKENS_MAX, Batch, Outcome, needs

RECORDS_MAX = 10_000  # of one batch
NUMBER_MAX = 1 << 53  # exact in every JSON reader
ID_LENGTH_MAX = 128
KEY_LENGTH_MAX = 128
NAME_LENGTH_MAX = 64
LINES_TYPE = b"application/x-ndjson"
_COUNTS = ("tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning", "tokens_image", "tokens_audio")
_FACTOR_OF = dict(zip(_COUNTS, ("tokens_in", "tokens_out", "cached", "reasoning", "image", "audio"), strict=True))
PROBLEMS = {
    Outcome.UNKNOWN_KEY: UNKNOWN_HOLDER,
    Outcome.NO_ALLOWANCE: KEY_WITHOUT_ALLOWANCE,
    Outcome.OUTSIDE_TIME: OUTSIDE_TIME,
    Outcome.NOTHING_METERED: NOTHING_METERED,
    Outcome.EXHAUSTED: ALLOWANCE_EXHAUSTED,
    Outcome.NO_MEANS: NO_MEANS,
    Outcome.REJECTED: OVERTAKEN,
    Outcome.KEY_ENDED: KEY_ENDED,
}

_Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
_Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH_MAX)]


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One metered request, as in the schema UsageRecord."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_LENGTH_MAX)]
    time: _Number
    tokens_in: _Tokens = 0
    tokens_out: _Tokens = 0
    tokens_cached: _Tokens = 0
    tokens_reasoning: _Tokens = 0
    tokens_image: _Tokens = 0
    tokens_audio: _Tokens = 0
    model: _Name = ""
    symbol: _Name = ""


class Usage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A numbered batch, as in the schema UsageRequest."""

    batch: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=RECORDS_MAX)]


class Result(msgspec.Struct, omit_defaults=True, gc=False):
    """What became of one record, as in the schema UsageResult."""

    id: str
    status: str
    tokens: int
    overrun: int = 0
    cost: str = ""
    code: int = 0
    msg: str = ""


class Answered(msgspec.Struct):
    """What became of a batch, as in the schema UsageAnswer."""

    batch: int
    applied: int
    duplicates: int
    refused: int
    tokens: int
    overrun: int
    cost: str
    remaining: dict[str, int]
    results: list[Result]


class Columns(NamedTuple):
    """The records of a batch, side by side."""

    ids: list[str]
    time_ms: np.ndarray
    counts: dict[str, np.ndarray]
    group: np.ndarray
    groups: list[tuple[str, str, str]]


_OPTIONAL = frozenset((*_COUNTS[2:], "symbol", "model"))
_ID, _KEY, _TERMS = attrgetter("id"), attrgetter("key"), attrgetter("key", "symbol", "model")
_FIELDS = {name: attrgetter(name) for name in (*_COUNTS, "time")}  # half the time of a comprehension
_DECODER = msgspec.json.Decoder(Usage)
_LINES_DECODER = msgspec.json.Decoder(Record)


def decode(call: Call) -> Usage:
    """Return the batch that a call carries, or refuse it with the place where it is wrong."""
    is_lines = call.content_type.split(b";")[0].strip().lower() == LINES_TYPE
    refuse_unknown(call.texts, AUTHENTICATION | ({"batch"} if is_lines else set()))
    try:
        if not is_lines:
            return _DECODER.decode(call.body)
        records = _LINES_DECODER.decode_lines(call.body)
        batch = long("batch", call.texts.get("batch", "0"))
        return msgspec.convert(Usage(batch, records), Usage, from_attributes=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(invalid_json(str(error))) from None


def mentioned(body: bytes) -> frozenset[str]:
    """Return the fields that a body may name, where it has a say: what it does not name need not be looked at."""
    if b"\\" in body:
        return _OPTIONAL  # a name may be written with escapes
    return frozenset(name for name in _OPTIONAL if name.encode() in body)


def columns(records: list[Record], named: frozenset[str] = _OPTIONAL) -> Columns:
    """Return the records as columns; counts that nobody gives are left out, as those not among `named` are."""
    groups: dict[tuple[str, str, str], int] = {}
    if named.isdisjoint(("symbol", "model")):
        keys: dict[str, int] = {}
        group = [keys.setdefault(key, len(keys)) for key in map(_KEY, records)]
        groups = {(key, "", ""): number for key, number in keys.items()}
    else:
        group = [groups.setdefault(terms, len(groups)) for terms in map(_TERMS, records)]
    counts = {}
    for name in _COUNTS:
        if name in _COUNTS[:2] or name in named:
            column = _column(name, records)
            if name in _COUNTS[:2] or column.any():
                counts[_FACTOR_OF[name]] = column
    return Columns(list(map(_ID, records)), _column("time", records), counts, np.array(group), list(groups))


def _column(name: str, records: list[Record]) -> np.ndarray:
    return np.fromiter(map(_FIELDS[name], records), np.int64, len(records))


def batch_of(found: Columns, issuer: int, factors: Factors) -> Batch:
    """Return what is to be planned."""
    words = usage_words(issuer, found.ids)
    return Batch(words, found.time_ms, needs(found.counts, factors), found.group, found.groups)


def answered(number: int, ids: list[str], told: Told, cost: str, costs: dict[int, str]) -> Answered:
    """Return the answer, record by record in the order sent; `costs` are the texts of those that cost anything."""
    outcome = told.outcome.tolist()
    burned, overrun = told.burned.tolist(), told.overrun.tolist()
    results = list(map(Result, ids, repeat("APPLIED"), burned))
    for row in np.flatnonzero(told.outcome).tolist():
        results[row] = _result(ids[row], outcome[row])
    for row, text in costs.items():
        results[row].overrun, results[row].cost = overrun[row], text
    applied, duplicates = outcome.count(Outcome.APPLIED), outcome.count(Outcome.DUPLICATE)
    return Answered(
        number,
        applied=applied,
        duplicates=duplicates,
        refused=len(ids) - applied - duplicates,
        tokens=sum(burned),
        overrun=sum(overrun),
        cost=cost,
        remaining=told.left,
        results=results,
    )


def _result(name: str, outcome: int) -> Result:
    """Return what became of a record that was not applied."""
    if outcome == Outcome.DUPLICATE:
        return Result(name, "DUPLICATE", 0)
    problem: Problem = PROBLEMS[Outcome(outcome)]
    return Result(name, "REFUSED", 0, 0, "", problem.code, problem.message)
