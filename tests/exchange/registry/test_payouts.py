"""Plans of payments: which part may come next, and what the events of commands make of them."""

import pytest
from msgspec.structs import replace

from exchange.core.records import EVENT
from exchange.core.types import EventKind, TransferPurpose
from exchange.events import Event
from exchange.registry.documents import encode
from exchange.registry.payouts import (
    PAYMENTS_KEPT,
    PaymentKind,
    PaymentsEnded,
    PaymentsPlanned,
    payment_id,
    payments_key,
)
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry
from tests.exchange.registry.builders import ALL, registry_of
from tests.exchange.registry.test_series import SERIES

FIRST = PaymentsPlanned(2, PaymentKind.DEFAULT, "d", 10_000, 2, 0, False, ((1, 5, 50), (7, 0, 70)))
LAST = replace(FIRST, part=1, is_last=True, rows=((3, 6, 60),))
ENDED = PaymentsEnded(2, PaymentKind.DEFAULT, "d")
KEY = payments_key(2, PaymentKind.DEFAULT, "d")


def _refused(registry: Registry, document: PaymentsPlanned | PaymentsEnded) -> DocumentRefusal | None:
    try:
        registry.check(encode(document))
    except DocumentRefusedError as error:
        return error.reason
    return None


def _event(kind: EventKind, **fields: int) -> Event:
    return Event(*(0,) * len(EVENT.names))._replace(kind=int(kind), **fields)


def _paid(plan: PaymentsPlanned, account: int, purpose: TransferPurpose = TransferPurpose.COMPENSATION) -> Event:
    name = payment_id(plan.asset, plan.kind, plan.id, account)
    words = [int.from_bytes(part, "little", signed=True) for part in (name[:8], name[8:])]
    return _event(
        EventKind.TRANSFERRED,
        counter_account=account,
        state=int(purpose),
        order_id=words[0],
        counter_order_id=words[1],
    )


def _burned(account: int, amount: int, asset: int = 2) -> Event:
    return _event(EventKind.UNITS_EXPIRED, account=account, asset=asset, amount=amount)


def test_parts_follow_each_other_and_a_plan_that_is_whole_takes_no_more() -> None:
    registry = registry_of(*ALL, SERIES)
    for wrong in (LAST, ENDED):
        assert _refused(registry, wrong) == DocumentRefusal.INDEX_NOT_NEXT
    assert _refused(registry, replace(FIRST, asset=9)) == DocumentRefusal.UNKNOWN_SERIES
    registry.apply(encode(FIRST))
    registry.apply(encode(FIRST))  # from the beginning again
    for wrong in (replace(LAST, part=2), ENDED, replace(LAST, kind=PaymentKind.BREACH)):
        assert _refused(registry, wrong) == DocumentRefusal.INDEX_NOT_NEXT
    for twice in (((1, 9, 0),), ((7, 9, 0),), ((3, 6, 60), (3, 1, 0))):
        assert _refused(registry, replace(LAST, rows=twice)) == DocumentRefusal.BAD_TERMS
    assert registry.allowances.payments.find(2, PaymentKind.DEFAULT, "d") is None
    registry.apply(encode(LAST))
    plan = registry.allowances.payments.due[KEY]
    assert (plan.is_whole, plan.owed, plan.unburned) == (True, {1: 5, 3: 6}, {1: 50, 7: 70, 3: 60})
    for wrong in (FIRST, replace(LAST, part=2), ENDED):
        assert _refused(registry, wrong) == DocumentRefusal.INDEX_NOT_NEXT
    again = Registry()
    again.restore(registry.snapshot())
    assert again.allowances.payments == registry.allowances.payments


def test_the_events_alone_say_what_is_done() -> None:
    registry = registry_of(*ALL, SERIES, FIRST)
    registry.apply_events([_paid(FIRST, 1), _burned(1, 50)])  # of a plan that is not whole nothing is done
    registry.apply(encode(LAST))
    other = replace(FIRST, kind=PaymentKind.BREACH)
    registry.apply_events([
        _paid(other, 1), _paid(FIRST, 3, TransferPurpose.CORRECTION), _burned(3, 60, asset=1), _burned(9, 1)
    ])  # fmt: skip
    plans = registry.allowances.payments
    plan = plans.due[KEY]
    assert (plan.paid, plan.burned, plans.owed(2), plans.owed(1)) == (0, 0, 11, 0)
    for _ in range(2):  # a second time changes nothing
        registry.apply_events([_paid(FIRST, 1), _burned(3, 40)])
    assert (plan.owed, plan.unburned, plan.paid, plan.burned) == ({3: 6}, {1: 50, 7: 70}, 5, 40)
    assert _refused(registry, ENDED) == DocumentRefusal.INDEX_NOT_NEXT  # somebody is not paid
    again = Registry()
    again.restore(registry.snapshot())
    assert again.allowances.payments == plans
    registry.apply_events([_paid(FIRST, 3)])
    registry.apply(encode(ENDED))
    assert plans.find(2, PaymentKind.DEFAULT, "d") is plan
    assert (plans.due, plan.is_over, plan.unburned, plan.paid) == ({}, True, {}, 11)
    for wrong in (FIRST, ENDED):
        assert _refused(registry, wrong) == DocumentRefusal.INDEX_NOT_NEXT


def test_the_latest_plans_that_are_over_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.registry.payouts.PAYMENTS_KEPT", 3)
    assert PAYMENTS_KEPT == 1_000
    registry = registry_of(*ALL, SERIES)
    for number in range(5):
        registry.apply(encode(replace(FIRST, id=f"{number}", is_last=True, rows=())))
        registry.apply(encode(replace(ENDED, id=f"{number}")))
    assert [plan.id for plan in registry.allowances.payments.over.values()] == ["2", "3", "4"]
