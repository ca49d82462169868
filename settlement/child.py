"""Become another program that dies with its parent: a script that stands between fork and exec.

The kernel forgets the wish to die with the parent when the user changes, so it has to be made after that and
before the program starts. The directory is entered as the caller: it may lie below one that the user cannot enter.
Usage: python child.py PARENT USER DIRECTORY SIGNAL PROGRAM [ARGUMENT ...], numbers for the first, second and fourth.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
SCRIPT = Path(__file__).resolve()
_LIBC = ctypes.CDLL(None, use_errno=True)


def command(user: int, directory: Path, signal: int, program: list[str]) -> list[str]:
    """Return the command line that runs `program` as `user` in `directory` and signals it when the caller dies.

    The caller is the calling *thread*: start children from one that lives as long as the process.
    """
    own = [sys.executable, "-I", "-S", str(SCRIPT), str(os.getpid()), str(user), str(directory), str(signal)]
    return own + program


def die_with(parent: int, signal: int) -> None:
    """Let this process get `signal` when its parent dies, at once where that has happened already."""
    if _LIBC.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal)


def become(parent: int, user: int, directory: str, signal: int, program: list[str]) -> None:
    """Enter the directory, drop to the user, tie this process to its parent and turn into the program."""
    os.chdir(directory)
    if user != os.geteuid():
        group = pwd.getpwuid(user).pw_gid
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    die_with(parent, signal)
    os.execv(program[0], program)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5:])
