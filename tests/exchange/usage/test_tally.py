"""What a batch came to is a command that the engine refuses, whoever sends it, and that says what it says."""

import numpy as np

from exchange.core.records import COMMAND
from exchange.core.types import EventKind
from exchange.usage.plan import Outcome
from exchange.usage.tally import Tally, read_tally, tally_command, tally_of
from tests.exchange.marketdata.builders import ALICE, Market

OUTCOMES = (
    [Outcome.APPLIED] * 5
    + [Outcome.DUPLICATE] * 3
    + [Outcome.OUTSIDE_TIME] * 2
    + [Outcome.UNKNOWN_KEY, Outcome.KEY_ENDED]
)


def test_a_tally_comes_back_out_of_its_refusal() -> None:
    tally = tally_of(7, np.array(OUTCOMES, np.uint8))
    assert tally == Tally(7, 12, 3, 2, 2)
    market = Market()
    for issuer in (ALICE, 999):  # of an account that does not exist too
        ((refused,),) = market.send(tally_command(issuer, tally))
        assert (refused.kind, refused.account) == (EventKind.COMMAND_REJECTED, issuer)
        assert read_tally(refused) == tally
    assert len(tally_command(1, tally)) == COMMAND.itemsize


def test_the_refusal_of_a_redemption_is_no_tally() -> None:
    ((refused,),) = Market().send(tally_command(ALICE, Tally(1, 2, 3, 4, 5)))
    assert read_tally(refused._replace(asset=2)) is None
