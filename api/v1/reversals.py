"""Records that were reported by mistake: what they burned and paid goes back to the key, once."""

from typing import Literal

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask, submit
from api.v1.problems import ALREADY_REVERSED, GATE_CLOSED, NO_MEANS, NOT_APPLIED
from api.v1.purses import CASH
from api.v1.schemas import REQUEST
from exchange.core import commands
from exchange.core.types import EventKind, TransferPurpose
from exchange.events import Event, rows
from exchange.registry.documents import Scope
from exchange.usage.ids import PARTS_MAX, usage_words

IDS_MAX = 1_000


class ReversalRequest(BaseModel):
    """Ids of records to take back; a right record in place of a wrong one comes under a new id."""

    model_config = REQUEST
    ids: tuple[str, ...] = Field(min_length=1, max_length=IDS_MAX)
    reason: str = Field("", max_length=200)


class ReversalResult(BaseModel):
    """What went back for one record: tokens, and cash units that had paid for overrun."""

    id: str
    status: Literal["REVERSED", "REFUSED"]
    tokens: int = 0
    cost: int = 0
    code: int = 0
    msg: str = ""


class ReversalAnswer(BaseModel):
    """What became of each id."""

    results: list[ReversalResult]


async def reverse(desk: Desk, caller: Caller, request: ReversalRequest) -> ReversalAnswer:
    """Take records back: units are issued anew and returned to the key, cash is returned by the issuer."""
    async with desk.metering:
        return ReversalAnswer(results=[await _reverse(desk, caller.account, name) for name in request.ids])


async def _reverse(desk: Desk, issuer: int, name: str) -> ReversalResult:
    first, second = usage_words(issuer, [name])[0].tolist()
    numbers = desk.exchange.usage.events_of(first, second)
    applied = [rows(desk.exchange.events.read(number - 1, 1))[0] for number in numbers]
    parts = [event for event in applied if event.state != TransferPurpose.CORRECTION]
    try:
        _check_parts(desk, parts, is_corrected=len(parts) < len(applied))
        await _check_cash(desk, issuer, parts)
        await submit(desk, b"".join([_given_back(issuer, event) for event in parts]))
    except RequestError as error:
        problem = error.problem
        return ReversalResult(id=name, status="REFUSED", code=problem.code, msg=problem.message)
    return ReversalResult(
        id=name,
        status="REVERSED",
        tokens=sum(event.amount for event in parts if event.kind == EventKind.REDEEMED),
        cost=sum(event.amount for event in parts if event.kind == EventKind.TRANSFERRED),
    )


def _check_parts(desk: Desk, parts: list[Event], *, is_corrected: bool) -> None:
    """Refuse what was never applied, was taken back, or was paid from a series that is over."""
    if not parts:
        raise RequestError(NOT_APPLIED)
    if is_corrected:
        raise RequestError(ALREADY_REVERSED)
    series = [desk.exchange.registry.allowances.series.get(event.asset) for event in parts]
    now_ns = desk.exchange.clock.now_ns()
    if any(one is not None and one.end_ns + one.grace_ns <= now_ns for one in series):
        raise RequestError(GATE_CLOSED)


async def _check_cash(desk: Desk, issuer: int, parts: list[Event]) -> None:
    """Refuse before anything is issued if the issuer cannot return the cash."""
    owed = sum(event.amount for event in parts if event.kind == EventKind.TRANSFERRED)
    cash = desk.exchange.registry.asset(CASH)
    if not owed or cash is None:
        return
    balances = await ask(desk, lambda engine: engine.balances(issuer))
    if owed > sum(available for asset, available, _ in balances if asset == cash.index):
        raise RequestError(NO_MEANS)


def _given_back(issuer: int, event: Event) -> bytes:
    """Return what undoes one part; its id is the part's own, counted from the other end."""
    words = (event.order_id, event.counter_order_id + PARTS_MAX)
    identity = b"".join([word.to_bytes(8, "little", signed=True) for word in words])
    purpose = TransferPurpose.CORRECTION
    back = commands.transfer(issuer, event.account, event.asset, event.amount, purpose, identity)
    if event.kind == EventKind.TRANSFERRED:
        return back
    return commands.issue(issuer, event.asset, event.amount) + back


ACTIONS = (Action("POST", "/v1/usage-reversals", reverse, ReversalRequest, ReversalAnswer, (Scope.METER,)),)
