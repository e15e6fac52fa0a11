"""The README's queries run as they stand, and its questions are answered on the demo's data."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
ROW = re.compile(r"^\| (?P<question>[^|]+) \| [^|]+ \| `(?P<query>[^`]+)` \|$", re.MULTILINE)
QUESTIONS = ROW.findall(README.read_text(encoding="utf-8"))


def test_the_table_is_found() -> None:
    assert len(QUESTIONS) >= 10


@pytest.mark.parametrize(("question", "query"), QUESTIONS)
def test_a_question_of_the_readme(
    question: str, query: str, complete_journey_warehouse: Path
) -> None:
    answer = subprocess.run(
        [
            *(Path(sys.executable).with_name("regulars"), "sql", "--format", "csv"),
            *("--warehouse", complete_journey_warehouse, query),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    # The demo has no rejected row; every other question has an answer.
    assert len(answer.stdout.splitlines()) > ("could not be read" not in question), question
