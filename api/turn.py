"""What one turn of the event loop has to submit, submitted together.

Each submission may wake the engine's thread, and whatever wakes it is a batch: one write to disk, one call of the
kernel, one hand-over of the interpreter's lock there and back. Under load dozens of requests are read in one turn of
the loop; gathered until its end they are one batch instead of many, and nobody waits longer for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from exchange.events import Event
from exchange.sequencer import Overloaded, Stopped

COMMANDS_MAX = 1024  # of one submission

Answer = asyncio.Future[list[Event]]
Submit = Callable[[bytes], Answer]


class Receiver(Protocol):
    """Who waits for the events of a command: a future, or whatever else takes them."""

    def done(self) -> bool:
        """Return whether nobody waits any more."""

    def set_result(self, result: list[Event], /) -> None:
        """Take the events."""

    def set_exception(self, exception: Exception, /) -> None:
        """Take a RequestError that says why there are none."""


class Turn:
    """Gathers single commands, and gives each its own events back."""

    def __init__(self, submit: Submit) -> None:
        """Submit to the sequencer."""
        self._submit = submit
        self._commands: list[bytes] = []
        self._answers: list[Receiver] = []

    def submit(self, command: bytes) -> Answer:
        """Put one command into the next submission; the result is its events, or a RequestError that says why not."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self.add(command, answer)
        return answer

    def add(self, command: bytes, receiver: Receiver) -> None:
        """Put one command into the next submission, and let a receiver take what comes of it."""
        commands = self._commands
        commands.append(command)
        self._answers.append(receiver)
        if len(commands) == 1:
            asyncio.get_running_loop().call_soon(self.end)
        elif len(commands) == COMMANDS_MAX:
            self.end()

    async def submit_together(self, made: Sequence[bytes]) -> list[list[Event]]:
        """Put commands into a submission of their own, behind what waits; return the events of each."""
        self.end()
        loop = asyncio.get_running_loop()
        answers: list[Answer] = [loop.create_future() for _ in made]
        self._send(b"".join(made), answers)
        done = await asyncio.gather(*answers, return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return [answer.result() for answer in answers]

    def end(self) -> None:
        """Submit what is gathered: what is submitted elsewhere from now on comes behind it."""
        answers = self._answers
        if not answers:  # the turn was so full that all of it is on its way
            return
        commands = b"".join(self._commands)
        self._commands, self._answers = [], []
        self._send(commands, answers)

    def _send(self, commands: bytes, answers: Sequence[Receiver]) -> None:
        try:
            joint = self._submit(commands)
        except Overloaded:
            _refuse(answers, RequestError(OVERLOADED))
        except Stopped:
            _refuse(answers, RequestError(STOPPED))
        else:
            joint.add_done_callback(partial(_share, answers))


def _share(answers: Sequence[Receiver], joint: Answer) -> None:
    """Give each answer the events of its command: those of one sequence number."""
    error = joint.exception()
    if error is not None:
        _refuse(answers, RequestError(OVERLOADED if isinstance(error, Overloaded) else STATUS_UNKNOWN))
        return
    rows = joint.result()
    begin, count = 0, len(rows)
    for answer in answers:
        sequence = rows[begin].sequence
        end = begin + 1
        while end < count and rows[end].sequence == sequence:
            end += 1
        if not answer.done():
            answer.set_result(rows[begin:end])
        begin = end
    assert begin == count


def _refuse(answers: Sequence[Receiver], error: RequestError) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
