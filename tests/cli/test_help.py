import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = [
    [],
    ["refresh"],
    ["status"],
    ["versions"],
    ["rollback"],
    ["diff"],
    ["sql"],
    ["source"],
    ["source", "list"],
    ["source", "show"],
    ["source", "new"],
    ["source", "check"],
    ["person"],
    ["forget"],
    ["settings"],
    ["demo"],
    ["generate"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*command, "--help")
    assert result.exit_code == 0
    body = result.stdout.split("╭")[0].splitlines()
    assert len([line for line in body if line.strip()]) >= 2
    assert max(map(len, body)) <= 80


def test_the_manual_names_every_command():
    manual = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    for command in COMMANDS:
        if command != ["source"]:
            assert f"`{' '.join(['regulars', *command])}" in manual


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from regulars.cli import app\n"
        "for command in ([], ['refresh'], ['sql'], ['source', 'new'], ['demo'], ['generate']):\n"
        "    assert CliRunner().invoke(app, [*command, '--help']).exit_code == 0\n"
        "heavy = {'prefect', 'dbt', 'pandas', 'numpy', 'duckdb', 'pyarrow', 'flows', 'mlxtend'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "[]\n"


def test_no_command_shows_the_help(run):
    assert "Usage: regulars" in run().stdout


def test_version(run):
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("regulars")


@pytest.mark.parametrize("arguments", [["refesh"], ["--nonsense"], ["status", "too", "many"]])
def test_wrong_use_exits_with_2(run, arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr


def test_a_bug_shows_no_traceback_and_keeps_one(run, monkeypatch, tmp_path):
    def explode(*_):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("regulars.commands.status.refresh_process", explode)
    result = run("status")
    assert result.exit_code == 1
    assert "this is a bug in Regulars" in result.stderr
    assert "ZeroDivisionError: a fault of ours" in result.stderr
    assert "Traceback" not in result.stderr
    (log,) = tmp_path.glob("regulars-error-*.log")
    assert "Traceback" in log.read_text()
