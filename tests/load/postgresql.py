"""A PostgreSQL server of the tests' own, on loopback, that does not outlive them."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_PR_SET_PDEATHSIG = 1


def _programs() -> Path | None:
    """The folder of initdb: Debian keeps it out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _user() -> str | None:
    """PostgreSQL refuses to run as root; Debian's package makes a user for it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A running server.

    Attributes:
        port: where it listens on loopback.
        address: the connection string of the user who may read and write.
    """

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self.port = _free_port()
        self.address = f"postgresql://shop:secret@127.0.0.1:{self.port}/postgres"
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        self._user = user
        password = folder / "password"
        password.write_text("secret\n")
        if user:
            for path in (folder, password):
                shutil.chown(path, user)
        subprocess.run(
            [
                *(programs / "initdb", "-D", self._data, "-U", "shop", "-A", "scram-sha-256"),
                *(f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            user=user,
            check=True,
            capture_output=True,
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        prctl = ctypes.CDLL(None).prctl
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._data, "-p", str(self.port)),
                    *("-h", "127.0.0.1", "-k", "", "-F", "-c", "shared_buffers=16MB"),
                ],
                user=self._user,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT),
            )
        for _ in range(200):
            try:
                psycopg.connect(self.address, connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(self._log.read_text())

    @property
    def pid(self) -> int:
        """Id of its first process, for those who end it roughly."""
        return self._process.pid

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.wait(timeout=60)

    def stop(self) -> None:
        """Stop it, connections and all."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def postgresql_server() -> Iterator[Server]:
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="regulars-postgresql-"))
    server = None
    try:
        server = Server(folder, programs, user)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)
