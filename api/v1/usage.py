"""Metered use: numbered batches of records, each record counted once, a repeated batch answered as it was.

One batch at a time is planned on what the engine says the keys have, submitted with its answer in one piece, and only
then the next: nobody else takes from those accounts, so the plan holds. Reading a body and writing an answer happen
outside of that.
"""

from asyncio import sleep
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from api.call import encoded
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from api.v1.desk import JSON_TYPES, Action, Caller, Desk
from api.v1.metering import LINES_TYPE, Columns, answered, batch_of, columns, decode, mentioned
from api.v1.problems import BATCH_DIFFERS, BATCH_FORGOTTEN, BATCH_TOO_LARGE, refused_document, usage_ids_full
from api.v1.purses import CASH, purses
from api.v1.schemas import Nothing
from api.v1.usageschemas import NextBatchAnswer, UsageAnswer, UsageRequest
from exchange.core.types import SECOND_NS, CommandKind, EventKind
from exchange.registry.allowances import factors_of, last_batch
from exchange.registry.documents import Scope, encode
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import Factors, KeptAnswer, UsageReported
from exchange.registry.units import format_units
from exchange.sequencer import Overloaded, Stopped
from exchange.usage.answers import Told, factors_in, pack, told, unpack
from exchange.usage.plan import Outcome, Planned, plan
from exchange.usage.tally import tally_command, tally_of

BODY_BYTES_MAX = 8 * 1024 * 1024


class _Sent(NamedTuple):
    """A batch as it was sent."""

    number: int
    digest: str
    columns: Columns


async def report_usage(desk: Desk, caller: Caller, _: None) -> bytes:
    """Burn allowance for metered requests; after a time-out send the same batch again, and hear what became of it.

    A record is paid from the units that are nominated to its key, earliest expiry first; what they do not cover is paid
    from the key's prepaid cash or refused, as its holder chose. The body is a JSON object, or with content type
    application/x-ndjson one record a line and the batch number as query parameter `batch`.
    """
    usage = decode(caller.call)
    body = caller.call.body
    sent = _Sent(usage.batch, sha256(body).hexdigest(), columns(usage.records, mentioned(body)))
    del usage
    await sleep(0)
    async with desk.metering:
        answer = await _apply(desk, caller.account, sent)
    await sleep(0)
    return _text(desk, sent, answer)


async def next_batch(desk: Desk, caller: Caller, request: Nothing) -> NextBatchAnswer:
    """Return the number that the issuer's next batch of usage must have."""
    return NextBatchAnswer(batch=last_batch(desk.exchange.registry.allowances, caller.account) + 1)


async def _apply(desk: Desk, issuer: int, sent: _Sent) -> Told:
    entries = desk.exchange.registry.allowances
    last = last_batch(entries, issuer)
    if sent.number <= last:
        return _repeated(entries.answers[issuer], issuer, sent)
    if sent.number != last + 1:
        raise RequestError(refused_document(DocumentRefusal.BATCH_NOT_NEXT))
    factors = factors_of(entries, issuer)
    batch = batch_of(sent.columns, issuer, factors)
    standing = await purses(desk, issuer, {key for key, _, _ in batch.groups})
    known = desk.exchange.usage.known(batch.words)
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    planned = plan(batch, standing, known, desk.exchange.clock.now_ns(), issuer, cash.index)
    _refuse_what_is_not_remembered(desk, len(planned.commands))
    answer = told(planned)
    tally = tally_command(issuer, tally_of(sent.number, planned.outcome))
    events = await _submit(desk, planned.commands.tobytes() + tally, issuer, sent, answer, factors)
    events = events[: len(planned.commands)]
    if (events["kind"] == EventKind.COMMAND_REJECTED).any():
        answer = _corrected(answer, planned, events)
        await _submit(desk, b"", issuer, sent, answer, factors)
    return answer


def _refuse_what_is_not_remembered(desk: Desk, ids: int) -> None:
    """Refuse a batch of more ids than the engine can remember beside those of the last 72 hours."""
    now_ns = desk.exchange.clock.now_ns()
    wait_ns = desk.exchange.usage.memory.wait_ns(ids, now_ns)
    if wait_ns:
        raise RequestError(usage_ids_full(-(-wait_ns // SECOND_NS)))


def _repeated(kept: list[KeptAnswer], issuer: int, sent: _Sent) -> Told:
    found = next((one for one in kept if one.batch == sent.number), None)
    if found is None:
        raise RequestError(BATCH_FORGOTTEN)
    if found.digest != sent.digest:
        raise RequestError(BATCH_DIFFERS)
    need = batch_of(sent.columns, issuer, factors_in(found.answer)).need
    return unpack(found.answer, need, _keys(sent))


def _keys(sent: _Sent) -> list[str]:
    """Return the keys of a batch, each once, in the order in which it names them."""
    return list(dict.fromkeys(key for key, _, _ in sent.columns.groups))


async def _submit(desk: Desk, commands: bytes, issuer: int, sent: _Sent, answer: Told, factors: Factors) -> np.ndarray:
    """Make a batch durable, its answer and its commands in one piece."""
    document = encode(UsageReported(issuer, sent.number, sent.digest, pack(answer, factors, _keys(sent))))
    if commands and len(document) > desk.exchange.config.document_bytes_max:
        raise RequestError(BATCH_TOO_LARGE)
    try:
        future = desk.exchange.submit_many(commands, document)
    except Overloaded:
        raise RequestError(OVERLOADED) from None
    except Stopped:
        raise RequestError(STOPPED) from None
    try:
        return await future
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None


def _corrected(answer: Told, planned: Planned, events: np.ndarray) -> Told:
    """Return what became of a batch of which the engine refused something; each command has one event."""
    outcome, burned = answer.outcome.copy(), answer.burned.copy()
    overrun, cost = answer.overrun.copy(), answer.cost.copy()
    refused = events["kind"] == EventKind.COMMAND_REJECTED
    redeems = refused & (events["state"] == CommandKind.REDEEM)
    paid = planned.record[refused & ~redeems]
    outcome[planned.record[refused]] = Outcome.REJECTED
    np.subtract.at(burned, planned.record[redeems], events["amount"][redeems])
    overrun[paid], cost[paid] = 0, 0
    return Told(outcome, burned, overrun, cost, answer.left)


def _text(desk: Desk, sent: _Sent, answer: Told) -> bytes:
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    rows = np.flatnonzero(answer.overrun)
    paid = zip(rows.tolist(), answer.cost[rows].tolist(), strict=True)
    costs = {row: format_units(cost, cash.decimals) for row, cost in paid}
    total = format_units(int(answer.cost.sum()), cash.decimals)
    return encoded(answered(sent.number, sent.columns.ids, answer, total, costs))


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
    Action("GET", "/v1/usage-batch", next_batch, Nothing, NextBatchAnswer, (Scope.METER,)),
)
