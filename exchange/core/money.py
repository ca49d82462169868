"""Money and units that come, go, or pass between accounts without a trade."""

from exchange.core.accounts import balances_free, find_balance, open_balance
from exchange.core.jit import Record, blend, int64, kernel, routine
from exchange.core.limits import count_holder, give_up, immature, is_dated, may_not_hold, total_of
from exchange.core.recent import find, has_room, remember
from exchange.core.rules import knows_account, knows_asset, knows_instrument
from exchange.core.telling import reject, say
from exchange.core.types import (
    AMOUNT_MAX,
    NIL,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    CommandKind,
    EventKind,
    RejectReason,
    Side,
    TransferPurpose,
)

_BUST = -1  # in place of the second half of an id, which makes a trade's number one


@routine
def _say_moved(command: Record, output: Record, kind: int, amount: int) -> None:
    event = say(command, output, kind)
    event.account = command.account
    event.asset = command.asset
    event.amount = amount
    if kind == EventKind.REDEEMED:
        event.order_id = command.words[0]
        event.counter_order_id = command.words[1]


@routine
def _holding(state: Record, command: Record, cash: bool) -> int:
    """Check account and asset of what comes or goes."""
    if not knows_account(state, command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if not knows_asset(state, command.asset):
        return RejectReason.UNKNOWN_ASSET
    if state.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if (state.assets[command.asset].kind == AssetKind.CASH) != cash:
        return RejectReason.WRONG_ASSET_KIND
    return RejectReason.NONE


@routine
def _arrival(state: Record, command: Record) -> int:
    """Check the amount of a deposit or issuance."""
    if command.amount < 1 or command.amount > AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    if command.amount > AMOUNT_MAX - state.assets[command.asset].issued:
        return RejectReason.ISSUED_TOO_MUCH
    known = find_balance(state, int64(command.account), int64(command.asset)) != NIL
    if not known and balances_free(state) == 0:
        return RejectReason.BALANCES_FULL
    return RejectReason.NONE


@routine
def _departure(state: Record, command: Record) -> int:
    """Check the amount of a withdrawal or redemption."""
    if command.amount < 1 or command.amount > AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    row = find_balance(state, int64(command.account), int64(command.asset))
    if command.amount > state.balances[row].available:  # row NIL has nothing
        return RejectReason.INSUFFICIENT_BALANCE
    return RejectReason.NONE


@routine
def add_units(state: Record, row: int, amount: int) -> None:
    """Make more of a balance available."""
    before = total_of(state, row)
    state.balances[row].available += amount
    count_holder(state, row, before)


@routine
def take_units(state: Record, row: int, amount: int, time_ns: int) -> None:
    """Take from what is available of a balance."""
    before = total_of(state, row)
    state.balances[row].available -= amount
    count_holder(state, row, before)
    give_up(state, row, time_ns)


@routine
def bring_in(state: Record, command: Record, output: Record) -> None:
    """Deposit cash, or issue units to their issuer."""
    deposits = command.kind == CommandKind.DEPOSIT
    reason = _holding(state, command, deposits)
    if reason == RejectReason.NONE and not deposits and state.assets[command.asset].issuer != command.account:
        reason = RejectReason.NOT_ISSUER
    if reason == RejectReason.NONE:
        reason = _arrival(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    add_units(state, open_balance(state, int64(command.account), int64(command.asset)), command.amount)
    state.assets[command.asset].issued += command.amount
    _say_moved(command, output, EventKind.DEPOSITED if deposits else EventKind.ISSUED, command.amount)


@routine
def _burn(state: Record, command: Record, row: int, amount: int) -> None:
    take_units(state, row, amount, command.time_ns)
    state.assets[command.asset].burned += amount


@routine
def withdraw(state: Record, command: Record, output: Record) -> None:
    """Take available cash out."""
    reason = _holding(state, command, True)
    if reason == RejectReason.NONE:
        reason = _departure(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    _burn(state, command, find_balance(state, int64(command.account), int64(command.asset)), command.amount)
    _say_moved(command, output, EventKind.WITHDRAWN, command.amount)


@routine
def _key(first: int, second: int) -> tuple[int, int]:
    return blend(3, first), blend(blend(4, first), second)


@routine
def _was_applied(state: Record, command: Record, first: int, second: int) -> bool:
    low, high = _key(first, second)
    return find(state.usage_ids, low, high, command.time_ns, USAGE_ID_WINDOW_NS) != NIL


@routine
def _remember(state: Record, command: Record, first: int, second: int) -> None:
    low, high = _key(first, second)
    remember(state.usage_ids, low, high, command.time_ns, 1, USAGE_ID_WINDOW_NS)


@kernel
def _is_named(command: Record) -> bool:
    return command.words[0] != 0 or command.words[1] != 0


@routine
def _lacks_room(state: Record, command: Record) -> bool:
    return not has_room(state.usage_ids, command.time_ns, USAGE_ID_WINDOW_NS)


@routine
def redeem(state: Record, command: Record, output: Record) -> None:
    """Burn available units against metered use, once for a usage id."""
    reason = _holding(state, command, False)
    named = _is_named(command)
    if reason == RejectReason.NONE and named and _was_applied(state, command, command.words[0], command.words[1]):
        reason = RejectReason.DUPLICATE_ID
    if reason == RejectReason.NONE:
        reason = _departure(state, command)
    if reason == RejectReason.NONE and named and _lacks_room(state, command):
        reason = RejectReason.RECENT_IDS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    if named:
        _remember(state, command, command.words[0], command.words[1])
    _burn(state, command, find_balance(state, int64(command.account), int64(command.asset)), command.amount)
    _say_moved(command, output, EventKind.REDEEMED, command.amount)


@routine
def expire_units(state: Record, command: Record, output: Record) -> None:
    """Burn units whose time is over: an amount, or all that is available."""
    reason = RejectReason.NONE
    if not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    elif not knows_asset(state, command.asset):
        reason = RejectReason.UNKNOWN_ASSET
    elif state.assets[command.asset].kind == AssetKind.CASH:
        reason = RejectReason.WRONG_ASSET_KIND
    elif command.amount < 0 or command.amount > AMOUNT_MAX:
        reason = RejectReason.INVALID_PARAMETER
    row = find_balance(state, int64(command.account), int64(command.asset))
    available = state.balances[row].available
    if reason == RejectReason.NONE and (available == 0 or command.amount > available):
        reason = RejectReason.INSUFFICIENT_BALANCE
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    amount = command.amount if command.amount != 0 else available
    _burn(state, command, row, amount)
    _say_moved(command, output, EventKind.UNITS_EXPIRED, amount)


@routine
def _transfer_parties(state: Record, command: Record) -> int:
    """Check purpose, accounts, asset and id of a transfer."""
    if command.state == TransferPurpose.UNKNOWN or command.state > TransferPurpose.OVERRUN:
        return RejectReason.MALFORMED_COMMAND
    if not knows_account(state, command.account) or not knows_account(state, command.group):
        return RejectReason.UNKNOWN_ACCOUNT
    if not knows_asset(state, command.asset):
        return RejectReason.UNKNOWN_ASSET
    closed = AccountState.CLOSED
    if state.accounts[command.account].state == closed or state.accounts[command.group].state == closed:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if _is_named(command) and _was_applied(state, command, command.words[0], command.words[1]):
        return RejectReason.DUPLICATE_ID
    if command.amount < 1 or command.amount > AMOUNT_MAX or command.account == command.group:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


@routine
def _transfer_means(state: Record, command: Record, row: int, receiver: int) -> int:
    """Check that the sender has what is transferred, and the receiver may."""
    asset = state.assets[command.asset]
    if may_not_hold(state, asset, int64(command.group), receiver):
        return RejectReason.HOLDER_LIMIT
    available = state.balances[row].available
    if command.amount > available:
        return RejectReason.INSUFFICIENT_BALANCE
    if is_dated(asset, int64(command.account)) and command.amount > available - immature(state, row, command.time_ns):
        return RejectReason.NOT_YET_TRANSFERABLE
    if receiver == NIL and balances_free(state) == 0:
        return RejectReason.BALANCES_FULL
    if _is_named(command) and _lacks_room(state, command):
        return RejectReason.RECENT_IDS_FULL
    return RejectReason.NONE


@routine
def transfer(state: Record, command: Record, output: Record) -> None:
    """Move available cash or units to another account, once for an id."""
    reason = _transfer_parties(state, command)
    row = receiver = NIL
    if reason == RejectReason.NONE:
        row = find_balance(state, int64(command.account), int64(command.asset))
        receiver = find_balance(state, int64(command.group), int64(command.asset))
        reason = _transfer_means(state, command, row, receiver)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    if _is_named(command):
        _remember(state, command, command.words[0], command.words[1])
    receiver = open_balance(state, int64(command.group), int64(command.asset))
    take_units(state, row, command.amount, command.time_ns)
    add_units(state, receiver, command.amount)
    event = say(command, output, EventKind.TRANSFERRED)
    event.account = command.account
    event.counter_account = command.group
    event.asset = command.asset
    event.amount = command.amount
    event.state = command.state
    event.order_id = command.words[0]
    event.counter_order_id = command.words[1]


@routine
def _bust_terms(state: Record, command: Record) -> int:
    """Check parties, id and terms of a trade to be taken back."""
    if command.side > Side.SELL:
        return RejectReason.MALFORMED_COMMAND
    if not knows_account(state, command.account) or not knows_account(state, command.group):
        return RejectReason.UNKNOWN_ACCOUNT
    if not knows_instrument(state, command.instrument):
        return RejectReason.UNKNOWN_INSTRUMENT
    if _was_applied(state, command, command.order_id, _BUST):
        return RejectReason.DUPLICATE_ID
    if command.order_id < 1 or command.order_id > state.trade_count:
        return RejectReason.INVALID_PARAMETER
    price, quantity = command.price_ticks, command.quantity_lots
    if price < 1 or price > PRICE_TICKS_MAX or quantity < 1:
        return RejectReason.INVALID_PARAMETER
    instrument = state.instruments[command.instrument]
    if quantity > NOTIONAL_MAX // (price * instrument.tick_value) or quantity > NOTIONAL_MAX // instrument.lot_units:
        return RejectReason.INVALID_PARAMETER
    notional = price * quantity * instrument.tick_value
    fee, counter_fee = command.words[0], command.words[1]
    if fee < -notional or fee > notional or counter_fee < -notional or counter_fee > notional:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


@routine
def bust_trade(state: Record, command: Record, output: Record) -> None:
    """Take a trade back: units, notional and both fees return to where they came from."""
    reason = _bust_terms(state, command)
    if reason == RejectReason.NONE and not _can_return(state, command):
        reason = RejectReason.INSUFFICIENT_BALANCE
    if reason == RejectReason.NONE and _lacks_room(state, command):
        reason = RejectReason.RECENT_IDS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    _remember(state, command, command.order_id, _BUST)
    _return_trade(state, command)
    instrument = state.instruments[command.instrument]
    event = say(command, output, EventKind.TRADE_BUSTED)
    event.side = command.side
    event.account = command.account
    event.counter_account = command.group
    event.instrument = command.instrument
    event.asset = instrument.base_asset
    event.trade_id = command.order_id
    event.price_ticks = command.price_ticks
    event.quantity_lots = command.quantity_lots
    event.amount = command.price_ticks * command.quantity_lots * instrument.tick_value
    event.fee = command.words[0]
    event.counter_fee = command.words[1]


@routine
def _parties(command: Record) -> tuple[int, int, int, int]:
    """Return buyer, seller, and what each paid in fees."""
    if command.side == Side.BUY:
        return int64(command.account), int64(command.group), command.words[0], command.words[1]
    return int64(command.group), int64(command.account), command.words[1], command.words[0]


@routine
def _rows(state: Record, instrument: Record, account: int) -> tuple[int, int]:
    base = find_balance(state, account, int64(instrument.base_asset))
    return base, find_balance(state, account, int64(instrument.quote_asset))


@routine
def _can_return(state: Record, command: Record) -> bool:
    """Tell whether both parties still have, available, what they got; one that traded with itself owes no units."""
    instrument = state.instruments[command.instrument]
    buyer, seller, buyer_fee, seller_fee = _parties(command)
    buyer_base, buyer_quote = _rows(state, instrument, buyer)
    seller_base, seller_quote = _rows(state, instrument, seller)
    if buyer_base == NIL or buyer_quote == NIL or seller_base == NIL or seller_quote == NIL:
        return False
    if buyer == seller:
        return state.balances[buyer_quote].available >= -(buyer_fee + seller_fee)
    notional = command.price_ticks * command.quantity_lots * instrument.tick_value
    return (
        state.balances[buyer_base].available >= command.quantity_lots * instrument.lot_units
        and state.balances[seller_quote].available >= notional - seller_fee
    )


@routine
def _return_trade(state: Record, command: Record) -> None:
    instrument = state.instruments[command.instrument]
    buyer, seller, buyer_fee, seller_fee = _parties(command)
    buyer_base, buyer_quote = _rows(state, instrument, buyer)
    seller_base, seller_quote = _rows(state, instrument, seller)
    notional = command.price_ticks * command.quantity_lots * instrument.tick_value
    units = command.quantity_lots * instrument.lot_units
    if buyer != seller:
        take_units(state, buyer_base, units, command.time_ns)
        add_units(state, seller_base, units)
    state.balances[buyer_quote].available += notional + buyer_fee
    state.balances[seller_quote].available -= notional - seller_fee
    state.balances[instrument.fee_balance].available -= buyer_fee + seller_fee
