"""The kernel compiled apart: a mark when it is there, and a start that can be told to stop while it is made."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from api import kernel
from api.kernel import compile_apart, is_compiled
from exchange.core import jit
from exchange.core.state import TEST
from tests.conftest import ROOT

START_S = 60
SLEEP = """
import sys, time
from settlement.child import die_with
die_with(int(sys.argv[1]), 9)
time.sleep(600)
"""  # like the compile: long, and over with its parent
SERVE = f"""
import sys
from api import cli, compose, kernel
kernel.PROGRAM = (sys.executable, "-c", {SLEEP!r})
compose.is_compiled = lambda _: False
cli.app()
"""


def test_a_mark_stands_for_the_sources_and_the_capacity_that_were_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path))  # of this process, not of the other
    assert not is_compiled(TEST)
    compile_apart(TEST)
    assert is_compiled(TEST)
    assert not is_compiled(TEST._replace(orders=TEST.orders + 1))
    monkeypatch.setattr(kernel.engine, "__file__", kernel.__file__)
    assert not is_compiled(TEST)


def test_what_fails_leaves_no_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel, "PROGRAM", (sys.executable, "-c", "raise SystemExit(1)"))
    compile_apart(TEST)
    assert list(tmp_path.iterdir()) == []


def test_without_the_compiler_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(jit, "JIT_ENABLED", False)
    assert is_compiled(TEST)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_is_stopped_while_the_kernel_is_compiled(tmp_path: Path, number: signal.Signals) -> None:
    directory = tmp_path / "data"
    line = [sys.executable, "-c", SERVE, "serve", "--data", str(directory), "--port", "0"]
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        try:
            assert "compiling" in process.stderr.readline()
            children = children_of(process.pid)
            os.killpg(process.pid, number)
            begin_s = time.monotonic()
            assert process.wait(START_S) == 0
            assert time.monotonic() - begin_s < START_S / 2  # the compile goes on for ten minutes
            assert "stopped" in process.stderr.read()
        finally:
            process.kill()
    assert not psutil.wait_procs(children, timeout=START_S)[1]
    assert list(directory.iterdir()) == []


def children_of(process: int) -> list[psutil.Process]:
    """Wait for the children of a process, and return them."""
    deadline = time.monotonic() + START_S
    while not (found := psutil.Process(process).children()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found
