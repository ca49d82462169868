"""Metered use: each record of a batch becomes one redemption, and each record counts once.

The usage id is a hash of issuer and record id, so a batch may come again, in part, or out of order. The engine
remembers usage ids for a window, and a record is taken only while its own time lies inside that window: one that
comes after its id was forgotten is refused, not counted twice.
"""

from asyncio import gather
from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from api.call import Call, encoded
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, Problem, RequestError, rejection
from api.parameters import AUTHENTICATION, long, refuse_unknown
from api.v1.desk import JSON_TYPES, Action, Caller, Desk, ask
from api.v1.problems import (
    ALLOWANCE_EXHAUSTED,
    NO_HOLDER,
    NOT_AN_ALLOWANCE,
    NOT_ITS_ISSUER,
    NOTHING_METERED,
    OUTSIDE_TIME,
    UNKNOWN_HOLDER,
    invalid_json,
)
from api.v1.schemas import UsageAnswer, UsageRequest
from exchange.core.commands import redeem
from exchange.core.engine import Engine
from exchange.core.types import USAGE_ID_WINDOW_NS, AssetKind, CommandKind, EventKind, RejectReason
from exchange.events import Event
from exchange.registry.documents import Scope
from exchange.registry.registry import Registry
from exchange.sequencer import Overloaded, Stopped

RECORDS_MAX = 10_000  # of one batch
BODY_BYTES_MAX = 8 * 1024 * 1024
NUMBER_MAX = 1 << 53  # exact in every JSON reader
ID_LENGTH_MAX = 128
USAGE_ID_BYTES = 16
MILLISECOND_NS = 1_000_000
AHEAD_NS_MAX = 60_000 * MILLISECOND_NS  # of the sender's clock
AGE_NS_MAX = USAGE_ID_WINDOW_NS - 3_600_000 * MILLISECOND_NS  # an hour below the window, for what is under way
LINES_TYPE = b"application/x-ndjson"
DIRECTION_PART = 3  # of a symbol like TA.CTEL.Q3.OUT.GZ.M2701.G80A

_Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One metered request, as in the schema UsageRecord."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    time: _Number
    symbol: str
    tokens_in: _Number
    tokens_out: _Number
    account: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0
    key: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Usage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A numbered batch, as in the schema UsageRequest."""

    batch: _Number
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=RECORDS_MAX)]


class Result(msgspec.Struct, omit_defaults=True, gc=False):
    """What became of one record, as in the schema UsageResult."""

    id: str
    status: str
    tokens: int
    remaining: int
    code: int = 0
    msg: str = ""


class Answered(msgspec.Struct):
    """What became of a batch, as in the schema UsageAnswer."""

    batch: int
    applied: int
    duplicates: int
    refused: int
    tokens: int
    results: list[Result]


class Redemption(NamedTuple):
    """A record as the engine gets it."""

    account: int
    asset: int
    tokens: int
    usage_id: bytes


Holding = tuple[int, int]  # account, asset
_DECODER = msgspec.json.Decoder(Usage)
_LINES_DECODER = msgspec.json.Decoder(Record)


async def report_usage(desk: Desk, caller: Caller, _: None) -> bytes:
    """Burn allowance for metered requests; send a batch again after a time-out, what was applied is a DUPLICATE.

    Of a symbol with direction IN or OUT the tokens of that direction count, otherwise both. The body is a JSON object,
    or with content type application/x-ndjson one record a line and the batch number as query parameter `batch`.
    """
    usage = decode(caller.call)
    plan = [_plan(desk.exchange.registry, record, caller) for record in usage.records]
    redemptions = [step for step in plan if isinstance(step, Redemption)]
    events = iter(await _redeem(desk, redemptions))
    remaining = await _remaining(desk, {(step.account, step.asset) for step in redemptions})
    results = [
        _refused(record, step) if isinstance(step, Problem) else _result(record, step, next(events), remaining)
        for record, step in zip(usage.records, plan, strict=True)
    ]
    return encoded(_answered(usage.batch, results))


def decode(call: Call) -> Usage:
    """Return the batch that a call carries, or refuse it with the place where it is wrong."""
    is_lines = call.content_type.split(b";")[0].strip().lower() == LINES_TYPE
    refuse_unknown(call.texts, AUTHENTICATION | ({"batch"} if is_lines else set()))
    try:
        if not is_lines:
            return _DECODER.decode(call.body)
        records = _LINES_DECODER.decode_lines(call.body)
        batch = long("batch", call.texts.get("batch", "0"))
        return msgspec.convert({"batch": batch, "records": records}, Usage)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(invalid_json(str(error))) from None


def usage_id(issuer: int, record_id: str) -> bytes:
    """Return the 16 bytes under which the engine remembers a record of an issuer."""
    return blake2b(record_id.encode(), digest_size=USAGE_ID_BYTES, salt=issuer.to_bytes(8, "little")).digest()


def metered_tokens(symbol: str, tokens_in: int, tokens_out: int) -> int:
    """Return what an allowance counts: input, output, or (BLEND and everything else) both."""
    parts = symbol.split(".")
    direction = parts[DIRECTION_PART] if len(parts) > DIRECTION_PART else ""
    if direction == "IN":
        return tokens_in
    return tokens_out if direction == "OUT" else tokens_in + tokens_out


def _plan(registry: Registry, record: Record, caller: Caller) -> Redemption | Problem:
    """Return the redemption that a record asks for, or why there is none."""
    asset = registry.asset(record.symbol)
    if asset is None or asset.kind is not AssetKind.ALLOWANCE:
        return NOT_AN_ALLOWANCE
    if asset.issuer_account != caller.account:
        return NOT_ITS_ISSUER
    age_ns = caller.call.now_ns - record.time * MILLISECOND_NS
    if not -AHEAD_NS_MAX <= age_ns <= AGE_NS_MAX:
        return OUTSIDE_TIME
    holder = _holder(registry, record)
    if isinstance(holder, Problem):
        return holder
    tokens = metered_tokens(record.symbol, record.tokens_in, record.tokens_out)
    if not tokens:
        return NOTHING_METERED
    return Redemption(holder, asset.index, tokens, usage_id(caller.account, record.id))


def _holder(registry: Registry, record: Record) -> int | Problem:
    """Return the account whose allowance is used."""
    if bool(record.account) == bool(record.key):
        return NO_HOLDER
    if record.account:
        return record.account if registry.account_at(record.account) is not None else UNKNOWN_HOLDER
    key = registry.key(record.key)
    return UNKNOWN_HOLDER if key is None else key.account


async def _redeem(desk: Desk, redemptions: list[Redemption]) -> list[Event]:
    """Return one event for each redemption, in order."""
    step = desk.exchange.config.submission_commands_max
    commands = [redeem(*redemption) for redemption in redemptions]
    parts = [b"".join(commands[start : start + step]) for start in range(0, len(commands), step)]
    futures = []
    try:
        futures = [desk.exchange.submit(part) for part in parts]
        done = await gather(*futures)
    except Overloaded:
        raise RequestError(OVERLOADED) from None
    except Stopped:
        raise RequestError(STATUS_UNKNOWN if futures else STOPPED) from None
    events = [event for part in done for event in part]
    assert len(events) == len(redemptions)
    return events


async def _remaining(desk: Desk, holdings: set[Holding]) -> dict[Holding, int]:
    def read(engine: Engine) -> dict[Holding, int]:
        return {
            (account, asset): available
            for account in {account for account, _ in holdings}
            for asset, available, _ in engine.balances(account)
            if (account, asset) in holdings
        }

    return await ask(desk, read) if holdings else {}


def _result(record: Record, step: Redemption, event: Event, remaining: dict[Holding, int]) -> Result:
    left = remaining.get((step.account, step.asset), 0)
    if event.kind == EventKind.REDEEMED:
        return Result(record.id, "APPLIED", event.amount, left)
    if event.reason == RejectReason.DUPLICATE_USAGE:
        return Result(record.id, "DUPLICATE", 0, left)
    exhausted = event.reason == RejectReason.INSUFFICIENT_BALANCE
    problem = ALLOWANCE_EXHAUSTED if exhausted else rejection(event.reason, CommandKind.REDEEM)
    return Result(record.id, "REFUSED", 0, left, problem.code, problem.message)


def _refused(record: Record, problem: Problem) -> Result:
    return Result(record.id, "REFUSED", 0, 0, problem.code, problem.message)


def _answered(batch: int, results: list[Result]) -> Answered:
    statuses = [result.status for result in results]
    return Answered(
        batch,
        applied=statuses.count("APPLIED"),
        duplicates=statuses.count("DUPLICATE"),
        refused=statuses.count("REFUSED"),
        tokens=sum(result.tokens for result in results),
        results=results,
    )


ACTIONS = (
    Action(
        "POST",
        "/v1/usage",
        report_usage,
        UsageRequest,
        UsageAnswer,
        (Scope.METER,),
        weight=50,
        body_bytes_max=BODY_BYTES_MAX,
        body_types=(*JSON_TYPES, LINES_TYPE),
        is_raw=True,
    ),
)
