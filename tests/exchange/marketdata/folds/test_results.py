"""Results are compared with the answers to single orders in tests/api/test_batches.py; here is what those have not."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.types import EventKind, SelfTradePrevention, Side
from exchange.events import Events
from exchange.marketdata.folds.results import TRADES_MAX, results
from tests.exchange.marketdata.builders import accepted, ended, event, match_prevented, traded

ORDER = commands.new_order(1, 1, Side.BUY, 100, 5)


def told(made, rows):
    return results(np.frombuffer(b"".join(made), COMMAND), Events.of(rows).array)


def test_trades_beyond_what_can_be_told_are_cut_and_their_sums_are_not():
    count = TRADES_MAX + 7
    rows = [accepted(1, 2, Side.BUY, 100, count)]
    trade = traded(1, 1, Side.BUY, 100, 1, fee=2)
    (result,) = told([ORDER], rows + [trade] * count)
    assert (result["trades"], result["filled_lots"], result["fee"]) == (TRADES_MAX, count, 2 * count)
    assert result["leaves_lots"] == 0


def test_what_prevention_took_is_not_open():
    mode = SelfTradePrevention.DECREMENT
    prevented = match_prevented(1, Side.BUY, 100, 3, leaves_lots=2, self_trade_prevention=mode)
    (result,) = told([ORDER], [accepted(1, 2, Side.BUY, 100, 5), prevented])
    assert (result["leaves_lots"], result["filled_lots"]) == (2, 0)
    over = ended(1, 2, Side.BUY, 100, 2, kind=EventKind.ORDER_EXPIRED)
    (result,) = told([ORDER], [accepted(1, 2, Side.BUY, 100, 5), prevented, over])
    assert result["leaves_lots"] == 0


def test_a_mass_cancellation_is_told_by_its_sum():
    rows = [ended(3, 8, Side.BUY, 100, 5), event(EventKind.MASS_CANCELED, 3, quantity_lots=1, leaves_lots=4)]
    (result,) = told([commands.mass_cancel(1)], rows)
    assert (result["kind"], result["leaves_lots"], result["order_id"]) == (EventKind.MASS_CANCELED, 4, 0)


@pytest.mark.parametrize("count", [0, 2])
def test_events_of_other_commands_are_none_of_theirs(count):
    with pytest.raises(AssertionError):
        told([ORDER] * count, [accepted(1, 2, Side.BUY, 100, 5)])
