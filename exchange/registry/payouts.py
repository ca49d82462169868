"""Payments out of the collateral of a series: what is planned for whom, and what the events say was done of it.

A plan stands in documents, whole before anything is done. What is done of it is read off the events of its commands
alone: so no crash, refusal or later start can take for done what was not, or do again what was.
"""

from enum import StrEnum
from hashlib import blake2b
from struct import Struct
from typing import TypeAlias

import msgspec

from exchange.core.types import EventKind, TransferPurpose
from exchange.events import Event
from exchange.registry.refusals import DocumentRefusal

PAYMENTS_KEPT = 1_000  # plans that are over
PAYMENT_EVENTS = frozenset({int(EventKind.TRANSFERRED), int(EventKind.UNITS_EXPIRED)})
_WORDS = Struct("<qq")


class PaymentKind(StrEnum):
    """Why holders are paid: a share was not delivered, or the series ends and its units are burned."""

    BREACH = "BREACH"
    DEFAULT = "DEFAULT"


class PaymentsPlanned(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Who is paid out of the collateral of a series under an id, in parts; nothing is done before the last is there."""

    asset: int
    kind: PaymentKind
    id: str
    share_bps: int
    holders: int  # of all parts
    part: int  # from 0
    is_last: bool
    rows: tuple[tuple[int, int, int], ...]  # account, amount of cash, units to burn; each account once in all parts


class PaymentsEnded(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Everybody of a plan is paid."""

    asset: int
    kind: PaymentKind
    id: str


PaymentDocument: TypeAlias = PaymentsPlanned | PaymentsEnded


class PaymentPlan(msgspec.Struct):
    """A plan as it stands: what is left of it, and what was done."""

    asset: int
    kind: PaymentKind
    id: str
    share_bps: int
    holders: int
    part_count: int = 0
    is_whole: bool = False
    is_over: bool = False
    owed: dict[int, int] = msgspec.field(default_factory=dict)  # cash by account
    unburned: dict[int, int] = msgspec.field(default_factory=dict)  # units by account
    paid: int = 0
    burned: int = 0


class Payouts(msgspec.Struct):
    """All plans: part of the registry's snapshot."""

    due: dict[str, PaymentPlan] = msgspec.field(default_factory=dict)  # by `payments_key`
    over: dict[str, PaymentPlan] = msgspec.field(default_factory=dict)  # the latest last

    def find(self, asset: int, kind: PaymentKind, name: str) -> PaymentPlan | None:
        """Return a plan that is whole, whether it is over or not."""
        key = payments_key(asset, kind, name)
        found = self.over.get(key) or self.due.get(key)
        return found if found is not None and found.is_whole else None

    def whole(self) -> list[PaymentPlan]:
        """Return the plans that are to be carried out."""
        return [plan for plan in self.due.values() if plan.is_whole]

    def owed(self, asset: int) -> int:
        """Return the cash of a series' collateral that is its holders' already."""
        return sum(sum(plan.owed.values()) for plan in self.whole() if plan.asset == asset)


def payments_key(asset: int, kind: PaymentKind, name: str) -> str:
    """Return under which name a plan of payments is kept."""
    return f"{kind} {asset} {name}"


def payment_id(asset: int, kind: PaymentKind, name: str, account: int) -> bytes:
    """Return the id under which the engine pays an account of a plan once."""
    return blake2b(f"{account} {payments_key(asset, kind, name)}".encode(), digest_size=16).digest()


def refuse_payments(payouts: Payouts, document: PaymentDocument) -> DocumentRefusal | None:
    """Refuse a part that does not follow, and an end before its time; part 0 takes the place of what is not whole."""
    whole = payouts.find(document.asset, document.kind, document.id)
    if isinstance(document, PaymentsEnded):
        is_done = whole is not None and not whole.owed and not whole.is_over
        return None if is_done else DocumentRefusal.INDEX_NOT_NEXT
    begun = payouts.due.get(payments_key(document.asset, document.kind, document.id))
    follows = not document.part or (begun is not None and begun.part_count == document.part)
    if whole is not None or not follows:
        return DocumentRefusal.INDEX_NOT_NEXT
    accounts = {account for account, _, _ in document.rows}
    before = begun.owed.keys() | begun.unburned.keys() if begun is not None and document.part else set()
    is_once = len(accounts) == len(document.rows) and accounts.isdisjoint(before)
    return None if is_once else DocumentRefusal.BAD_TERMS


def add_payments(payouts: Payouts, document: PaymentDocument) -> None:
    """Apply a document that was not refused."""
    key = payments_key(document.asset, document.kind, document.id)
    if isinstance(document, PaymentsEnded):
        plan = payouts.over[key] = payouts.due.pop(key)
        plan.is_over, plan.unburned = True, {}  # of those the units went before they could be burned
        for name in list(payouts.over)[:-PAYMENTS_KEPT]:
            del payouts.over[name]
        return
    if not document.part:
        payouts.due[key] = PaymentPlan(document.asset, document.kind, document.id, document.share_bps, document.holders)
    plan = payouts.due[key]
    plan.owed |= {account: amount for account, amount, _ in document.rows if amount}
    plan.unburned |= {account: units for account, _, units in document.rows if units}
    plan.part_count, plan.is_whole = document.part + 1, document.is_last


def hear_payment(payouts: Payouts, event: Event) -> None:
    """Take down what an event of PAYMENT_EVENTS did of the plans that are due."""
    for plan in payouts.whole():
        if event.kind == EventKind.UNITS_EXPIRED:
            if event.asset == plan.asset and plan.unburned.pop(event.account, 0):
                plan.burned += event.amount
        elif event.state == TransferPurpose.COMPENSATION and event.counter_account in plan.owed:
            words = _WORDS.pack(event.order_id, event.counter_order_id)
            if words == payment_id(plan.asset, plan.kind, plan.id, event.counter_account):
                plan.paid += plan.owed.pop(event.counter_account)
