"""The server of the demo as a process of its own: started, killed in the middle, started again, stopped with grace."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx

_START_S_MAX = 300  # the first start on a machine compiles the kernels
_STOP_S_MAX = 30
_POLL_S = 0.1
_LOG_LINES = 15


class ServerError(RuntimeError):
    """The server did not start or did not stop; the message ends with the last lines of its log."""


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`tokenbourse serve` on a data directory and a port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._port = free_port()
        self._log_path = directory / "server.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ServerError."""
        arguments = ["serve", "--data", str(self.directory), "--port", str(self._port)]
        with self._log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "api.commandline", *arguments, stdout=log, stderr=log, start_new_session=True
            )
        async with httpx.AsyncClient(base_url=self.url) as http:
            for _ in range(int(_START_S_MAX / _POLL_S)):
                if self._process.returncode is not None:
                    raise ServerError(f"the server ended with {self._process.returncode}\n{self._tail()}")
                if await _answers(http):
                    return
                await asyncio.sleep(_POLL_S)
        raise ServerError(f"the server did not answer within {_START_S_MAX} s\n{self._tail()}")

    async def kill(self) -> None:
        """End it as a power cut would, with SIGKILL."""
        assert self._process is not None, "kill follows start"
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """Ask it to finish and wait until it has; does nothing when it is not running. Raises ServerError."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_S_MAX)
        except TimeoutError:
            await self.kill()
            raise ServerError(f"the server did not stop within {_STOP_S_MAX} s\n{self._tail()}") from None
        if self._process.returncode != 0:
            raise ServerError(f"the server ended with {self._process.returncode}\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:])


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/api/v3/ping")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
