"""The gateway between the API and the sequencer: what it refuses itself, and what it makes of events."""

import asyncio
from types import SimpleNamespace

import pytest

from api import errors
from api.errors import RequestError
from api.gateway import Gateway
from api.orders import decode
from exchange.core import commands
from exchange.core.types import EventKind, OrderType, RejectReason, SelfTradePrevention, Side, TimeInForce
from exchange.events import Event
from exchange.marketdata.orders import OrderHistory, OrderStatus, OrderView
from exchange.sequencer import Overloaded, Stopped
from tests.api.venue import ALICE, SYMBOL, TOKENS

LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2.5"}


def event(kind, **fields):
    return Event(*(fields.get(name, 0) for name in Event._fields))._replace(kind=kind)


class Sequencer:
    """In the place of the sequencer: answers with what the test says, or raises it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.submitted = []

    def submit(self, command):
        self.submitted.append(command)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        future = asyncio.get_running_loop().create_future()
        if isinstance(answer, list):
            future.set_result(answer)
        else:
            future.set_exception(answer())
        return future


@pytest.fixture
def parts(market):
    """Return a gateway without an engine, its sequencer, and an instrument."""

    def make(*answers):
        sequencer = Sequencer(*answers)
        registry = market.exchange.registry
        exchange = SimpleNamespace(registry=registry, orders=OrderHistory(), submit=sequencer.submit)
        return Gateway(exchange), sequencer, registry.instrument(SYMBOL)

    return make


def problem(coroutine):
    with pytest.raises(RequestError) as caught:
        asyncio.run(coroutine)
    return caught.value.problem


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Overloaded("full"), errors.OVERLOADED),
        (Stopped("over"), errors.STOPPED),
        (lambda: Stopped("in the middle"), errors.STATUS_UNKNOWN),
        (
            [event(EventKind.COMMAND_REJECTED, reason=RejectReason.WOULD_TAKE)],
            errors.rejection(RejectReason.WOULD_TAKE),
        ),
        ([event(EventKind.ORDER_DUPLICATED, order_id=7)], errors.ORDER_ARCHIVED),
    ],
)
def test_what_the_exchange_answers_is_told(parts, answer, expected):
    gateway, sequencer, instrument = parts(answer)
    assert problem(gateway.place(ALICE, decode(LIMIT), instrument)) == expected
    assert len(sequencer.submitted) == 1


def test_a_number_off_the_grid_never_reaches_the_exchange(parts):
    gateway, sequencer, instrument = parts()
    assert problem(gateway.place(ALICE, decode(LIMIT | {"price": "0.00001"}), instrument)) == errors.PRICE_FILTER
    assert problem(gateway.place(ALICE, decode(LIMIT | {"quantity": "-1"}), instrument)).code == -1100
    assert sequencer.submitted == []


def test_a_command_is_as_the_core_s_builder_makes_it(parts):
    gateway, _, instrument = parts()
    order = decode(LIMIT)._replace(
        client_order_id="a" * 36, flags=1, self_trade_prevention=SelfTradePrevention.DECREMENT, until_ns=7,
        stop_price="3", iceberg="1", amount="0.5",
    )  # fmt: skip
    made = commands.new_order(
        ALICE, instrument.index, order.side, gateway.ticks("", "2.5", instrument), 1, order_type=order.order_type,
        time_in_force=order.time_in_force, self_trade_prevention=SelfTradePrevention.DECREMENT, flags=1,
        client_order_id="a" * 36, amount=500_000, until_ns=7, stop_ticks=gateway.ticks("", "3", instrument),
        display_lots=1,
    )  # fmt: skip
    assert gateway.command(ALICE, order, instrument) == made


def test_cancelling_all_goes_on_until_nothing_is_left(parts):
    ended = event(EventKind.ORDER_CANCELED, order_id=5, quantity_lots=10, leaves_lots=4, price_ticks=100, time_ns=9)
    first = [ended, event(EventKind.MASS_CANCELED, leaves_lots=1)]
    second = [ended._replace(order_id=6, time_ns=8), event(EventKind.MASS_CANCELED)]
    gateway, sequencer, instrument = parts(first, second)
    found = asyncio.run(gateway.cancel_all(ALICE, instrument))
    assert [(order.order_id, order.filled_lots, order.status) for order in found] == [
        (6, 6, OrderStatus.CANCELED),
        (5, 6, OrderStatus.CANCELED),
    ]
    assert len(sequencer.submitted) == 2


def test_an_order_that_came_in_meanwhile_is_cancelled_too(market):
    view = OrderView(5, ALICE, TOKENS, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 0, 100, 10, 7, 8, "late")
    history = SimpleNamespace(open_orders=lambda *_: [], order={5: view}.get)
    ended = [event(EventKind.ORDER_CANCELED, order_id=5), event(EventKind.MASS_CANCELED)]
    exchange = SimpleNamespace(registry=market.exchange.registry, orders=history, submit=Sequencer(ended).submit)
    assert asyncio.run(Gateway(exchange).cancel_all(ALICE)) == [view]


def test_a_refused_cancellation_of_all_is_told(parts):
    gateway, _, instrument = parts([event(EventKind.COMMAND_REJECTED, reason=RejectReason.ACCOUNT_NOT_ACTIVE)])
    assert problem(gateway.cancel_all(ALICE, instrument)).code == -2011


def test_a_test_knows_the_account(parts):
    gateway, _, instrument = parts()
    with pytest.raises(RequestError) as caught:
        gateway.check(99, decode(LIMIT), instrument)
    assert caught.value.problem == errors.rejection(RejectReason.ACCOUNT_NOT_ACTIVE)


def test_many_commands_come_behind_those_that_were_sent_before(market):
    sent = []

    def submit(made):
        sent.append(made)
        return asyncio.get_running_loop().create_future()

    exchange = SimpleNamespace(registry=market.exchange.registry, orders=None, submit=submit, submit_many=submit)

    async def send():
        gateway = Gateway(exchange)
        waiting = asyncio.ensure_future(gateway.send(b"first"))
        await asyncio.sleep(0)  # it is gathered, and this turn is not over
        gateway.send_many(b"second")
        waiting.cancel()

    asyncio.run(send())
    assert sent == [b"first", b"second"]
