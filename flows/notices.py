"""Tells people, or their machines, how a refresh went: by a command of theirs or a web address.

A notice says nothing of any row. That it cannot be delivered is logged and fails nothing.
"""

import http.client
import json
import logging
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flows.publish.versions import current_version
from flows.settings import NoticeSettings, RefreshSettings

logger = logging.getLogger(__name__)
Event = Literal["failure", "warning", "success"]
_FIRST_PAUSE = 1.0  # seconds before the second try; doubled each time


@dataclass(frozen=True)
class Notice:
    """How one refresh went.

    Attributes:
        event: what it is.
        run_id: the run; None where it failed before it had an id.
        message: what people should know, in words; several lines for several things.
        warehouse: the folder.
        published_version: what readers see now; None where nothing was ever published.
    """

    event: Event
    run_id: str | None
    message: str
    warehouse: Path
    published_version: str | None

    def as_json(self) -> str:
        """One object with these attributes, `host`, and `at`, the time in UTC."""
        said = asdict(self) | {
            "warehouse": str(self.warehouse),
            "host": socket.gethostname(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(said, ensure_ascii=False)


def tell_how_it_went(
    settings: RefreshSettings, event: Event, run_id: str | None, message: str
) -> None:
    """Tell those whom the settings name how a run went, and what readers see now.

    Whatever fails here is logged: how a run went does not hang on whether people hear of it.
    """
    try:
        warehouse = settings.warehouse.resolve()
        notice = Notice(event, run_id, message, warehouse, current_version(warehouse))
        tell(settings.notices, notice)
    except Exception:
        logger.warning("the notice was not delivered", exc_info=True)


def tell(settings: NoticeSettings, notice: Notice) -> None:
    """Run the command and post to the address that the settings name, if they want this event."""
    if notice.event not in settings.on:
        return
    if settings.command:
        _run(settings.command, notice.as_json(), settings.timeout_seconds)
    if settings.webhook is not None:
        _post(settings.webhook.get_secret_value(), notice.as_json(), settings)


def _run(command: list[str], text: str, timeout_seconds: int) -> None:
    try:
        finished = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("the notice was not delivered: %s", error)
        return
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip()
        logger.warning(
            "the notice was not delivered: %s ended with code %s: %s",
            command[0],
            finished.returncode,
            said[-500:],
        )


def _post(address: str, text: str, settings: NoticeSettings) -> None:
    host = urllib.parse.urlsplit(address).hostname  # the rest may hold a secret
    request = urllib.request.Request(  # noqa: S310 (http or https: the settings see to it)
        address,
        data=text.encode(),
        headers={"Content-Type": "application/json", "User-Agent": "regulars"},
        method="POST",
    )
    problem = ""
    for pause in [0.0, *(_FIRST_PAUSE * 2**n for n in range(settings.tries - 1))]:
        time.sleep(pause)
        try:
            with urllib.request.urlopen(request, timeout=settings.timeout_seconds):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            problem = f"{host} answered {error.code}"
            error.close()
            if error.code < 500 and error.code != 429:
                break  # it will not think otherwise of the same notice
        except (OSError, ValueError, http.client.HTTPException) as error:
            # not its words, which may hold the address
            problem = f"{host}: {getattr(error, 'reason', type(error).__name__)}"
    logger.warning("the notice was not delivered: %s", problem)
