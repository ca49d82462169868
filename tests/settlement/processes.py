"""Whether a process of somebody else has ended; one that nobody has collected yet has."""

import time

import psutil


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ends(pid: int, seconds: float = 10.0) -> bool:
    """Return whether it ends within this time."""
    deadline = time.monotonic() + seconds
    while not has_ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
