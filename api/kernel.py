"""The matching kernel compiled apart, before anything else begins: a start that is told to stop need not wait for it.

    python -m api.kernel PARENT CAPACITY ...     # the kernel
    python -m api.kernel PARENT                  # what else is compiled: views, surveillance, orders at the door

A compile takes up to a minute and cannot be interrupted where it runs. So processes of their own do it, side by side,
whose only result is what numba keeps on disk, whole files that appear at once; they can be ended at any moment. A mark
beside them says that they are there, or each start would pay for other processes only to find out.
"""

import hashlib
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from api.compiled.wording import cache_directory as orders_directory
from api.wordings import compile_orders
from exchange.core import engine, jit
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.state import Capacity
from exchange.marketdata.folds.compiled import cache_directory as folds_directory
from exchange.server import compile_folds
from exchange.surveillance.folds.tables import cache_directory as surveillance_directory
from settlement.child import die_with

PROGRAM = (sys.executable, "-m", "api.kernel")


def is_compiled(capacity: Capacity) -> bool:
    """Return whether a start finds the kernel for a capacity on disk."""
    return not jit.JIT_ENABLED or _mark(capacity).exists()


def compile_apart(capacity: Capacity) -> None:
    """Compile in other processes, and wait for them; an exception meanwhile, as from a signal, ends them at once.

    What may go wrong there goes wrong again where the kernel is used, and is told there.
    """
    children: list[subprocess.Popen[bytes]] = []
    try:
        for rows in (capacity, ()):
            line = [*PROGRAM, str(os.getpid()), *map(str, rows)]
            children.append(subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True))  # noqa: S603 - ourselves
        statuses = [child.wait() for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    if not any(statuses):
        _mark(capacity).touch()


def _mark(capacity: Capacity) -> Path:
    """Return a file of a name that changes with whatever makes numba compile again."""
    source = Path(engine.__file__)
    about = source.stat()
    known = (
        source,
        about.st_mtime_ns,
        about.st_size,
        version("numba"),
        sys.version,
        tuple(capacity),
        folds_directory(),
        surveillance_directory(),
        orders_directory(),
    )
    return Path(jit.config.CACHE_DIR) / f"compiled-{hashlib.sha256(repr(known).encode()).hexdigest()[:16]}"


def main() -> None:
    """Do what compiles with an empty engine: it does not depend on commands."""
    parent, *rows = map(int, sys.argv[1:])
    die_with(parent, signal.SIGKILL)
    if rows:
        empty = Engine(Capacity(*rows))
        empty.apply(np.zeros(0, COMMAND))
        Engine.restore(empty.snapshot()).apply_bytes(bytes(COMMAND.itemsize))
    else:
        compile_folds()
        compile_orders()


if __name__ == "__main__":
    main()
