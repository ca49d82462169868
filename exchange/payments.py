"""Payments to more holders than one submission may pay: planned in parts, then made, each once.

A plan names accounts and amounts, so that who goes on after a crash pays what the first one would have. The id of a
payment is of series, account and the plan's own id: the engine makes none a second time. A start makes what is left at
once, long before the engine could forget an id.
"""

from hashlib import blake2b

import structlog

from exchange.core import commands
from exchange.core.types import AssetKind, EventKind, RejectReason, TransferPurpose
from exchange.registry.documents import encode
from exchange.registry.registry import Registry
from exchange.registry.series import PaymentPlan, PaymentsEnded
from exchange.submitting import Submit, submit_when_taken

PAID_AT_ONCE = 16_384  # in one submission
log = structlog.get_logger()


def payment(collateral_account: int, account: int, asset: int, cash: int, amount: int, name: str) -> bytes:
    """Return the command that pays a holder of a series out of its collateral, once under a name."""
    identity = blake2b(f"default {asset} {account} {name}".encode(), digest_size=16).digest()
    return commands.transfer(collateral_account, account, cash, amount, TransferPurpose.COMPENSATION, identity)


async def pay_out(registry: Registry, submit: Submit) -> None:
    """Make the payments of every plan that is whole and not over."""
    for plan in list(registry.allowances.payments.values()):
        if plan.is_whole and not plan.is_over:
            await _pay(registry, submit, plan)


async def _pay(registry: Registry, submit: Submit, plan: PaymentPlan) -> None:
    series = registry.allowances.series[plan.asset]
    cash = next(asset.index for asset in registry.assets if asset.kind is AssetKind.CASH)
    rows = [row for row in plan.rows if row[1]]
    for start in range(0, len(rows), PAID_AT_ONCE):
        made = [
            payment(series.collateral_account, account, plan.asset, cash, amount, plan.id)
            for account, amount in rows[start : start + PAID_AT_ONCE]
        ]
        await _send(submit, b"".join(made), b"")
    await _send(submit, b"", encode(PaymentsEnded(plan.asset, plan.id)))


async def _send(submit: Submit, made: bytes, document: bytes) -> None:
    """Submit; what was paid before is refused, and so it should be."""
    for event in await submit_when_taken(submit, made, document):
        if event.kind == EventKind.COMMAND_REJECTED and event.reason != RejectReason.DUPLICATE_ID:
            log.error("a holder was not paid", account=event.account, reason=event.reason)
