"""The book of the readable engine, and how orders meet, trade, rest and end there.

A side is sorted by rank, so that its first orders are the best on either side; within a rank, by time.
"""

from collections import OrderedDict
from collections.abc import Iterator

from exchange.core.reference_tables import Order, Tables, fee
from exchange.core.types import (
    EXCHANGE_ACCOUNT,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

# --- the book ---------------------------------------------------------------------------------------------------------


def rank(side: Side, price_ticks: int) -> int:
    """Return the sort key of a price on its side of the book: lower is better."""
    return -price_ticks if side == Side.BUY else price_ticks


def opposite(side: Side) -> Side:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def crossing(order: Order) -> Iterator[Order]:
    """Yield the resting orders that an order could trade with, best price first, oldest first."""
    side = opposite(order.side)
    limit = rank(side, order.price_ticks)
    for price_rank, makers in order.instrument.sides[side].items():
        if price_rank > limit:
            return
        yield from makers.values()


def rest(order: Order) -> None:
    """Put an order on the book, last at its price."""
    side = order.instrument.sides[order.side]
    side.setdefault(rank(order.side, order.price_ticks), OrderedDict())[order.order_id] = order
    order.resting = True


def unrest(order: Order) -> None:
    """Take an order off the book."""
    side, price_rank = order.instrument.sides[order.side], rank(order.side, order.price_ticks)
    del side[price_rank][order.order_id]
    if not side[price_rank]:
        del side[price_rank]
    order.resting = False


# --- holds and ends ---------------------------------------------------------------------------------------------------


def set_hold(tables: Tables, order: Order, held: int) -> None:
    """Give or take the difference of a hold from the available balance."""
    balance = tables.balance(order.account, order.held_asset)
    balance.available += order.held - held
    balance.held += held - order.held
    order.held = held


def trim_hold(tables: Tables, order: Order) -> None:
    """Release what an order no longer needs."""
    set_hold(tables, order, min(order.held, order.need()))


def end(tables: Tables, order: Order) -> None:
    """Release an order's hold and its slot."""
    if order.resting:
        unrest(order)
    set_hold(tables, order, 0)
    tables.accounts[order.account].open_orders -= 1
    del tables.orders[order.order_id]
    tables.slots.release(order.slot)


def end_early(tables: Tables, kind: EventKind, order: Order, reason: EndReason) -> None:
    """End an order that is not filled, and say why."""
    tables.emit(
        kind,
        side=order.side,
        reason=reason,
        order_type=order.order_type,
        flags=OrderFlag.RESTING if order.resting else 0,
        account=order.account,
        instrument=order.instrument.index,
        order_id=order.order_id,
        price_ticks=order.price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
    )
    end(tables, order)


def expire(tables: Tables, order: Order, reason: EndReason) -> None:
    """End an order by rule."""
    end_early(tables, EventKind.ORDER_EXPIRED, order, reason)


# --- matching ---------------------------------------------------------------------------------------------------------


def match(tables: Tables, taker: Order) -> None:
    """Match an order that is not on the book, then end it or rest it."""
    met = 0
    while taker.leaves_lots and (maker := next(crossing(taker), None)):
        if met == WORK_MAX:
            return expire(tables, taker, EndReason.WORK_LIMIT)
        met += 1
        if taker.self_trade_prevention == SelfTradePrevention.NONE or not tables.same_group(
            taker.account, maker.account
        ):
            trade(tables, taker, maker)
        elif prevent(tables, taker, maker):
            return None
    if not taker.leaves_lots:
        return end(tables, taker)
    if taker.order_type == OrderType.MARKET or taker.time_in_force != TimeInForce.GTC:
        return expire(tables, taker, EndReason.IMMEDIATE_REMAINDER)
    rest(taker)
    return trim_hold(tables, taker)


def trade(tables: Tables, taker: Order, maker: Order) -> None:
    """Exchange lots at the maker's price; each side pays the growth of the fee on all that it traded in its role."""
    instrument = taker.instrument
    lots = min(taker.leaves_lots, maker.leaves_lots)
    notional = instrument.notional(maker.price_ticks, lots)
    taker_fee = -fee(taker.rates.taker_bps, taker.taker_notional)
    maker_fee = -fee(maker.rates.maker_bps, maker.maker_notional)
    taker.taker_notional += notional
    maker.maker_notional += notional
    taker_fee += fee(taker.rates.taker_bps, taker.taker_notional)
    maker_fee += fee(maker.rates.maker_bps, maker.maker_notional)
    for order, order_fee in ((taker, taker_fee), (maker, maker_fee)):
        order.leaves_lots -= lots
        settle(tables, order, lots, notional, order_fee)
    tables.balance(EXCHANGE_ACCOUNT, instrument.quote_asset).available += taker_fee + maker_fee
    tables.trade_count += 1
    tables.emit(
        EventKind.TRADED,
        side=taker.side,
        account=taker.account,
        counter_account=maker.account,
        instrument=instrument.index,
        asset=instrument.base_asset,
        order_id=taker.order_id,
        counter_order_id=maker.order_id,
        trade_id=tables.trade_count,
        price_ticks=maker.price_ticks,
        quantity_lots=lots,
        leaves_lots=taker.leaves_lots,
        amount=notional,
        fee=taker_fee,
        counter_fee=maker_fee,
    )
    if not maker.leaves_lots:
        end(tables, maker)


def settle(tables: Tables, order: Order, lots: int, notional: int, order_fee: int) -> None:
    """Move one side's assets: what it gives comes from its hold, what it gets is available at once."""
    instrument = order.instrument
    base = tables.balance(order.account, instrument.base_asset)
    quote = tables.balance(order.account, instrument.quote_asset)
    if order.side == Side.BUY:
        spent = notional + order_fee
        quote.held -= spent
        base.available += instrument.units(lots)
    else:
        spent = instrument.units(lots)
        base.held -= spent
        quote.available += notional - order_fee
    order.held -= spent
    assert order.held >= 0


def prevent(tables: Tables, taker: Order, maker: Order) -> bool:
    """Apply the taker's policy instead of a trade with its own group; say whether the taker has ended."""
    policy = taker.self_trade_prevention
    lots = min(taker.leaves_lots, maker.leaves_lots)
    if policy == SelfTradePrevention.DECREMENT:
        for order in (taker, maker):
            order.leaves_lots -= lots
            order.quantity_lots -= lots
    tables.emit(
        EventKind.MATCH_PREVENTED,
        side=taker.side,
        self_trade_prevention=policy,
        account=taker.account,
        counter_account=maker.account,
        instrument=taker.instrument.index,
        order_id=taker.order_id,
        counter_order_id=maker.order_id,
        price_ticks=maker.price_ticks,
        quantity_lots=lots,
        leaves_lots=taker.leaves_lots,
    )
    decrement = policy == SelfTradePrevention.DECREMENT
    if policy in {SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_BOTH} or not maker.leaves_lots:
        expire(tables, maker, EndReason.SELF_TRADE)
    elif decrement:
        trim_hold(tables, maker)
    taker_ends = not taker.leaves_lots if decrement else policy != SelfTradePrevention.EXPIRE_MAKER
    if taker_ends:
        expire(tables, taker, EndReason.SELF_TRADE)
    return taker_ends


def fillable(tables: Tables, taker: Order) -> bool:
    """Say whether the book can fill the whole of an order within the limit of work."""
    lots = 0
    for visited, maker in enumerate(crossing(taker)):
        if visited == WORK_MAX:
            return False
        policy = taker.self_trade_prevention
        if policy == SelfTradePrevention.NONE or not tables.same_group(taker.account, maker.account):
            lots += maker.leaves_lots
        elif policy != SelfTradePrevention.EXPIRE_MAKER:
            return False
        if lots >= taker.leaves_lots:
            return True
    return False


def market_cost(tables: Tables, taker: Order) -> int:
    """Return what a market order to buy would pay, fees aside, on the book as it stands."""
    cost, leaves = 0, taker.leaves_lots
    for visited, maker in enumerate(crossing(taker)):
        if visited == WORK_MAX or not leaves:
            break
        if taker.self_trade_prevention == SelfTradePrevention.NONE or not tables.same_group(
            taker.account, maker.account
        ):
            lots = min(leaves, maker.leaves_lots)
            cost += taker.instrument.notional(maker.price_ticks, lots)
            leaves -= lots
    return cost
