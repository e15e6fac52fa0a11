"""Notices reach a real command and a real web address; what fails is logged and fails nothing."""

import json
import logging
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from pydantic import ValidationError

from flows import notices
from flows.notices import Notice, tell
from flows.settings import NoticeSettings

NOTICE = Notice("failure", "run-1", "order_lines: 'Ünlü' 李 \"x\"", Path("/srv/shop"), "run-0")


class Listener:
    """A web server that answers with the codes it is told, then with 200, and keeps what came."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.seconds = 0.0
        self.received: list[dict[str, Any]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.received.append(json.loads(body))
                if listener.seconds:
                    listener.waiting.wait(listener.seconds)
                self.send_response(listener.codes.pop(0) if listener.codes else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.waiting = Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?token=secret"

    def stop(self) -> None:
        self.waiting.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(notices, "_FIRST_PAUSE", 0.01)
    listener = Listener()
    yield listener
    listener.stop()


def settings(**given: Any) -> NoticeSettings:
    return NoticeSettings.model_validate(given)


def test_a_web_address_is_told(listener: Listener) -> None:
    tell(settings(webhook=listener.address), NOTICE)
    (said,) = listener.received
    assert said.pop("host")
    assert said.pop("at").endswith("+00:00")
    assert said == {
        "event": "failure",
        "run_id": "run-1",
        "message": NOTICE.message,
        "warehouse": "/srv/shop",
        "published_version": "run-0",
    }


@pytest.mark.parametrize(
    ("codes", "posts", "is_delivered"),
    [([503, 500], 3, True), ([429], 2, True), ([500, 500, 500], 3, False), ([404], 1, False)],
)
def test_what_may_heal_is_tried_again(
    listener: Listener,
    caplog: pytest.LogCaptureFixture,
    codes: list[int],
    posts: int,
    is_delivered: bool,
) -> None:
    listener.codes = list(codes)
    tell(settings(webhook=listener.address), NOTICE)
    assert len(listener.received) == posts
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert (warned == []) is is_delivered
    assert "secret" not in caplog.text


def test_a_silent_address_costs_no_more_than_its_time(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    listener.seconds = 30
    tell(settings(webhook=listener.address, timeout_seconds=1, tries=1), NOTICE)
    assert "was not delivered: 127.0.0.1" in caplog.text
    assert "secret" not in caplog.text


def test_nobody_at_the_address(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    address = listener.address.replace(str(listener.server.server_port), "1")
    tell(settings(webhook=address), NOTICE)
    assert "Connection refused" in caplog.text


def test_a_command_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "a copy; $(with) 'signs'.json"
    program = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    tell(settings(command=[sys.executable, "-c", program, str(copy)]), NOTICE)
    assert json.loads(copy.read_text(encoding="utf-8"))["message"] == NOTICE.message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-c", "import sys; sys.exit('no mail today')"], "no mail today"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "timed out"),
        (["/nowhere/mail"], "/nowhere/mail"),
        ([sys.executable, "-c", "import os; os.close(0)"], ""),  # it does not listen
    ],
)
def test_a_command_that_fails_is_logged(
    caplog: pytest.LogCaptureFixture, command: list[str], words: str
) -> None:
    tell(settings(command=command, timeout_seconds=1), NOTICE)
    assert words in caplog.text


def test_only_what_is_wanted_is_told(listener: Listener) -> None:
    tell(settings(webhook=listener.address, on=["warning"]), NOTICE)
    assert listener.received == []


@pytest.mark.parametrize(
    "address",
    [
        "https://",
        "https:///hook?token=secret",
        "http://[::1/hook?token=secret",
        "https://example.org:port/hook?token=secret",
        "https://example.org:99999/hook?token=secret",
        "https://bob:secret@example.org/hook",
        "https://example.org/hook token=secret",
        "https://example.org/hook?token=secret\n",
        "https://example.org/钩?token=secret",
        "file:///etc/hook?token=secret",
        "example.org/hook?token=secret",
        "",
    ],
)
def test_what_is_no_web_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ValidationError, match="no web address") as refused:
        settings(webhook=address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["https://example.org", "HTTP://example.org:8080/a?b=%20#c", "http://[::1]:80/hook"],
)
def test_a_web_address_is_taken_as_it_is(address: str) -> None:
    webhook = settings(webhook=address).webhook
    assert webhook is not None
    assert webhook.get_secret_value() == address
