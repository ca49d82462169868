"""What the register's state means for a licence's book, as commands: only what is listed trades."""

from exchange.core import commands
from exchange.core.types import TradingMode, TradingState
from exchange.registry.dataset import State
from exchange.registry.entries import Instrument

TRADING = frozenset((
    TradingState.CONTINUOUS,
    TradingState.PRE_OPEN,
    TradingState.CALL_OPEN,
    TradingState.CALL_NO_CANCEL,
    TradingState.VOLATILITY,
    TradingState.CALL_CLOSE,
))  # fmt: skip
_ENDED = frozenset((State.EXPIRED, State.REVOKED))


def closing(state: State, instrument: Instrument) -> list[bytes]:
    """Return the commands that stop a book whose dataset is in this state, none if it may go on or stands already."""
    index, found = instrument.index, instrument.trading_state
    halt = [commands.set_trading_state(index, TradingState.HALTED)] if found in TRADING else []
    if state in _ENDED and found is not TradingState.EXPIRED:
        return [*halt, commands.clear_book(index), commands.set_trading_state(index, TradingState.EXPIRED)]
    return [] if state is State.LISTED else halt


def opening(instrument: Instrument) -> list[bytes]:
    """Return the commands that let a listed dataset's book go on, none if it does or never will."""
    if instrument.trading_state not in {TradingState.CLOSED, TradingState.HALTED}:
        return []
    return [commands.set_trading_state(instrument.index, open_state(instrument.mode))]


def open_state(mode: TradingMode) -> TradingState:
    """Return the state in which a book of this mode takes orders."""
    return TradingState.CALL_OPEN if mode is TradingMode.CALL else TradingState.CONTINUOUS
