"""Build commands, one function a kind, as the 128 bytes that the journal stores.

A batch is the bytes of its commands, one after the other; `numpy.frombuffer(batch, COMMAND)` reads it.
Sequence and time are zero here: the sequencer sets them. Nothing is validated: the engine refuses what is wrong.
"""

from exchange.core.records import COMMAND_STRUCT
from exchange.core.types import (
    AccountState,
    AssetKind,
    ClearScope,
    CommandKind,
    EndReason,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)

_PACK = COMMAND_STRUCT.pack
_INT = int.from_bytes


def client_words(client_order_id: str) -> tuple[int, int, int, int, int]:
    """Return the five int64 words that carry a client order id of at most 36 ASCII characters."""
    text = client_order_id.encode("ascii").ljust(40, b"\0")
    return (
        _INT(text[0:8], "little", signed=True),
        _INT(text[8:16], "little", signed=True),
        _INT(text[16:24], "little", signed=True),
        _INT(text[24:32], "little", signed=True),
        _INT(text[32:40], "little", signed=True),
    )


def client_text(words: tuple[int, int, int, int, int]) -> str:
    """Return the client order id that five int64 words carry, empty if they carry none."""
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words).rstrip(b"\0").decode("ascii")


def new_order(
    account: int,
    instrument: int,
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    *,
    order_type: OrderType = OrderType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER,
    flags: int = 0,
    client_order_id: str = "",
    amount: int = 0,
    until_ns: int = 0,
    stop_ticks: int = 0,
    display_lots: int = 0,
) -> bytes:
    """Ask to buy or sell; a market order's price is ignored, a client order id makes the command idempotent.

    `amount`: quote units that a market order spends, fee included, or earns, in place of a quantity. `until_ns`: end of
    a GTD order. `stop_ticks`: the trade price that wakes a stop. `display_lots`: what an iceberg shows at a time.
    """
    words = client_words(client_order_id) if client_order_id else (0, 0, 0, 0, 0)
    return _PACK(
        0, 0, CommandKind.NEW_ORDER, side, order_type, time_in_force, self_trade_prevention, flags, 0, 0,
        account, instrument, 0, 0, 0, price_ticks, quantity_lots, amount, *words, until_ns, stop_ticks, display_lots,
    )  # fmt: skip


def cancel_order(account: int, order_id: int) -> bytes:
    """Ask to end an open order."""
    return _pack(CommandKind.CANCEL_ORDER, account=account, order_id=order_id)


def replace_order(
    account: int, order_id: int, price_ticks: int = 0, quantity_lots: int = 0, *, flags: int = 0
) -> bytes:
    """Ask for another price or another total quantity (filled part included); 0 keeps what is.

    Priority is kept if the price stays and the quantity does not rise, unless flags say REQUEUE.
    """
    return _pack(
        CommandKind.REPLACE_ORDER,
        flags=flags,
        account=account,
        order_id=order_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
    )


def reduce_order(account: int, order_id: int, lots: int) -> bytes:
    """Ask to take lots off an open order, which keeps its priority; all that is open, or more, cancels it."""
    return _pack(CommandKind.REDUCE_ORDER, account=account, order_id=order_id, quantity_lots=lots)


def mass_cancel(account: int, instrument: int = 0, side: Side = Side.BOTH, reason: EndReason = EndReason.NONE) -> bytes:
    """Ask to end all open orders of an account, on one instrument (0: on all), on one side or both.

    `reason` is DISCONNECTED when the exchange asks for a client that has gone.
    """
    return _pack(CommandKind.MASS_CANCEL, account=account, instrument=instrument, side=side, state=reason)


def quote(
    account: int,
    instrument: int,
    bid: tuple[int, int],
    ask: tuple[int, int],
    *,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER,
    flags: int = 0,
) -> bytes:
    """Ask for a bid and an ask, (price_ticks, quantity_lots) each, in place of the former quote; (0, 0) is none."""
    words = (*ask, 0, 0, 0)
    return _PACK(
        0, 0, CommandKind.QUOTE, 0, 0, 0, self_trade_prevention, flags, 0, 0,
        account, instrument, 0, 0, 0, *bid, 0, *words, 0, 0, 0,
    )  # fmt: skip


def begin_batch(account: int, count: int) -> bytes:
    """Say that the next `count` commands, post-only orders of this account, are all accepted or all refused."""
    return _pack(CommandKind.BEGIN_BATCH, account=account, quantity_lots=count)


def kill_switch(account: int) -> bytes:
    """Suspend an account and end its open orders."""
    return _pack(CommandKind.KILL_SWITCH, account=account)


def set_deadman(account: int, until_ns: int) -> bytes:
    """Ask to have all orders ended at a time unless this is said again before; 0 turns that off."""
    return _pack(CommandKind.SET_DEADMAN, account=account, until_ns=until_ns)


def fire_deadman(account: int) -> bytes:
    """End the orders of an account whose dead-man timer has run out."""
    return _pack(CommandKind.FIRE_DEADMAN, account=account)


def expire_order(order_id: int) -> bytes:
    """End a GTD order whose time is over."""
    return _pack(CommandKind.EXPIRE_ORDER, order_id=order_id)


def clear_book(instrument: int, side: Side = Side.BOTH, scope: ClearScope = ClearScope.ALL) -> bytes:
    """End the orders of an instrument, whoever's: all, or those whose day or time is over."""
    return _pack(CommandKind.CLEAR_BOOK, instrument=instrument, side=side, state=scope)


def wake_stops(instrument: int) -> bytes:
    """Go on with stops that an earlier command had no work left for."""
    return _pack(CommandKind.WAKE_STOPS, instrument=instrument)


def deposit(account: int, asset: int, amount: int) -> bytes:
    """Bring cash from outside, in units of the asset."""
    return _pack(CommandKind.DEPOSIT, account=account, asset=asset, amount=amount)


def withdraw(account: int, asset: int, amount: int) -> bytes:
    """Take available cash out."""
    return _pack(CommandKind.WITHDRAW, account=account, asset=asset, amount=amount)


def issue(account: int, asset: int, amount: int) -> bytes:
    """Mint units of an allowance or licence to its issuer."""
    return _pack(CommandKind.ISSUE, account=account, asset=asset, amount=amount)


def redeem(account: int, asset: int, amount: int, usage_id: bytes) -> bytes:
    """Burn available units against metered use; a usage id (16 bytes, not all zero) burns once."""
    words = (_INT(usage_id[:8], "little", signed=True), _INT(usage_id[8:16], "little", signed=True), 0, 0, 0)
    return _pack(CommandKind.REDEEM, account=account, asset=asset, amount=amount, words=words)


def create_asset(asset: int, kind: AssetKind, issuer: int = 0) -> bytes:
    """Add the next asset; `issuer` alone may issue it."""
    return _pack(CommandKind.CREATE_ASSET, account=issuer, asset=asset, state=kind)


def create_account(account: int, group: int = 0) -> bytes:
    """Add the next account to a group for self-trade prevention; 0 makes a group of its own."""
    return _pack(CommandKind.CREATE_ACCOUNT, account=account, group=group)


def set_account_state(account: int, state: AccountState) -> bytes:
    """Change what an account may do."""
    return _pack(CommandKind.SET_ACCOUNT_STATE, account=account, state=state)


def set_account_tier(account: int, tier: int) -> bytes:
    """Change which of an instrument's fee rates an account pays, for orders that come after."""
    return _pack(CommandKind.SET_ACCOUNT_TIER, account=account, state=tier)


def list_instrument(
    instrument: int,
    base_asset: int,
    quote_asset: int,
    *,
    lot_units: int,
    tick_value: int,
    quantity_min: int,
    quantity_max: int,
) -> bytes:
    """Add the next instrument, closed, without fees, with the widest band.

    `lot_units`: base units a lot. `tick_value`: quote units that one tick of price is worth on one lot.
    """
    return _pack(
        CommandKind.LIST_INSTRUMENT,
        instrument=instrument,
        asset=base_asset,
        group=quote_asset,
        amount=lot_units,
        words=(tick_value, quantity_min, quantity_max, 0, 0),
    )


def set_fees(instrument: int, maker_bps: int, taker_bps: int, tier: int = 0) -> bytes:
    """Change the fee rates of a tier of accounts and of all tiers above it: of tier 0, those of everybody.

    Only the maker's rate may be negative, and never by more than the taker pays.
    """
    return _pack(CommandKind.SET_FEES, instrument=instrument, state=tier, words=(maker_bps, taker_bps, 0, 0, 0))


def indicate(instrument: int) -> bytes:
    """Ask what an auction would make now: price, volume, surplus."""
    return _pack(CommandKind.INDICATE, instrument=instrument)


def uncross(instrument: int, afterwards: TradingState) -> bytes:
    """Trade a call at one price, and go on in the trading state `afterwards`."""
    return _pack(CommandKind.UNCROSS, instrument=instrument, state=afterwards)


def set_mode(instrument: int, mode: TradingMode) -> bytes:
    """Change how a closed instrument without orders trades."""
    return _pack(CommandKind.SET_MODE, instrument=instrument, state=mode)


def set_guards(instrument: int, static_bps: int, dynamic_bps: int, reference_ticks: int = 0) -> bytes:
    """Interrupt trading before a price that far from the reference, or from the last trade; 0 is no guard.

    `reference_ticks` 0 keeps the reference price, which an auction sets too.
    """
    words = (static_bps, dynamic_bps, 0, 0, 0)
    return _pack(CommandKind.SET_GUARDS, instrument=instrument, price_ticks=reference_ticks, words=words)


def set_instrument_limits(
    instrument: int, *, open_orders_max: int = 0, notional_max: int = 0, position_bps: int = 0
) -> bytes:
    """Limit each account on an instrument: open orders, notional of an order, share of the outstanding units."""
    words = (open_orders_max, notional_max, position_bps, 0, 0)
    return _pack(CommandKind.SET_INSTRUMENT_LIMITS, instrument=instrument, words=words)


def set_account_limits(
    account: int,
    *,
    open_orders_max: int = 0,
    order_rate_max: int = 0,
    message_rate_max: int = 0,
    notional_max: int = 0,
) -> bytes:
    """Limit an account: open orders, new orders and messages a second, notional an order; 0 is no limit."""
    words = (open_orders_max, order_rate_max, message_rate_max, notional_max, 0)
    return _pack(CommandKind.SET_ACCOUNT_LIMITS, account=account, words=words)


def set_venue_rules(
    instrument: int, *, anonymous: bool = False, turnaround_days: int = 0, holders_max: int = 0
) -> bytes:
    """Set a regulator's rules: hidden parties, days before bought units may be sold, how many may hold any."""
    words = (int(anonymous), turnaround_days, holders_max, 0, 0)
    return _pack(CommandKind.SET_VENUE_RULES, instrument=instrument, words=words)


def transfer(
    account: int, receiver: int, asset: int, amount: int, purpose: TransferPurpose, transfer_id: bytes = bytes(16)
) -> bytes:
    """Move available cash or units to another account; an id (16 bytes, not all zero) moves once."""
    words = (_INT(transfer_id[:8], "little", signed=True), _INT(transfer_id[8:16], "little", signed=True), 0, 0, 0)
    return _pack(
        CommandKind.TRANSFER, account=account, group=receiver, asset=asset, amount=amount, state=purpose, words=words
    )


def bust_trade(
    trade_id: int,
    side: Side,
    parties: tuple[int, int],
    instrument: int,
    price_ticks: int,
    quantity_lots: int,
    fees: tuple[int, int],
) -> bytes:
    """Take a trade back: `parties` and `fees` are taker's and maker's as in its TRADED event, `side` the taker's."""
    return _pack(
        CommandKind.BUST_TRADE,
        side=side,
        account=parties[0],
        group=parties[1],
        instrument=instrument,
        order_id=trade_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        words=(*fees, 0, 0, 0),
    )


def expire_units(account: int, asset: int, amount: int = 0) -> bytes:
    """Burn units whose time is over: an amount, or all that is available."""
    return _pack(CommandKind.EXPIRE_UNITS, account=account, asset=asset, amount=amount)


def set_price_band(instrument: int, low_ticks: int, high_ticks: int) -> bytes:
    """Change the lowest and highest price an order may have."""
    return _pack(CommandKind.SET_PRICE_BAND, instrument=instrument, words=(low_ticks, high_ticks, 0, 0, 0))


def set_trading_state(instrument: int, state: TradingState) -> bytes:
    """Open, close, halt or suspend an instrument."""
    return _pack(CommandKind.SET_TRADING_STATE, instrument=instrument, state=state)


def _pack(
    kind: CommandKind,
    *,
    side: int = 0,
    flags: int = 0,
    state: int = 0,
    account: int = 0,
    instrument: int = 0,
    asset: int = 0,
    group: int = 0,
    order_id: int = 0,
    price_ticks: int = 0,
    quantity_lots: int = 0,
    amount: int = 0,
    words: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
    until_ns: int = 0,
) -> bytes:
    return _PACK(
        0, 0, kind, side, 0, 0, 0, flags, state, 0,
        account, instrument, asset, group, order_id, price_ticks, quantity_lots, amount, *words, until_ns, 0, 0,
    )  # fmt: skip
