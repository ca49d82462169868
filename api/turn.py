"""What one turn of the event loop has to submit, submitted together.

Each submission may wake the engine's thread, and whatever wakes it is a batch: one write to disk, one call of the
kernel, one hand-over of the interpreter's lock there and back. Under load dozens of requests are read in one turn of
the loop; gathered until its end they are one batch instead of many, and nobody waits longer for it.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from exchange.events import Event
from exchange.sequencer import Overloaded, Stopped

COMMANDS_MAX = 1024  # of one submission

Answer = asyncio.Future[list[Event]]
Submit = Callable[[bytes], Answer]


class Turn:
    """Gathers single commands, and gives each its own events back."""

    def __init__(self, submit: Submit) -> None:
        """Submit to the sequencer."""
        self._submit = submit
        self._commands: list[bytes] = []
        self._answers: list[Answer] = []

    def submit(self, command: bytes) -> Answer:
        """Put one command into the next submission; the result is its events, or a RequestError that says why not."""
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        self._commands.append(command)
        self._answers.append(answer)
        if len(self._commands) == 1:
            loop.call_soon(self._end)
        elif len(self._commands) == COMMANDS_MAX:
            self._end()
        return answer

    def _end(self) -> None:
        answers = self._answers
        if not answers:  # the turn was so full that all of it is on its way
            return
        commands = b"".join(self._commands)
        self._commands, self._answers = [], []
        try:
            joint = self._submit(commands)
        except Overloaded:
            _refuse(answers, RequestError(OVERLOADED))
        except Stopped:
            _refuse(answers, RequestError(STOPPED))
        else:
            joint.add_done_callback(partial(_share, answers))


def _share(answers: list[Answer], joint: Answer) -> None:
    """Give each answer the events of its command: those of one sequence number."""
    if joint.exception() is not None:
        _refuse(answers, RequestError(STATUS_UNKNOWN))
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


def _refuse(answers: list[Answer], error: RequestError) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
