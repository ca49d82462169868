"""Commands of one turn of the loop go out together, and each comes back with its own events."""

import asyncio

import pytest

from api import errors, turn
from api.errors import RequestError
from api.turn import Turn
from exchange.events import Event
from exchange.sequencer import Overloaded, Stopped


def event(sequence, kind=1):
    return Event(*[0] * len(Event._fields))._replace(sequence=sequence, kind=kind)


class Sequencer:
    """In the place of the sequencer: keeps what was submitted, and answers when the test says so."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.submitted = []
        self.answers = []

    def submit(self, commands):
        if self.refusals:
            raise self.refusals.pop(0)
        self.submitted.append(commands)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def run(drive, *refusals):
    """Run a test with a turn and its sequencer."""

    async def main():
        sequencer = Sequencer(*refusals)
        return await drive(Turn(sequencer.submit), sequencer)

    return asyncio.run(main())


async def problems(*answers):
    found = await asyncio.gather(*answers, return_exceptions=True)
    return [error.problem for error in found if isinstance(error, RequestError)]


def test_what_comes_in_one_turn_is_one_submission():
    async def drive(gathered, sequencer):
        answers = [gathered.submit(command) for command in (b"a", b"b", b"c")]
        assert sequencer.submitted == []
        await asyncio.sleep(0)
        assert sequencer.submitted == [b"abc"]
        sequencer.answers[0].set_result([event(7), event(8), event(8, 2), event(9)])
        return await asyncio.gather(*answers)

    assert run(drive) == [[event(7)], [event(8), event(8, 2)], [event(9)]]


def test_the_next_turn_is_the_next_submission():
    async def drive(gathered, sequencer):
        gathered.submit(b"a")
        await asyncio.sleep(0)
        gathered.submit(b"b")
        await asyncio.sleep(0)
        return sequencer.submitted

    assert run(drive) == [b"a", b"b"]


def test_a_full_turn_goes_out_at_once(monkeypatch):
    monkeypatch.setattr(turn, "COMMANDS_MAX", 2)

    async def drive(gathered, sequencer):
        for command in (b"a", b"b", b"c"):
            gathered.submit(command)
        assert sequencer.submitted == [b"ab"]
        await asyncio.sleep(0)
        return sequencer.submitted

    assert run(drive) == [b"ab", b"c"]


def test_a_turn_that_just_went_out_whole_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(turn, "COMMANDS_MAX", 2)

    async def drive(gathered, sequencer):
        gathered.submit(b"a")
        gathered.submit(b"b")
        await asyncio.sleep(0)
        return sequencer.submitted

    assert run(drive) == [b"ab"]


@pytest.mark.parametrize(
    ("refusal", "expected"), [(Overloaded("full"), errors.OVERLOADED), (Stopped("over"), errors.STOPPED)]
)
def test_all_are_told_when_nothing_is_taken(refusal, expected):
    async def drive(gathered, _):
        return await problems(gathered.submit(b"a"), gathered.submit(b"b"))

    assert run(drive, refusal) == [expected, expected]


def test_all_are_told_when_nobody_knows():
    async def drive(gathered, sequencer):
        answers = [gathered.submit(b"a"), gathered.submit(b"b")]
        await asyncio.sleep(0)
        sequencer.answers[0].set_exception(Stopped("in the middle"))
        return await problems(*answers)

    assert run(drive) == [errors.STATUS_UNKNOWN] * 2


def test_who_no_longer_waits_takes_nobody_s_events():
    async def drive(gathered, sequencer):
        answers = [gathered.submit(b"a"), gathered.submit(b"b")]
        await asyncio.sleep(0)
        answers[0].cancel()
        sequencer.answers[0].set_result([event(7), event(8)])
        return await answers[1]

    assert run(drive) == [event(8)]


def test_who_no_longer_waits_is_not_refused():
    async def drive(gathered, _):
        answers = [gathered.submit(b"a"), gathered.submit(b"b")]
        answers[0].cancel()
        return await problems(answers[1])

    assert run(drive, Overloaded("full")) == [errors.OVERLOADED]
