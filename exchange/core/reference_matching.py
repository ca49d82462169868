"""How orders meet and trade in the readable engine, and what comes of the rest."""

from collections.abc import Iterator

from exchange.core.reference_book import (
    crossing,
    end,
    expire,
    may_trade,
    replenish,
    rest,
    trim_hold,
    walk,
)
from exchange.core.reference_limits import acquire, crosses_own_group, mature, new_holder, too_many_holders
from exchange.core.reference_tables import Instrument, Order, Tables, fee, with_worst_fee
from exchange.core.types import (
    BPS,
    EXCHANGE_ACCOUNT,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

# --- matching ---------------------------------------------------------------------------------------------------------


def execute(tables: Tables, taker: Order) -> int:
    """Match an order that is not on the book, then end it or rest it; return how many makers it met."""
    if taker.time_in_force == TimeInForce.FOK and not fillable(tables, taker):
        expire(tables, taker, EndReason.FILL_OR_KILL)
        return 0
    return match(tables, taker)


def match(tables: Tables, taker: Order) -> int:
    """Trade with the best of the other side while prices cross, then end or rest; return how many makers were met."""
    met = 0
    while taker.leaves_lots and (maker := next(crossing(taker), None)):
        if met == WORK_MAX:
            expire(tables, taker, EndReason.WORK_LIMIT)
            return met
        too_far = outside(taker.instrument, maker.price_ticks, taker.instrument.last_ticks)
        if too_far and may_trade(tables, taker, maker):
            interrupt(tables, taker, maker.price_ticks)
            return met
        met += 1
        if not meet(tables, taker, maker):
            return met
    finish(tables, taker)
    return met


def meet(tables: Tables, taker: Order, maker: Order) -> bool:
    """Let a taker and a maker trade, or not; say whether the taker goes on."""
    if not may_trade(tables, taker, maker):
        return prevent(tables, taker, maker)
    buyer = taker if taker.side == Side.BUY else maker
    if too_many_holders(tables, buyer.account, buyer.instrument.base_asset):
        expire(tables, buyer, EndReason.HOLDER_LIMIT)
        return buyer is maker
    trade(tables, taker, maker)
    return True


def finish(tables: Tables, taker: Order) -> None:
    """End an order that is filled or may not wait, and rest any other."""
    if not taker.leaves_lots:
        return end(tables, taker)
    if not taker.may_rest:
        return expire(tables, taker, EndReason.IMMEDIATE_REMAINDER)
    rest(taker)
    return trim_hold(tables, taker)


def outside(instrument: Instrument, price_ticks: int, last_ticks: int) -> bool:
    """Say whether a trade at a price would be too far from the reference or from the last trade."""
    pairs = (
        (instrument.reference_ticks, instrument.guards.static_bps),
        (last_ticks, instrument.guards.dynamic_bps),
    )
    return any(ticks and bps and abs(price_ticks - ticks) * BPS > ticks * bps for ticks, bps in pairs)


def interrupt(tables: Tables, taker: Order, price_ticks: int) -> None:
    """Stop trading before a price that is too far away, and collect orders for an auction, the taker's rest first."""
    instrument = taker.instrument
    instrument.state = TradingState.VOLATILITY
    tables.emit(
        EventKind.TRADING_STATE_SET, instrument=instrument.index, state=instrument.state, price_ticks=price_ticks
    )
    if not taker.may_rest:
        expire(tables, taker, EndReason.VOLATILITY_HALT)
    elif crosses_own_group(tables, taker):
        expire(tables, taker, EndReason.SELF_TRADE)
    else:
        finish(tables, taker)


def trade(tables: Tables, taker: Order, maker: Order) -> None:
    """Exchange lots at the maker's price; the maker ends or shows more when what it displays is gone."""
    lots = min(taker.leaves_lots, maker.displayed_lots)
    notional = taker.instrument.notional(maker.price_ticks, lots)
    fees = charge_taker(taker, notional), charge_maker(maker, notional)
    exchange(tables, (taker, maker), fees, maker.price_ticks, lots)
    close(tables, maker)


def exchange(tables: Tables, parties: tuple[Order, Order], fees: tuple[int, int], price_ticks: int, lots: int) -> None:
    """Move lots and money between two orders, and tell of it; `parties` are the two that the event names in order."""
    first, second = parties
    instrument = first.instrument
    notional = instrument.notional(price_ticks, lots)
    for order, order_fee in zip(parties, fees, strict=True):
        order.leaves_lots -= lots
        settle(tables, order, lots, notional, order_fee)
    tables.balance(EXCHANGE_ACCOUNT, instrument.quote_asset).available += sum(fees)
    tables.trade_count += 1
    instrument.last_ticks = price_ticks
    tables.emit(
        EventKind.TRADED,
        side=first.side,
        account=first.account,
        counter_account=second.account,
        instrument=instrument.index,
        asset=instrument.base_asset,
        order_id=first.order_id,
        counter_order_id=second.order_id,
        trade_id=tables.trade_count,
        price_ticks=price_ticks,
        quantity_lots=lots,
        leaves_lots=first.leaves_lots,
        amount=notional,
        fee=fees[0],
        counter_fee=fees[1],
    )


def charge_taker(order: Order, notional: int) -> int:
    """Return the growth of the fee on all that an order took."""
    before = fee(order.rates.taker_bps, order.taker_notional)
    order.taker_notional += notional
    return fee(order.rates.taker_bps, order.taker_notional) - before


def charge_maker(order: Order, notional: int) -> int:
    """Return the growth of the fee on all that others took from an order."""
    before = fee(order.rates.maker_bps, order.maker_notional)
    order.maker_notional += notional
    return fee(order.rates.maker_bps, order.maker_notional) - before


def settle(tables: Tables, order: Order, lots: int, notional: int, order_fee: int) -> None:
    """Move one side's assets: what it gives comes from its hold, what it gets is available at once."""
    instrument = order.instrument
    base = tables.balance(order.account, instrument.base_asset)
    quote = tables.balance(order.account, instrument.quote_asset)
    if order.side == Side.BUY:
        spent = notional + order_fee
        quote.held -= spent
        base.available += instrument.units(lots)
        acquire(tables, order.account, instrument.base_asset, instrument.units(lots))
    else:
        spent = instrument.units(lots)
        base.held -= spent
        quote.available += notional - order_fee
        mature(tables, order.account, instrument.base_asset)
    order.held -= spent
    assert order.held >= 0


def close(tables: Tables, order: Order) -> None:
    """End a resting order of which nothing is open, or show the next part of an iceberg that displays nothing."""
    if not order.leaves_lots:
        end(tables, order)
    elif not order.displayed_lots:
        replenish(tables, order)


# --- an order's own group ---------------------------------------------------------------------------------------------


def prevent(tables: Tables, taker: Order, maker: Order) -> bool:
    """Apply the taker's policy instead of a trade with its own group; say whether the taker goes on."""
    policy = taker.self_trade_prevention
    lots = min(taker.leaves_lots, maker.displayed_lots)
    decrement = policy == SelfTradePrevention.DECREMENT
    if decrement:
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
    if policy in {SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_BOTH} or not maker.leaves_lots:
        expire(tables, maker, EndReason.SELF_TRADE)
    elif decrement:
        trim_hold(tables, maker)
        close(tables, maker)
    taker_ends = not taker.leaves_lots if decrement else policy != SelfTradePrevention.EXPIRE_MAKER
    if taker_ends:
        expire(tables, taker, EndReason.SELF_TRADE)
    return not taker_ends


# --- what the book would give -----------------------------------------------------------------------------------------


def fillable(tables: Tables, taker: Order) -> bool:
    """Say whether a match would fill the whole of an order.

    It would not beyond the limit of work, an own order that ends it, or a price that interrupts trading. A maker who
    might be one holder too many does not count.
    """
    lots, last_ticks = 0, taker.instrument.last_ticks
    for maker, offered in walk(tables, taker):
        if not may_trade(tables, taker, maker):
            if taker.self_trade_prevention != SelfTradePrevention.EXPIRE_MAKER:
                return False
            continue
        if outside(taker.instrument, maker.price_ticks, last_ticks):
            return False
        if not (taker.side == Side.SELL and new_holder(tables, maker.account, taker.instrument.base_asset)):
            lots += offered
            last_ticks = maker.price_ticks
        if lots >= taker.leaves_lots:
            return True
    return False


def offers(tables: Tables, taker: Order) -> Iterator[tuple[int, int]]:
    """Yield (lots, notional of a lot) that a taker would find."""
    for maker, lots in walk(tables, taker):
        if may_trade(tables, taker, maker):
            yield lots, taker.instrument.notional(maker.price_ticks, 1)


def market_cost(tables: Tables, taker: Order) -> int:
    """Return what a market order to buy would pay, fees aside, on the book as it stands."""
    cost, leaves = 0, taker.leaves_lots
    for offered, lot_notional in offers(tables, taker):
        lots = min(leaves, offered)
        cost += lots * lot_notional
        leaves -= lots
    return cost


def lots_for(tables: Tables, taker: Order, amount: int) -> int:
    """Return the lots that an amount pays for with the worst fee, or that bring no more than it."""
    worst = max(*taker.rates, 0)
    budget = amount
    if taker.side == Side.BUY and worst:
        budget = (amount - 1) * BPS // (BPS + worst)
        assert with_worst_fee(budget, taker.rates) <= amount
    total = 0
    for offered, lot_notional in offers(tables, taker):
        lots = min(offered, budget // lot_notional)
        total += lots
        budget -= lots * lot_notional
        if lots < offered:
            break
    return total


def need_of(tables: Tables, order: Order) -> int:
    """Return the hold of a new order: what the book asks of a market order to buy, what is worst of any other."""
    immediate = order.order_type == OrderType.MARKET and order.time_in_force != TimeInForce.AT_AUCTION
    if immediate and order.side == Side.BUY:
        return with_worst_fee(market_cost(tables, order), order.rates)
    return order.need()
