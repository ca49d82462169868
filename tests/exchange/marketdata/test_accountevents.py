"""The private sequence of each account: contiguous, the same however the events are batched, bounded."""

import pytest

from exchange.core.types import CommandKind, EndReason, EventKind, RejectReason, SelfTradePrevention
from exchange.events import Event
from exchange.marketdata.accountevents import AccountEvents

ZERO = Event(*[0] * len(Event._fields))


def event(kind: EventKind, account: int = 1, **fields: int) -> Event:
    return ZERO._replace(kind=kind, account=account, **fields)


def applied(*events: Event, kept_max: int = 100) -> AccountEvents:
    view = AccountEvents(kept_max)
    view.apply(events)
    return view


def test_each_account_counts_its_own_events() -> None:
    view = applied(
        event(EventKind.ORDER_ACCEPTED, 1),
        event(EventKind.ORDER_NAMED, 1),
        event(EventKind.ORDER_ACCEPTED, 2),
        event(EventKind.TRADED, 2, counter_account=1),
        event(EventKind.TRANSFERRED, 1, counter_account=3),
    )
    assert [view.latest(account) for account in (1, 2, 3, 4)] == [3, 2, 1, 0]
    assert view.after(1, 0) == [(1, 1), (2, 4), (3, 5)]
    assert view.after(1, 2) == [(3, 5)]
    assert view.after(4, 0) == view.since(4, 1) == []
    assert view.since(1, 4) == [(2, 4), (3, 5)]
    assert [view.latest_by(1, number) for number in (0, 3, 4, 9)] == [0, 1, 2, 3]


def test_a_trade_with_oneself_counts_twice() -> None:
    assert applied(event(EventKind.TRADED, 1, counter_account=1)).after(1, 0) == [(1, 1), (2, 1)]


def test_a_prevented_match_counts_if_it_changed_the_orders() -> None:
    modes = (SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.DECREMENT)
    view = applied(*[event(EventKind.MATCH_PREVENTED, 1, counter_account=2, self_trade_prevention=m) for m in modes])
    assert view.after(1, 0) == view.after(2, 0) == [(1, 2)]


def test_no_more_is_kept_than_may_be_and_the_numbers_go_on() -> None:
    view = AccountEvents(3)
    for _ in range(20):
        view.apply([event(EventKind.DEPOSITED)])
        assert view.after(1, 0)[-1] == (view.latest(1), view.event_count)
        assert len(view.after(1, 0)) == min(3, view.latest(1))
    assert (view.latest(1), view.earliest(1)) == (20, 18)
    assert view.after(1, 18) == [(19, 19), (20, 20)]


FIRED = event(EventKind.COMMAND_REJECTED, state=CommandKind.FIRE_DEADMAN, reason=RejectReason.TIMER_NOT_DUE, time_ns=50)


@pytest.mark.parametrize(
    ("before", "counts"),
    [
        ([event(EventKind.DEADMAN_SET, amount=40)], True),
        ([event(EventKind.DEADMAN_SET, amount=60)], False),
        ([event(EventKind.DEADMAN_SET, amount=40), event(EventKind.DEADMAN_SET)], False),
        ([event(EventKind.DEADMAN_SET, amount=40), event(EventKind.ORDER_CANCELED, reason=EndReason.DEADMAN)], False),
        ([event(EventKind.DEADMAN_SET, amount=40), FIRED], False),
        ([], False),
    ],
)
def test_a_timer_that_fired_without_an_order_is_told_once(before: list[Event], counts: bool) -> None:
    view = applied(*before)
    latest = view.latest(1)
    view.apply([FIRED])
    assert view.latest(1) - latest == counts


def test_an_order_refused_in_the_place_of_another_is_one_of_the_account_s_events() -> None:
    refused = event(EventKind.COMMAND_REJECTED, state=CommandKind.NEW_ORDER, order_id=7)
    cancel = event(EventKind.COMMAND_REJECTED, state=CommandKind.CANCEL_ORDER, order_id=7)
    nobody = event(EventKind.COMMAND_REJECTED, 10**6, state=CommandKind.NEW_ORDER, order_id=7)
    assert applied(cancel, refused, nobody, refused).after(1, 0) == [(1, 2), (2, 4)]
    many = applied(*[refused] * 10_000, kept_max=10_000)  # memory grows for refusals as for all else
    assert many.after(1, 0) == [(number, number) for number in range(1, 10_001)]


def test_another_refusal_is_none_of_the_account_s_events() -> None:
    assert applied(event(EventKind.COMMAND_REJECTED, state=CommandKind.NEW_ORDER)).latest(1) == 0
