"""An invoice: what a key's holder bought, what the key used, and what was paid beyond, from the ledger alone."""

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask
from api.v1.nominations import ApiKeyName, check_own, find_account
from api.v1.problems import NO_LEDGER, statement_refused
from api.v1.purses import CASH
from api.v1.schemas import REQUEST
from exchange.core.types import AssetKind, EventKind, TransferPurpose
from exchange.registry.documents import Scope
from exchange.registry.units import format_steps, format_units
from settlement.connect import PASSING_ERRORS
from settlement.statements import Line, StatementError, statement_between

MILLISECOND_NS = 1_000_000
_OVERRUN, _REDEEMED = TransferPurpose.OVERRUN.name.lower(), EventKind.REDEEMED.name.lower()


class InvoiceRequest(BaseModel):
    """A key and a time, `end` not included."""

    model_config = REQUEST
    key: ApiKeyName
    start: int = Field(0, ge=0, lt=1 << 43, description="Milliseconds since 1970.")
    end: int | None = Field(None, ge=0, lt=1 << 43, description="Milliseconds since 1970; now unless given.")


class BoughtAnswer(BaseModel):
    """Allowance bought, fees included."""

    symbol: str
    quantity: str
    amount: str


class UsedAnswer(BaseModel):
    """Allowance used by the key."""

    symbol: str
    tokens: int
    records: int


class InvoiceAnswer(BaseModel):
    """What was bought and used, what use beyond the allowance cost, and the sum."""

    key: str
    bought: list[BoughtAnswer]
    used: list[UsedAnswer]
    overrun: str
    total: str


async def invoice(desk: Desk, caller: Caller, request: InvoiceRequest) -> InvoiceAnswer:
    """Return purchases of the holder's account, use by the key, and overrun paid: the ledger's own postings."""
    check_own(desk, caller, request.key)
    registry = desk.exchange.registry
    cash = registry.asset(CASH)
    assert cash is not None
    behind = find_account(desk, request.key).index
    end_ns = caller.call.now_ns + 1 if request.end is None else request.end * MILLISECOND_NS
    span = min(request.start * MILLISECOND_NS, end_ns), end_ns
    bought = _bought(desk, await _lines(desk, caller.account, cash.index, span), cash.decimals)
    overrun = sum(-line.amount for line in await _lines(desk, behind, cash.index, span) if line.kind == _OVERRUN)
    used = []
    for index, _, _ in await ask(desk, lambda engine: engine.balances(behind)):
        asset = registry.asset_at(index)
        if asset is None or asset.kind is not AssetKind.ALLOWANCE:
            continue
        amounts = [-line.amount for line in await _lines(desk, behind, index, span) if line.kind == _REDEEMED]
        if amounts:
            used.append(UsedAnswer(symbol=asset.name, tokens=sum(amounts), records=len(amounts)))
    paid = sum(amount for _, amount in bought)
    return InvoiceAnswer(
        key=request.key,
        bought=[answer for answer, _ in bought],
        used=used,
        overrun=format_units(overrun, cash.decimals),
        total=format_units(paid + overrun, cash.decimals),
    )


async def _lines(desk: Desk, account: int, asset: int, span: tuple[int, int]) -> list[Line]:
    if desk.ledger is None:
        raise RequestError(NO_LEDGER)
    try:
        found = await statement_between(desk.ledger, account, asset, *span)
    except StatementError as error:
        raise RequestError(statement_refused(str(error))) from None
    except PASSING_ERRORS:
        raise RequestError(NO_LEDGER) from None
    return found.lines


def _bought(desk: Desk, lines: list[Line], decimals: int) -> list[tuple[BoughtAnswer, int]]:
    """Return what was bought of each allowance, by the cash it took."""
    registry = desk.exchange.registry
    sums: dict[int, tuple[int, int]] = {}
    for line in lines:
        if line.kind == "bought":
            lots, amount = sums.get(line.instrument, (0, 0))
            sums[line.instrument] = lots + line.quantity_lots, amount - line.amount
    found = []
    for index, (lots, amount) in sums.items():
        instrument = registry.instrument_at(index)
        assert instrument is not None
        base = registry.asset_at(instrument.base)
        if base is not None and base.kind is AssetKind.ALLOWANCE:
            quantity = format_steps(lots, instrument.quantity_step, instrument.quantity_decimals)
            texts = {"quantity": quantity, "amount": format_units(amount, decimals)}
            found.append((BoughtAnswer(symbol=instrument.symbol, **texts), amount))
    return found


ACTIONS = (Action("GET", "/v1/invoice", invoice, InvoiceRequest, InvoiceAnswer, (Scope.READ,), weight=50),)
