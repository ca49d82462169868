"""Metered use: each record of a batch becomes one redemption and counts once, however often and in whatever order sent.

A large batch is worked through in slices, and in between the loop serves everybody else.
"""

from asyncio import gather, sleep

import msgspec

from api.call import Call, encoded
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, Problem, RequestError, rejection
from api.parameters import AUTHENTICATION, long, refuse_unknown
from api.v1.desk import JSON_TYPES, Action, Caller, Desk, ask
from api.v1.metering import Holding, Plan, Record, Usage
from api.v1.problems import ALLOWANCE_EXHAUSTED, invalid_json
from api.v1.schemas import UsageAnswer, UsageRequest
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, EventKind, RejectReason
from exchange.events import Event
from exchange.registry.documents import Scope
from exchange.sequencer import Overloaded, Stopped

BODY_BYTES_MAX = 8 * 1024 * 1024
SLICE = 500  # records worked through before others get their turn
LINES_TYPE = b"application/x-ndjson"
_REDEEMED, _DUPLICATE = int(EventKind.REDEEMED), int(RejectReason.DUPLICATE_ID)
_DECODER = msgspec.json.Decoder(Usage)
_LINES_DECODER = msgspec.json.Decoder(Record)


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


async def report_usage(desk: Desk, caller: Caller, _: None) -> bytes:
    """Burn allowance for metered requests; send a batch again after a time-out, what was applied is a DUPLICATE.

    Of a symbol with direction IN or OUT the tokens of that direction count, otherwise both. The body is a JSON object,
    or with content type application/x-ndjson one record a line and the batch number as query parameter `batch`.
    """
    usage = decode(caller.call)
    plan = Plan(desk.exchange.registry, caller.account, caller.call.now_ns)
    for start in range(0, len(usage.records), SLICE):
        for record in usage.records[start : start + SLICE]:
            plan.add(record)
        await sleep(0)
    events = await _redeem(desk, plan.commands())
    remaining = await _remaining(desk, set(plan.holdings))
    results: list[Result] = []
    done = zip(plan.holdings, events, strict=True)
    for record, problem in zip(usage.records, plan.problems, strict=True):
        results.append(_result(record, *next(done), remaining) if problem is None else _refused(record, problem))
        if not len(results) % SLICE:
            await sleep(0)
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
        return msgspec.convert(Usage(batch, records), Usage, from_attributes=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(invalid_json(str(error))) from None


async def _redeem(desk: Desk, commands: bytes) -> list[Event]:
    """Return the event of each redemption, in order."""
    step = desk.exchange.config.submission_commands_max * COMMAND.itemsize
    futures = []
    try:
        futures = [desk.exchange.submit(commands[start : start + step]) for start in range(0, len(commands), step)]
        done = await gather(*futures)
    except Overloaded:
        raise RequestError(OVERLOADED) from None
    except Stopped:
        raise RequestError(STATUS_UNKNOWN if futures else STOPPED) from None
    return [event for part in done for event in part]


async def _remaining(desk: Desk, holdings: set[Holding]) -> dict[Holding, int]:
    accounts = {account for account, _ in holdings}

    def read(engine: Engine) -> dict[Holding, int]:
        rows = ((account, *row) for account in accounts for row in engine.balances(account))
        return {(account, asset): available for account, asset, available, _ in rows if (account, asset) in holdings}

    return await ask(desk, read) if holdings else {}


def _result(record: Record, holding: Holding, event: Event, remaining: dict[Holding, int]) -> Result:
    left = remaining.get(holding, 0)
    if event.kind == _REDEEMED:
        return Result(record.id, "APPLIED", event.amount, left)
    if event.reason == _DUPLICATE:
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
