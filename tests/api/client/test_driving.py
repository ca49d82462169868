"""Steps are done one by one, and what they come to is returned."""

import asyncio

import pytest

from api.client.conduct import Lost, Wait
from api.client.driving import driven, driven_later


def steps():
    told = yield Wait(1.0)
    again = yield Wait(2.0)
    return told, again


def test_each_outcome_goes_to_its_step() -> None:
    assert driven(steps(), lambda step: Lost(str(step.seconds), was_sent=False)) == (
        Lost("1.0", was_sent=False),
        Lost("2.0", was_sent=False),
    )


def test_the_same_when_awaited() -> None:
    async def do(step):
        return Lost(str(step.seconds), was_sent=True)

    assert [one.reason for one in asyncio.run(driven_later(steps(), do))] == ["1.0", "2.0"]


def test_what_a_step_raises_is_raised() -> None:
    def do(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        driven(steps(), do)
