"""A process that has everything imported and forks a child for each refresh.

Importing Prefect and dbt takes as long as a small refresh; a fork of a process that has done so
and nothing else (no thread, no connection) is a fresh process. One request a line on standard
input, two answers a line on standard output: the child's process id, then how it ended.
"""

import atexit
import json
import logging
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flows.refresh
from flows.refresh import RefreshError, load, refresh
from flows.settings import RefreshSettings
from tests.faults.steps import Steps, kill_this_group, kill_this_process

RETRY_SECONDS = [1.0, 1.0, 1.0]  # a minute would say no more than a second does


def main() -> None:
    """Answer requests until standard input ends."""
    for request in sys.stdin:
        child = os.fork()
        if child == 0:
            code = run(json.loads(request))
            # As at every end of Python; but libraries that started threads before the fork would
            # abort when they look for them.
            atexit._run_exitfuncs()
            sys.stderr.flush()
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(request: dict[str, Any]) -> int:
    """Refresh, in a session and a temporary folder of its own; returns the exit code.

    The outcome goes into a file: "published", "nothing new", or the message of the failure.
    """
    os.setsid()
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        os.dup2(os.open(path, flags), descriptor)
    os.environ["TMPDIR"] = request["temporary"]
    tempfile.tempdir = None
    settings = RefreshSettings.model_validate(request["settings"])
    record = Path(request["record"]) if request["record"] else None
    Steps(settings.warehouse, request["at"], strike_of(request), record).watch()
    load.retry_delay_seconds = RETRY_SECONDS
    flows.refresh.REST_SECONDS = 0.0  # a night's files were copied just now, and are whole
    logging.getLogger("flows").setLevel(logging.INFO)
    outcome = Path(request["outcome"])
    try:
        result = refresh(settings)
    except RefreshError as error:
        outcome.write_text(str(error), encoding="utf-8")
        return 1
    except BaseException:
        outcome.write_text(traceback.format_exc(), encoding="utf-8")
        return 2
    outcome.write_text("published" if result.is_published else "nothing new", encoding="utf-8")
    return 0


def strike_of(request: dict[str, Any]) -> Callable[[], object]:
    """What happens at the chosen step: a command runs, or the process is killed."""
    if command := request["command"]:
        return lambda: subprocess.run(command, check=True)
    return kill_this_group if request["whole_group"] else kill_this_process


if __name__ == "__main__":
    main()
