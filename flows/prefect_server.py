"""A Prefect server for the length of one refresh, for those who run none of their own."""

import atexit
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from flows.parent_process import end_with_parent

_STARTUP_SECONDS = 150.0  # a small, busy machine needs most of a minute


class PrefectServerError(Exception):
    """The temporary Prefect server did not come up."""


def start_prefect_server(home: Path, keep_days: int = 30) -> str:
    """Run a Prefect server on loopback for as long as this process lives; returns its API address.

    Its database lies under `home` and forgets runs older than `keep_days`. Only processes that
    inherit this one's environment may ask it: the API asks for a password made here.

    Sets PREFECT_HOME, PREFECT_API_URL and the password for this process: Prefect reads them when it
    is imported, so call this before importing anything that imports Prefect. Where PREFECT_API_URL
    is set already, that server is used and none is started.

    Prefect's own temporary server would outlive a killed run; ours dies with the process that
    started it, and only after Prefect has sent its last log lines (exit handlers run last in,
    first out).

    Raises:
        PrefectServerError: where the server cannot be started, ends at once or does not answer in
            150 seconds.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    try:
        return _start(home, keep_days)
    except OSError as error:
        raise PrefectServerError(f"no Prefect server could be started: {error}") from error


def _start(home: Path, keep_days: int) -> str:
    home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    password = f"regulars:{secrets.token_hex(16)}"
    url = f"http://127.0.0.1:{port}/api"
    os.environ |= {
        "PREFECT_HOME": str(home),
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(keep_days * 86_400),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{keep_days}D",
    }
    log_path = home / "server.log"
    with log_path.open("w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn"),
                *("--factory", "prefect.server.api.server:create_app"),
                *("--host", "127.0.0.1", "--port", str(port), "--log-level", "error"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt is for us: the server must see the run end
            preexec_fn=partial(end_with_parent, os.getpid()),
        )
    atexit.register(_stop, server)
    _wait_until_healthy(server, url, log_path)
    os.environ["PREFECT_API_URL"] = url
    return url


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise PrefectServerError(
                f"the temporary Prefect server ended with code {server.returncode}: see {log_path}"
            )
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 (our own loopback)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise PrefectServerError(
        f"the temporary Prefect server was silent for {_STARTUP_SECONDS:.0f} s: see {log_path}"
    )
