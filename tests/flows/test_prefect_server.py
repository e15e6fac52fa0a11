"""The temporary Prefect server: it answers, and it never outlives the process that started it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from flows.prefect_server import start_prefect_server

STARTER = """
import sys, time
from pathlib import Path
from flows.prefect_server import start_prefect_server
print(start_prefect_server(Path(sys.argv[1])), flush=True)
time.sleep(600)
"""


LATE = """
import os, time
from flows.parent_process import end_with_parent
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    end_with_parent(parent)
    print("it outlives", flush=True)
"""


def processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended while we looked
            if text in command:
                found.append(int(entry.name))
    return found


def test_a_server_of_the_users_own_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert start_prefect_server(tmp_path) == "http://127.0.0.1:4200/api"
    assert list(tmp_path.iterdir()) == []


def test_the_server_dies_with_a_killed_process(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert starter.stdout
    url = starter.stdout.readline().strip()
    port = url.split(":")[2].split("/")[0]
    with urllib.request.urlopen(f"{url}/health") as answer:  # noqa: S310
        assert answer.read() == b"true"
    assert processes_with(f"--port {port}")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 10
    while processes_with(f"--port {port}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_with(f"--port {port}")


def test_a_process_whose_parent_has_ended_already_does_not_begin() -> None:
    finished = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert finished.returncode == 0
    assert finished.stdout == ""
    assert "the process that started this one has ended" in finished.stderr
