"""Children that die with their parent, seen from outside with real processes."""

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from settlement import child
from tests.settlement.processes import ends, has_ended

PARENT = """
import subprocess, sys, time
from pathlib import Path
from settlement import child
line = child.command({user}, Path({directory!r}), {signal}, ["/bin/sleep", "60"])
print(subprocess.Popen(line).pid, flush=True)
time.sleep(60)
"""


def _parent(directory: Path, number: int) -> tuple[subprocess.Popen[str], int]:
    """Start a process that starts a child, and return both once the child has become its program."""
    text = PARENT.format(user=os.geteuid(), directory=str(directory), signal=number)
    parent = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":
        time.sleep(0.01)
    return parent, pid


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent, pid = _parent(tmp_path, signal.SIGTERM)
    with parent:
        assert not has_ended(pid)
        parent.kill()
    assert ends(pid)


def test_without_a_signal_it_lives_on(tmp_path: Path) -> None:
    parent, pid = _parent(tmp_path, 0)
    with parent:
        parent.kill()
    time.sleep(0.2)
    assert not has_ended(pid)
    os.kill(pid, signal.SIGKILL)


def test_the_program_runs_in_the_directory(tmp_path: Path) -> None:
    line = child.command(os.geteuid(), tmp_path, signal.SIGTERM, ["/bin/sh", "-c", "pwd -P; echo $PPID"])
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(tmp_path), str(os.getpid())]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the user")
def test_another_user_runs_in_a_directory_that_it_could_not_reach(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    hidden = tmp_path / "hidden"
    inner = hidden / "inner"
    inner.mkdir(parents=True)
    hidden.chmod(0o700)
    os.chown(inner, nobody.pw_uid, -1)
    line = child.command(nobody.pw_uid, inner, signal.SIGTERM, ["/bin/sh", "-c", "id -u; id -G; touch x; ls"])
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()
    assert said == [str(nobody.pw_uid), str(nobody.pw_gid), "x"]


def test_a_child_of_a_dead_parent_gets_the_signal_at_once(tmp_path: Path) -> None:
    line = child.command(os.geteuid(), tmp_path, signal.SIGTERM, ["/bin/sleep", "60"])
    line[line.index(str(os.getpid()))] = "1"  # as if the parent had died and init had taken over
    assert subprocess.run(line, timeout=60, check=False).returncode == -signal.SIGTERM
