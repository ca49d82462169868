"""Execution reports are exact for every event of a batch, not only for the last."""

import json
from typing import Any

import pytest

from api.binance import reports
from api.binance.directory import Directory
from api.executions import Entry, Execution, entries_of, executions
from api.orders import name_of
from exchange.core import commands
from exchange.core.types import (
    AccountState,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from exchange.sequencer import Batch
from tests.api.binance.floor import ALICE, BOB, CAROL, CNY, START_MS, SYMBOL, Floor, buy, sell

EVERYBODY = frozenset((ALICE, BOB, CAROL))


NOTHING_FILLED = {
    "e": "executionReport",
    "E": START_MS,
    "s": SYMBOL,
    "c": "mine",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "3",
    "p": "12.50",
    "P": "0.00",
    "F": "0",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "l": "0",
    "z": "0",
    "L": "0.00",
    "n": "0.000000",
    "N": None,
    "T": START_MS,
    "t": -1,
    "w": True,
    "m": False,
    "M": False,
    "O": START_MS,
    "Z": "0.000000",
    "Y": "0.000000",
    "Q": "0.000000",
    "W": START_MS,
    "V": "EXPIRE_TAKER",
}


def found(floor: Floor, batch: Batch, watched: frozenset[int] = EVERYBODY) -> list[Execution]:
    """Return what happened to the orders of watched accounts in a batch, in the order of the events."""
    first, told = batch.first_event_number, []
    for account in watched:
        numbered = floor.account_events.since(account, first)
        entries = entries_of(account, numbered, lambda number: batch.rows[number - first])
        told += [one for one in executions(entries, floor.orders.order) if one is not None]
    return sorted(told, key=lambda one: (one.entry.number, one.entry.is_counter))


def told(floor: Floor, batch: Batch, watched: frozenset[int] = EVERYBODY) -> list[dict[str, Any]]:
    directory = Directory(floor.registry)
    return [
        json.loads(reports.execution_report(one, name_of(one.order), directory.texts(one.order.instrument), "CNY"))
        for one in found(floor, batch, watched)
    ]


def brief(bodies: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(body[name] for name in names) for body in bodies]


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_an_accepted_order_is_reported_field_for_field(floor: Floor) -> None:
    batch = floor.act(buy(1_250, 3, client_order_id="mine"))
    numbers = {"i": batch.rows[0].order_id, "I": batch.first_event_number, "sq": 2}

    assert told(floor, batch) == [NOTHING_FILLED | numbers]


def test_a_trade_is_reported_to_both_sides(floor: Floor) -> None:
    floor.act(sell(1_000, 5))
    floor.pass_ms(10)
    batch = floor.act(buy(1_100, 2))

    assert brief(told(floor, batch)[1:], "S", "x", "X", "l", "L", "z", "Z", "Y", "n", "N", "t", "m", "w", "T", "O") == [
        ("BUY", "TRADE", "FILLED", "2", "10.00", "2", "20.000000", "20.000000", "0.040000", "CNY", 1, False, False,
         START_MS + 10, START_MS + 10),
        ("SELL", "TRADE", "PARTIALLY_FILLED", "2", "10.00", "2", "20.000000", "20.000000", "0.020000", "CNY", 1, True,
         True, START_MS + 10, START_MS),
    ]  # fmt: skip


def test_every_fill_of_a_batch_is_reported_with_what_was_filled_by_then(floor: Floor) -> None:
    batch = floor.act(sell(100, 2), sell(101, 2), buy(101, 3), buy(101, 5))

    takers = told(floor, batch, frozenset((ALICE,)))
    assert brief(takers, "x", "X", "l", "z", "Z") == [
        ("NEW", "NEW", "0", "0", "0.000000"),
        ("TRADE", "PARTIALLY_FILLED", "2", "2", "2.000000"),
        ("TRADE", "FILLED", "1", "3", "3.010000"),
        ("NEW", "NEW", "0", "0", "0.000000"),
        ("TRADE", "PARTIALLY_FILLED", "1", "1", "1.010000"),
    ]
    makers = told(floor, batch, frozenset((BOB,)))
    assert brief(makers, "x", "X", "z") == [
        ("NEW", "NEW", "0"),
        ("NEW", "NEW", "0"),
        ("TRADE", "FILLED", "2"),
        ("TRADE", "PARTIALLY_FILLED", "1"),
        ("TRADE", "FILLED", "2"),
    ]


def test_only_watched_accounts_are_reported(floor: Floor) -> None:
    floor.act(sell(100, 1))
    batch = floor.act(buy(100, 1))

    assert [execution.entry.is_counter for execution in found(floor, batch, frozenset((BOB,)))] == [True]
    assert found(floor, batch, frozenset((CAROL,))) == []


def test_the_number_of_a_report_is_that_of_its_event(floor: Floor) -> None:
    batch = floor.act(sell(100, 1), buy(100, 1, client_order_id="a"))

    numbers = [execution.entry.number - batch.first_event_number for execution in found(floor, batch)]
    kinds = [batch.rows[number].kind for number in numbers]
    assert kinds == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_ACCEPTED, EventKind.TRADED, EventKind.TRADED]


def test_a_cancelled_order_is_reported_under_its_name(floor: Floor) -> None:
    order_id = floor.act(buy(100, 3, client_order_id="mine")).rows[0].order_id
    floor.act(sell(100, 1))
    batch = floor.act(commands.cancel_order(ALICE, order_id))

    assert brief(told(floor, batch), "x", "X", "c", "C", "q", "z", "w") == [
        ("CANCELED", "CANCELED", "mine", "mine", "3", "1", False)
    ]


def test_an_order_without_a_name_is_reported_under_the_one_it_goes_by(floor: Floor) -> None:
    batch = floor.act(buy(100, 3))

    assert brief(told(floor, batch), "c") == [(f"tb-{batch.rows[0].order_id}",)]


def test_what_is_left_of_an_immediate_order_expires(floor: Floor) -> None:
    floor.act(sell(100, 1))
    batch = floor.act(buy(100, 3, time_in_force=TimeInForce.IOC))

    assert brief(told(floor, batch, frozenset((ALICE,))), "x", "X", "f", "z", "w") == [
        ("NEW", "NEW", "IOC", "0", False),
        ("TRADE", "PARTIALLY_FILLED", "IOC", "1", False),
        ("EXPIRED", "EXPIRED", "IOC", "1", False),
    ]


def test_a_market_order_has_no_price_and_a_post_only_order_its_own_type(floor: Floor) -> None:
    floor.act(sell(100, 1))
    market = floor.act(buy(0, 1, order_type=OrderType.MARKET, time_in_force=TimeInForce.IOC))
    assert brief(told(floor, market, frozenset((ALICE,))), "o", "p") == [("MARKET", "0.00")] * 2

    post_only = floor.act(buy(90, 1, flags=OrderFlag.POST_ONLY))
    assert brief(told(floor, post_only), "o") == [("LIMIT_MAKER",)]


def test_replacements_are_reported_with_the_terms_of_their_time(floor: Floor) -> None:
    order_id = floor.act(buy(100, 5)).rows[0].order_id
    floor.act(sell(100, 1))
    batch = floor.act(
        commands.replace_order(ALICE, order_id, 100, 4), commands.replace_order(ALICE, order_id, 99, 6), sell(99, 2)
    )

    assert brief(told(floor, batch, frozenset((ALICE,))), "x", "X", "p", "q", "z") == [
        ("REPLACED", "PARTIALLY_FILLED", "1.00", "4", "1"),
        ("REPLACED", "PARTIALLY_FILLED", "0.99", "6", "1"),
        ("TRADE", "PARTIALLY_FILLED", "0.99", "6", "3"),
    ]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (SelfTradePrevention.EXPIRE_TAKER, [("NEW", "NEW", "BUY"), ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "BUY")]),
        (SelfTradePrevention.EXPIRE_MAKER, [("NEW", "NEW", "BUY"), ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "SELL")]),
        (
            SelfTradePrevention.EXPIRE_BOTH,
            [
                ("NEW", "NEW", "BUY"),
                ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "SELL"),
                ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "BUY"),
            ],
        ),
    ],
)
def test_a_prevented_self_trade_is_reported(floor: Floor, mode: SelfTradePrevention, expected: list[Any]) -> None:
    floor.act(sell(100, 2))
    batch = floor.act(buy(100, 3, account=CAROL, self_trade_prevention=mode))

    assert brief(told(floor, batch), "x", "X", "S") == expected


def test_a_decrement_is_reported_to_both_with_what_it_took(floor: Floor) -> None:
    maker = floor.act(sell(100, 5)).rows[0].order_id
    batch = floor.act(buy(100, 2, account=CAROL, self_trade_prevention=SelfTradePrevention.DECREMENT))
    taker = batch.rows[0].order_id

    bodies = told(floor, batch)
    assert brief(bodies, "x", "X", "S", "q") == [
        ("NEW", "NEW", "BUY", "2"),
        ("TRADE_PREVENTION", "NEW", "BUY", "0"),
        ("TRADE_PREVENTION", "NEW", "SELL", "3"),
        ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", "BUY", "0"),
    ]
    assert brief(bodies[1:3], "U", "B") == [(maker, "2"), (taker, "2")]


def test_what_names_and_refuses_orders_is_not_reported(floor: Floor) -> None:
    floor.act(buy(100, 1, client_order_id="mine"))
    batch = floor.act(buy(100, 1, client_order_id="mine"), commands.deposit(ALICE, CNY, 5))

    assert [row.kind for row in batch.rows] == [EventKind.ORDER_DUPLICATED, EventKind.DEPOSITED]
    assert found(floor, batch) == []


def test_a_forgotten_order_is_an_error_and_no_silence(floor: Floor) -> None:
    batch = floor.act(buy(100, 1))

    with pytest.raises(LookupError, match="forgotten"):
        executions([Entry(1, 1, batch.rows[0], is_counter=False)], lambda _: None)


def test_a_stop_is_reported_asleep_awake_and_traded(floor: Floor) -> None:
    stop = buy(105, 2, order_type=OrderType.STOP_LIMIT, stop_ticks=101)
    floor.act(sell(101, 1), sell(102, 5))
    assert brief(told(floor, floor.act(stop)), "x", "X", "w", "P") == [("NEW", "NEW", False, "1.01")]
    assert "W" not in told(floor, floor.act(buy(105, 2, order_type=OrderType.STOP_LIMIT, stop_ticks=120)))[0]
    floor.pass_ms(10)
    batch = floor.act(buy(101, 1, account=CAROL, self_trade_prevention=SelfTradePrevention.NONE))

    woken = told(floor, batch, frozenset((ALICE,)))
    assert brief(woken, "x", "X", "w", "o", "W", "z") == [
        ("NEW", "NEW", True, "STOP_LOSS_LIMIT", START_MS + 10, "0"),
        ("TRADE", "FILLED", False, "STOP_LOSS_LIMIT", START_MS + 10, "2"),
    ]


def test_what_the_dialect_has_no_word_for_is_told_in_ours(floor: Floor) -> None:
    floor.act(sell(100, 2))
    trade = floor.act(buy(100, 2)).rows[-1]
    fees = (trade.fee, trade.counter_fee)
    bust = commands.bust_trade(trade.trade_id, Side.BUY, (ALICE, BOB), trade.instrument, 100, 2, fees)
    busted = floor.act(bust).rows[0]
    texts = Directory(floor.registry).texts(trade.instrument)
    sides = [reports.trade_busted(Entry(7, 9, busted, is_counter=one), texts) for one in (False, True)]
    assert brief(sides, "e", "t", "S", "p", "q", "n", "sq") == [
        ("tradeBusted", 1, "BUY", "1.00", "2", "0.004000", 7),
        ("tradeBusted", 1, "SELL", "1.00", "2", "0.002000", 7),
    ]
    state = floor.act(commands.set_account_state(CAROL, AccountState.SUSPENDED)).rows[0]
    timer = floor.act(commands.set_deadman(ALICE, (START_MS + 5) * 1_000_000)).rows[0]
    notices = [reports.account_notice(Entry(1, 1, event, is_counter=False)) for event in (state, timer)]
    assert brief(notices, "e") == [("accountState",), ("deadmanSet",)]
    assert (notices[0]["X"], notices[1]["T"]) == ("SUSPENDED", START_MS + 5)


def test_money_that_came_is_told(floor: Floor) -> None:
    event = floor.act(commands.deposit(ALICE, CNY, 5_000_000)).rows[0]

    assert reports.balance_update(Entry(3, 9, event, is_counter=False), "CNY", "5.000000") == {
        "sq": 3,
        "e": "balanceUpdate",
        "E": START_MS,
        "a": "CNY",
        "d": "5.000000",
        "T": START_MS,
    }


def test_balances_are_told() -> None:
    body = reports.account_position(START_MS * 1_000_000, (START_MS - 1) * 1_000_000, [("CNY", "1.0", "2.0")])

    assert body == {
        "e": "outboundAccountPosition",
        "E": START_MS,
        "u": START_MS - 1,
        "B": [{"a": "CNY", "f": "1.0", "l": "2.0"}],
    }


def test_an_iceberg_says_what_it_shows(floor: Floor) -> None:
    assert brief(told(floor, floor.act(buy(100, 5, display_lots=2))), "q", "F", "w") == [("5", "2", True)]
