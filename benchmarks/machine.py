"""What a figure was measured on: processor, memory, versions, and how long the disk takes to make a write durable.

python -m benchmarks.machine [FOLDER]
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PROBE_ROUNDS = 200
PROBE_BYTES = 4096


def describe() -> str:
    """Return the machine and the versions that matter, and how busy it is with other things, in one line."""
    processors = len(os.sched_getaffinity(0))
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba"))
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {processors} processors, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, {packages}, load {load:.1f}"
    )


def fdatasync_us(folder: Path) -> float:
    """Return the median time in microseconds of appending 4 KiB to a file in the folder and waiting for the disk."""
    block = bytes(PROBE_BYTES)
    durations = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(PROBE_ROUNDS):
            start = time.perf_counter_ns()
            file.write(block)
            os.fdatasync(file.fileno())
            durations.append(time.perf_counter_ns() - start)
    return statistics.median(durations) / 1_000


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    probed = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())
    print(f"{describe()}; write of 4 KiB and fdatasync in {probed}: {fdatasync_us(probed):.0f} us")
