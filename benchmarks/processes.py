"""What a process, or a tree of them, has taken of the processors; what the hypervisor kept of the machine meanwhile."""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_NS = 1e9
GATEWAY = "api.gateways.process"  # in the command line of a gateway


class Cpu:
    """The processor time of another process."""

    def __init__(self, process: int) -> None:
        """Watch a process."""
        self._process = process

    def seconds(self) -> float:
        """Return user and system time of all its threads so far."""
        return self._read(Path(f"/proc/{self._process}/stat"))

    def loop_seconds(self) -> float:
        """Return those of its first thread, which runs the event loop."""
        return self._read(Path(f"/proc/{self._process}/task/{self._process}/stat"))

    @staticmethod
    def _read(path: Path) -> float:
        fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


class Spent(NamedTuple):
    """Processor seconds of a server by its parts, so far or between two looks."""

    exchange: float = 0.0  # the process that decides, all threads
    loop: float = 0.0  # of it, the thread with the event loop
    gateways: float = 0.0  # the processes in front of it
    settlement: float = 0.0  # the poster and Postgres

    @property
    def total(self) -> float:
        """Return all of it."""
        return self.exchange + self.gateways + self.settlement

    def since(self, before: "Spent") -> "Spent":
        """Return what came after another look."""
        return Spent(*[now - then for now, then in zip(self, before, strict=True)])


class Tree:
    """A server's process and those that it started."""

    def __init__(self, process: int) -> None:
        """Watch a process and its children, however deep."""
        self._root = process

    def spent(self) -> Spent:
        """Return what has been taken so far, to the nanosecond where the kernel counts so."""
        gateways = settlement = 0.0
        for process in self._children():
            seconds = _run_s(Path(f"/proc/{process}"))
            if GATEWAY in _command(process):
                gateways += seconds
            else:
                settlement += seconds
        root = Path(f"/proc/{self._root}")
        return Spent(_run_s(root), _thread_s(root / f"task/{self._root}"), gateways, settlement)

    def _children(self) -> list[int]:
        parents: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            parents.setdefault(int(fields[1]), []).append(int(path.name))
        found, waiting = [], [self._root]
        while waiting:
            children = parents.get(waiting.pop(), [])
            found += children
            waiting += children
        return found


def stolen() -> tuple[int, int]:
    """Return ticks of the processors that the hypervisor kept for others, and all ticks, so far."""
    ticks = [int(text) for text in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    return ticks[7], sum(ticks)


def _run_s(process: Path) -> float:
    try:
        return sum(_thread_s(thread) for thread in (process / "task").iterdir())
    except OSError:  # it ended meanwhile
        return 0.0


def _thread_s(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text(encoding="ascii").split()[0]) / _NS
    except OSError:  # it ended meanwhile
        return 0.0


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
