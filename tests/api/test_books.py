"""Which commands a register's state asks of a book, for every state of both."""

import numpy as np
import pytest

from api.books import TRADING, closing, open_state, opening
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, TradingMode, TradingState
from exchange.registry.dataset import State
from tests.exchange.registry.builders import ALL, SYMBOL, registry_of

SET, CLEAR = CommandKind.SET_TRADING_STATE, CommandKind.CLEAR_BOOK


def _book(state: TradingState, mode: TradingMode = TradingMode.CONTINUOUS):
    instrument = registry_of(*ALL).instrument(SYMBOL)
    instrument.trading_state, instrument.mode = state, mode
    return instrument


def _told(made: list[bytes]) -> list[tuple[int, int]]:
    return [(int(row["kind"]), int(row["state"])) for row in np.frombuffer(b"".join(made), COMMAND)]


@pytest.mark.parametrize("trading", TradingState)
def test_only_what_is_listed_trades(trading: TradingState) -> None:
    book = _book(trading)
    halt = [(SET, TradingState.HALTED)] * (trading in TRADING)
    ended = [(CLEAR, 0), (SET, TradingState.EXPIRED)] if trading is not TradingState.EXPIRED else []
    for state in State:
        found = _told(closing(state, book))
        if state in {State.EXPIRED, State.REVOKED}:
            assert found == halt + ended
        else:
            assert found == ([] if state is State.LISTED else halt)


@pytest.mark.parametrize("trading", TradingState)
def test_a_book_opens_the_way_its_mode_trades(trading: TradingState) -> None:
    for mode in TradingMode:
        wanted = TradingState.CALL_OPEN if mode is TradingMode.CALL else TradingState.CONTINUOUS
        is_shut = trading in {TradingState.CLOSED, TradingState.HALTED}
        assert _told(opening(_book(trading, mode))) == [(SET, wanted)] * is_shut
        assert open_state(mode) is wanted
