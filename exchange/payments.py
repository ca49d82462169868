"""Carrying out plans of payments: pay whoever is owed, burn the units of those who were paid, say that it is over.

What is left of a plan is read off what stands, however long after a crash. The engine may refuse a payment: that
holder keeps its units and its claim, the plan stays open, and the same request or the next start tries again.
"""

import structlog

from exchange.core import commands
from exchange.core.types import AssetKind, EventKind, RejectReason, TransferPurpose
from exchange.registry.documents import encode
from exchange.registry.payouts import PaymentPlan, PaymentsEnded, payment_id
from exchange.registry.registry import Registry
from exchange.submitting import Submit, submit_when_taken

DONE_AT_ONCE = 16_384  # in one submission
ALL_LEFT = 0  # units of an account
log = structlog.get_logger()


async def pay_out(registry: Registry, submit: Submit) -> None:
    """Carry out every plan that is whole and not over; one that cannot be is told and stays open."""
    for plan in registry.allowances.payments.whole():
        reason = await pay(registry, submit, plan)
        if reason:
            log.error("holders were not paid", asset=plan.asset, id=plan.id, holders=len(plan.owed), reason=reason)


async def pay(registry: Registry, submit: Submit, plan: PaymentPlan) -> RejectReason:
    """Do what is left of a plan; return why the engine refused the first payment that it refused, NONE if none.

    Nobody else may carry it out meanwhile.
    """
    if plan.is_over:
        return RejectReason.NONE
    account = registry.allowances.series[plan.asset].collateral_account
    cash = next(asset.index for asset in registry.assets if asset.kind is AssetKind.CASH)
    reasons = await _send(submit, [_payment(plan, account, cash, *row) for row in plan.owed.items()])
    await _burn(submit, plan)
    if not plan.owed:
        await submit_when_taken(submit, b"", encode(PaymentsEnded(plan.asset, plan.kind, plan.id)))
    return reasons[0] if reasons else RejectReason.NONE


async def _burn(submit: Submit, plan: PaymentPlan) -> None:
    """Burn what those who are owed nothing had; of whoever has used some of it since, the rest."""
    paid = [row for row in plan.unburned.items() if row[0] not in plan.owed]
    await _send(submit, [commands.expire_units(account, plan.asset, units) for account, units in paid])
    less = [account for account, _ in paid if account in plan.unburned]
    await _send(submit, [commands.expire_units(account, plan.asset, ALL_LEFT) for account in less])


def _payment(plan: PaymentPlan, collateral: int, cash: int, account: int, amount: int) -> bytes:
    name = payment_id(plan.asset, plan.kind, plan.id, account)
    return commands.transfer(collateral, account, cash, amount, TransferPurpose.COMPENSATION, name)


async def _send(submit: Submit, made: list[bytes]) -> list[RejectReason]:
    """Submit in parts; return the reasons of the refusals."""
    reasons: list[RejectReason] = []
    for start in range(0, len(made), DONE_AT_ONCE):
        events = await submit_when_taken(submit, b"".join(made[start : start + DONE_AT_ONCE]), b"")
        reasons += [RejectReason(event.reason) for event in events if event.kind == EventKind.COMMAND_REJECTED]
    return reasons
