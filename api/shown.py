"""What people see of the market and of their account: tables for a terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from api.client import answers, owned

LEVELS_BAR = 20  # characters of the longest size bar
COLOURS = {"BUY": "green", "SELL": "red"}


def moment(time_ms: int) -> str:
    """Return a time as people write it, in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")


def number(value: Decimal) -> str:
    """Return a number with its thousands apart, without the zeros at its end."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def table(title: str, texts: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """Return an empty table: columns of texts, then columns of numbers."""
    made = Table(*texts, title=title, title_justify="left", header_style="bold")
    for name in numbers:
        made.add_column(name, justify="right")
    return made


def markets(found: Sequence[owned.InstrumentAnswer], days: Iterable[answers.Statistics]) -> Table:
    """Show instruments and their last 24 hours."""
    of = {day.symbol: day for day in days}
    made = table("markets", ("symbol", "state"), ("last", "24 h %", "bid", "ask", "volume", "quote volume"))
    for instrument in found:
        day = of[instrument.symbol]
        change = day.price_change_percent
        colour = "green" if change > 0 else "red" if change < 0 else "default"
        state = Text(instrument.state, "" if instrument.state == "CONTINUOUS" else "yellow")
        texts = [number(value) for value in (day.last_price, day.bid_price, day.ask_price, day.volume)]
        made.add_row(
            instrument.symbol, state, texts[0], Text(f"{change:+.2f}", colour), *texts[1:], number(day.quote_volume)
        )
    return made


def book(symbol: str, depth: answers.Depth) -> Table:
    """Show levels as a ladder, asks above bids, with a bar for what is open."""
    made = table(f"{symbol} at update {depth.last_update_id:,}", (), ("price", "quantity"))
    made.add_column("", min_width=LEVELS_BAR)
    largest = max((quantity for _, quantity in (*depth.bids, *depth.asks)), default=Decimal(1))
    for levels, colour in ((reversed(depth.asks), "red"), (iter(depth.bids), "green")):
        for price, quantity in levels:
            bar = "█" * max(1, int(quantity / largest * LEVELS_BAR))
            made.add_row(Text(f"{price:f}", colour), number(quantity), Text(bar, colour))
        made.add_section()
    return made


def tape(symbol: str, found: Sequence[answers.Trade]) -> Table:
    """Show trades, the latest first."""
    made = table(f"trades of {symbol}", ("time", "taker"), ("price", "quantity", "amount", "id"))
    for trade in reversed(found):
        side = "SELL" if trade.is_buyer_maker else "BUY"
        texts = (f"{trade.price:f}", number(trade.qty), number(trade.quote_qty), str(trade.id))
        made.add_row(moment(trade.time), Text(side, COLOURS[side]), *texts)
    return made


def orders(found: Sequence[answers.Order]) -> Table:
    """Show orders, the latest first."""
    made = table("orders", ("time", "symbol", "side", "type", "status"), ("price", "quantity", "filled", "order"))
    for order in reversed(found):
        side = Text(order.side, COLOURS[order.side])
        price = f"{order.price:f}" if order.price else "market"
        texts = (price, number(order.orig_qty), number(order.executed_qty), str(order.order_id))
        made.add_row(moment(order.time), order.symbol, side, order.type, order.status, *texts)
    return made


def balances(found: owned.BalancesAnswer) -> Table:
    """Show what an account owns."""
    made = table(f"account {found.account}", ("asset",), ("available", "held", "total"))
    for one in found.balances:
        made.add_row(one.asset, *(number(value) for value in (one.available, one.held, one.total)))
    return made


def placed(order: answers.Full) -> str:
    """Say in a line what became of an order."""
    filled = f", {number(order.executed_qty)} of {number(order.orig_qty)} filled"
    price = ""
    if order.executed_qty:
        price = f" at {number(order.cummulative_quote_qty / order.executed_qty)} on average"
    fee = sum((fill.commission for fill in order.fills), Decimal(0))
    paid = f", fee {number(fee)} {order.fills[0].commission_asset}" if order.fills else ""
    return f"order {order.order_id} ({order.client_order_id}): {order.status}{filled}{price}{paid}"


def canceled(order: answers.Canceled) -> str:
    """Say in a line that an order ended."""
    return f"order {order.order_id}: {order.status}, {number(order.executed_qty)} of {number(order.orig_qty)} filled"
