"""An order in two halves: the receiver tells once, whatever comes of the command."""

import pytest

from api import errors
from api.binance.placing import Placing, place
from api.call import Call
from api.errors import RequestError
from api.limits import Limiter, Limits
from tests.api.binance.floor import INSTRUMENT, Floor


class Services:
    """As much of the services as a refusal needs."""

    limiter = Limiter(Limits())


def receiver(told):
    instrument = Floor().registry.instrument_at(INSTRUMENT)
    return Placing(Services(), Call("", b"", 0), None, instrument, told.append)


def test_a_refusal_of_the_sequencer_is_told():
    told = []
    waiting = receiver(told)
    assert not waiting.done()
    waiting.set_exception(RequestError(errors.OVERLOADED))
    assert [error.problem for error in told] == [errors.OVERLOADED]


def test_what_goes_wrong_in_the_answer_is_told():
    told = []
    receiver(told).set_result([])
    assert [type(error) for error in told] == [AttributeError]  # these services have no gateway


def test_what_is_no_order_is_refused_at_once():
    told = []
    with pytest.raises(RequestError):
        place(Services(), Call("", b"", 0), told.append)
    assert not told
