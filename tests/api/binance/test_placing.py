"""An order in two halves: the receiver answers once, whatever comes of the command."""

import orjson
import pytest

from api import errors
from api.binance import placing
from api.binance.placing import PLACE, Placing
from api.call import Call
from api.errors import RequestError
from tests.api.binance.floor import INSTRUMENT, Floor


class Services:
    """As much of the services as a refusal needs."""

    directory = None


@pytest.fixture
def answers():
    return []


def receiver(answers):
    floor = Floor()
    instrument = floor.registry.instrument_at(INSTRUMENT)
    return Placing(Services(), Call("", b"", 0), None, instrument, answers.append)


def test_a_refusal_of_the_sequencer_is_the_answer(answers):
    waiting = receiver(answers)
    assert not waiting.done()
    waiting.set_exception(RequestError(errors.OVERLOADED))
    assert [answer.status for answer in answers] == [503]
    assert (b"retry-after", b"1") in answers[0].headers


def test_what_goes_wrong_in_the_answer_is_answered(answers):
    receiver(answers).set_result([])
    assert [answer.status for answer in answers] == [500]
    assert orjson.loads(answers[0].body)["code"] == errors.UNKNOWN_ERROR.code


def test_a_call_that_is_not_admitted_is_answered_at_once(answers):
    call = Call("", b"", 0)
    placing.place(Services(), call, answers.append)
    assert [answer.status for answer in answers] == [500]
    assert PLACE.handler.__name__ == "place"
