"""A coroutine run without a task, for what is done thousands of times a second."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Steps(Generic[T]):
    """Runs a coroutine like a task, but begins at once instead of at the loop's next turn.

    The coroutine may await futures and `asyncio.sleep`, nothing that asks for the current task.
    """

    __slots__ = ("_coroutine", "_done", "_loop")

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], done: Callable[[T], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._coroutine = coroutine
        self._done = done
        self._loop = loop

    def step(self, _: object = None) -> None:
        """Go on until the coroutine waits for something, or ends."""
        try:
            awaited = self._coroutine.send(None)
        except StopIteration as end:
            self._done(end.value)
            return
        if awaited is None:
            self._loop.call_soon(self.step)
        else:
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - how a task says that it took the future
            awaited.add_done_callback(self.step)
