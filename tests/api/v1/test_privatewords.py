"""The words of the private stream: each kind of event, from both sides."""

from typing import Any

import pytest

from api.binance.directory import Directory
from api.executions import entries_of, executions
from api.v1.privatewords import PrivateWords
from exchange.core import commands
from exchange.core.types import AccountState, OrderType, SelfTradePrevention, Side, TransferPurpose
from tests.api.binance.floor import (
    ALICE,
    ALLOWANCE,
    BOB,
    CAROL,
    CNY,
    LOT,
    START_MS,
    SYMBOL,
    Floor,
    buy,
    in_place_of,
    sell,
)


@pytest.fixture
def floor() -> Floor:
    return Floor()


def told(floor: Floor, account: int, *made: bytes) -> list[dict[str, Any]]:
    """Return what an account is told of commands."""
    batch = floor.act(*made)
    first = batch.first_event_number
    entries = entries_of(account, floor.account_events.since(account, first), lambda number: batch.rows[number - first])
    words = PrivateWords(Directory(floor.registry), floor.asked)
    return [words.event(*pair) for pair in zip(entries, executions(entries, floor.orders.order), strict=True)]


def test_an_order_is_told_as_it_stood(floor: Floor) -> None:
    (accepted,) = told(floor, ALICE, buy(1_250, 3, client_order_id="mine"))
    assert accepted == {
        "type": "ORDER_ACCEPTED",
        "sequence": 2,
        "event": floor.event_count - 1,
        "time": START_MS,
        "order": {
            "order_id": floor.orders.open_orders(ALICE)[0].order_id,
            "client_order_id": "mine",
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "time_in_force": "GTC",
            "price": "12.50",
            "stop_price": None,
            "quantity": "3",
            "filled": "0",
            "amount": "0.000000",
            "status": "NEW",
        },
    }


def test_a_trade_and_its_bust_are_told_to_both_sides(floor: Floor) -> None:
    told(floor, BOB, sell(100, 2))
    floor.act(buy(100, 1))
    trade = floor.act(buy(100, 1)).rows[-1]
    bust = commands.bust_trade(2, Side.BUY, (ALICE, BOB), trade.instrument, 100, 1, (trade.fee, trade.counter_fee))
    (seller,) = told(floor, BOB, bust)
    assert (seller["type"], seller["trade_id"], seller["side"], seller["role"], seller["fee"]) == (
        "TRADE_BUSTED", 2, "SELL", "MAKER", "0.001000",
    )  # fmt: skip
    _, bought = told(floor, ALICE, sell(100, 1), buy(100, 1))
    assert (bought["fill"]["side"], bought["fill"]["role"], bought["order"]["status"]) == ("BUY", "TAKER", "FILLED")


def test_ends_replacements_and_stops_say_what_is_theirs(floor: Floor) -> None:
    order_id = floor.act(buy(100, 3)).rows[0].order_id
    (replaced,) = told(floor, ALICE, commands.replace_order(ALICE, order_id, 100, 2))
    (canceled,) = told(floor, ALICE, commands.cancel_order(ALICE, order_id))
    assert (replaced["kept_priority"], replaced["order"]["quantity"]) == (True, "2")
    assert (canceled["type"], canceled["reason"], canceled["order"]["status"]) == (
        "ORDER_CANCELED", "REQUESTED", "CANCELED",
    )  # fmt: skip
    floor.act(sell(101, 1))
    (asleep,) = told(floor, ALICE, buy(102, 1, order_type=OrderType.STOP_LIMIT, stop_ticks=101))
    woken = told(floor, ALICE, buy(101, 1, account=CAROL, self_trade_prevention=SelfTradePrevention.NONE))
    assert (asleep["order"]["stop_price"], [one["type"] for one in woken]) == ("1.01", ["ORDER_TRIGGERED"])


def test_a_decrement_says_how_much(floor: Floor) -> None:
    floor.act(sell(100, 5))
    (prevented,) = told(floor, BOB, buy(100, 2, account=CAROL, self_trade_prevention=SelfTradePrevention.DECREMENT))
    assert (prevented["type"], prevented["prevented"], prevented["order"]["quantity"]) == ("MATCH_PREVENTED", "2", "3")


@pytest.mark.parametrize(
    ("made", "account", "kind", "amount"),
    [
        (commands.deposit(ALICE, CNY, 5), ALICE, "DEPOSITED", "0.000005"),
        (commands.withdraw(ALICE, CNY, 5), ALICE, "WITHDRAWN", "-0.000005"),
        (commands.issue(BOB, ALLOWANCE, LOT), BOB, "ISSUED", "1.000000"),
        (commands.redeem(BOB, ALLOWANCE, LOT, b"x" * 16), BOB, "REDEEMED", "-1.000000"),
        (commands.expire_units(BOB, ALLOWANCE, LOT), BOB, "UNITS_EXPIRED", "-1.000000"),
    ],
)
def test_what_comes_and_goes_has_a_sign(floor: Floor, made: bytes, account: int, kind: str, amount: str) -> None:
    (body,) = told(floor, account, made)
    assert (body["type"], body["amount"]) == (kind, amount)


def test_a_transfer_names_the_other_side(floor: Floor) -> None:
    for number, (account, amount, other) in enumerate(((ALICE, "-0.000005", CAROL), (CAROL, "0.000005", ALICE))):
        made = commands.transfer(ALICE, CAROL, CNY, 5, TransferPurpose.SUBACCOUNT, bytes([number + 1] * 16))
        (body,) = told(floor, account, made)
        assert (body["amount"], body["counter_account"], body["purpose"]) == (amount, other, "SUBACCOUNT")


def test_the_account_itself_is_told_of(floor: Floor) -> None:
    (timer,) = told(floor, CAROL, commands.set_deadman(CAROL, (START_MS + 9) * 1_000_000))
    (state,) = told(floor, CAROL, commands.set_account_state(CAROL, AccountState.RESTRICTED))
    assert (timer["trigger"], state["state"]) == (START_MS + 9, "RESTRICTED")


def test_balances_are_told_by_name(floor: Floor) -> None:
    words = PrivateWords(Directory(floor.registry), floor.asked)
    assert words.balances(START_MS * 1_000_000, START_MS * 1_000_000, 7, [(CNY, 5, 6)]) == {
        "type": "BALANCES",
        "after": 7,
        "changed": START_MS,
        "time": START_MS,
        "balances": [{"asset": "CNY", "available": "0.000005", "held": "0.000006"}],
    }


def test_an_order_that_was_to_take_another_s_place_and_was_refused_is_told_with_its_reason(floor: Floor) -> None:
    floor.are_refusals_failures = False
    (rejected,) = told(floor, ALICE, in_place_of(7, buy(10**7, 3, client_order_id="mine")))
    assert (rejected["type"], rejected["reason"]) == ("ORDER_REJECTED", "PRICE_OUTSIDE_BAND")
    order = rejected["order"]
    assert (order["order_id"], order["client_order_id"], order["status"]) == (0, "mine", "REJECTED")
    assert (order["side"], order["price"], order["quantity"], order["filled"]) == ("BUY", "100000.00", "3", "0")
