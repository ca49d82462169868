"""Orders that end with their sender's connection.

Who asked for it, by a word when it connects or by a setting of its key, has all open orders of its account cancelled
when the socket goes, however it goes: a goodbye, a cut line, a ping without an answer. The command is one of the
exchange's own like a dead-man timer's, and says its reason. When the exchange itself stops, orders stay: what guards
against that is the dead-man timer.
"""

import asyncio

import structlog

from api.errors import RequestError
from api.gateway import Gateway
from exchange.core.types import EndReason

log = structlog.get_logger()


class Departures:
    """Cancels the orders of those who have gone."""

    def __init__(self, gateway: Gateway) -> None:
        """Cancel through a gateway."""
        self._gateway = gateway
        self._tasks: set[asyncio.Task[None]] = set()

    def cancel(self, account: int) -> None:
        """Begin to cancel the open orders of an account whose connection has gone."""
        task = asyncio.get_running_loop().create_task(self._cancel(account))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self, account: int) -> None:
        try:
            ended, still_open = await self._gateway.mass_cancel(account, reason=EndReason.DISCONNECTED)
        except RequestError as error:
            log.warning("orders of a lost connection stay", account=account, reason=error.problem.message)
        else:
            log.info("a connection took its orders with it", account=account, ended=len(ended), still_open=still_open)
