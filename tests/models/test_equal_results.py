"""Two builds of the same data are equal: SQL known to break this is kept out of the models."""

import re
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"
SQL_FILES = sorted(MODELS.rglob("*.sql"))

FORBIDDEN = {
    "picks a row of its own": r"\b(any_value|first|last|arbitrary|mode)\s*\(",
    "is not exact": r"\bapprox_\w+\s*\(|\breservoir_quantile\s*\(",
    "differs between versions": r"(?<![\w.])hash\s*\(",
    "depends on the moment": r"\b(now|random|uuid|today|get_current_timestamp)\s*\(",
    "depends on the moment, too": r"\bcurrent_(date|timestamp|time)\b",
    "is going away (lambdas are `lambda x: ...`)": r"\b\w+\s*->\s*(?!>)",
}
ABOUT_THE_BUILD = {"about"}  # run metadata, left out where builds are compared
# Hashes of one query compared with each other: none reaches the result.
HASHES_TO_COMPARE = {"int_orders_with_differing_lines"}
ORDERED_AGGREGATES = r"\b(string_agg|listagg|group_concat|array_agg|list)\s*\("
ORDERED_WINDOWS = r"\b(row_number|rank|dense_rank|ntile|lag|lead|first_value|last_value)\s*\("


def _statements(sql: str) -> str:
    """The SQL without comments and without Jinja."""
    sql = re.sub(r"\{#.*?#\}|\{%.*?%\}", " ", sql, flags=re.DOTALL)
    sql = re.sub(r"--[^\n]*", " ", sql)
    return re.sub(r"'[^']*'", "''", sql)


def _brackets(sql: str, start: int) -> str:
    """The text from `start`, an opening bracket, to its closing one."""
    depth = 0
    for position in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if depth == 0:
            return sql[start : position + 1]
    raise AssertionError("brackets do not match")


def _window(sql: str, call: re.Match[str]) -> str:
    """What stands in `over (...)` after a call, or nothing."""
    arguments = _brackets(sql, call.end() - 1)
    over = re.match(r"\s*over\s*\(", sql[call.end() - 1 + len(arguments) :])
    if over is None:
        return ""
    start = call.end() - 1 + len(arguments) + over.end() - 1
    return _brackets(sql, start)


def test_there_is_something_to_read() -> None:
    assert len(SQL_FILES) > 40


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_models_give_equal_results_every_night(path: Path) -> None:
    sql = _statements(path.read_text(encoding="utf-8").lower())
    for why, pattern in FORBIDDEN.items():
        if path.stem in ABOUT_THE_BUILD and "moment" in why:
            continue
        if path.stem in HASHES_TO_COMPARE and "versions" in why:
            continue
        found = re.search(pattern, sql)
        assert found is None, f"{found and found.group()} {why}"
    for call in re.finditer(ORDERED_AGGREGATES, sql):
        assert "order by" in _brackets(sql, call.end() - 1), f"{call.group()}...) has no order"
    for call in re.finditer(ORDERED_WINDOWS, sql):
        assert "order by" in _window(sql, call), f"{call.group()}...) has no order"
    for limit in re.finditer(r"\blimit\s+\d", sql):
        assert "order by" in sql[: limit.start()].rsplit("select", 1)[-1], "limit without order"
