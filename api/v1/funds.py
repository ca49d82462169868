"""Money that enters and leaves: deposits and withdrawals by the operator."""

from collections.abc import Callable

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, submit
from api.v1.problems import UNKNOWN_ASSET, amount_units
from api.v1.schemas import TransferAnswer, TransferRequest
from exchange.core import commands
from exchange.registry.documents import Scope
from exchange.registry.units import format_units

MILLISECOND_NS = 1_000_000


async def deposit(desk: Desk, caller: Caller, request: TransferRequest) -> TransferAnswer:
    """Credit cash that came from outside. Each call counts: after a time-out look at the balance first."""
    return await _transfer(desk, commands.deposit, request.account, request.asset, request.amount)


async def withdraw(desk: Desk, caller: Caller, request: TransferRequest) -> TransferAnswer:
    """Debit available cash that goes outside. Each call counts: after a time-out look at the balance first."""
    return await _transfer(desk, commands.withdraw, request.account, request.asset, request.amount)


async def _transfer(
    desk: Desk, command: Callable[[int, int, int], bytes], account: int, asset: str, amount: str
) -> TransferAnswer:
    found = desk.exchange.registry.asset(asset)
    if found is None:
        raise RequestError(UNKNOWN_ASSET)
    units = amount_units("amount", amount, found.decimals)
    event = (await submit(desk, command(account, found.index, units)))[0]
    return TransferAnswer(
        account=account,
        asset=asset,
        amount=format_units(event.amount, found.decimals),
        sequence=event.sequence,
        time=event.time_ns // MILLISECOND_NS,
    )


ACTIONS = (
    Action("POST", "/v1/deposits", deposit, TransferRequest, TransferAnswer, (Scope.OPERATE,)),
    Action("POST", "/v1/withdrawals", withdraw, TransferRequest, TransferAnswer, (Scope.OPERATE,)),
)
