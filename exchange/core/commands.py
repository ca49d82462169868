"""Build commands, one function a kind, as the 112 bytes that the journal stores.

A batch is the bytes of its commands, one after the other; `numpy.frombuffer(batch, COMMAND)` reads it.
Sequence and time are zero here: the sequencer sets them. Nothing is validated: the engine refuses what is wrong.
"""

from exchange.core.records import COMMAND_STRUCT
from exchange.core.types import (
    AccountState,
    AssetKind,
    CommandKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
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
) -> bytes:
    """Ask to buy or sell; a market order's price is ignored, a client order id makes the command idempotent."""
    words = client_words(client_order_id) if client_order_id else (0, 0, 0, 0, 0)
    return _PACK(
        0, 0, CommandKind.NEW_ORDER, side, order_type, time_in_force, self_trade_prevention, flags, 0, 0,
        account, instrument, 0, 0, 0, price_ticks, quantity_lots, 0, *words,
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


def mass_cancel(account: int, instrument: int = 0, side: Side = Side.BOTH) -> bytes:
    """Ask to end all open orders of an account, on one instrument (0: on all), on one side or both."""
    return _pack(CommandKind.MASS_CANCEL, account=account, instrument=instrument, side=side)


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


def set_fees(instrument: int, maker_bps: int, taker_bps: int) -> bytes:
    """Change fee rates; only the maker's may be negative, and never by more than the taker pays."""
    return _pack(CommandKind.SET_FEES, instrument=instrument, words=(maker_bps, taker_bps, 0, 0, 0))


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
) -> bytes:
    return _PACK(
        0, 0, kind, side, 0, 0, 0, flags, state, 0,
        account, instrument, asset, group, order_id, price_ticks, quantity_lots, amount, *words,
    )  # fmt: skip
