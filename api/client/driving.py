"""Driving the steps of a conduct: a shell does each step and tells how it went, waiting or awaiting."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.client.conduct import Attempt, Outcome, Steps, Wait

T = TypeVar("T")


def driven(steps: Steps[T], do: Callable[[Attempt | Wait], Outcome]) -> T:
    """Return what the steps come to."""
    outcome: Outcome = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            answer: T = end.value
            return answer
        outcome = do(step)


async def driven_later(steps: Steps[T], do: Callable[[Attempt | Wait], Awaitable[Outcome]]) -> T:
    """Return what the steps come to, each of them awaited."""
    outcome: Outcome = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            answer: T = end.value
            return answer
        outcome = await do(step)
