"""Of an error of DuckDB's its class is told, and never a value of a row."""

import traceback

import duckdb
import pytest

from flows.database_errors import hiding_values, without_values
from flows.dbt_errors import class_told, told_of


def fail_on(query: str) -> str:
    """Run a query that fails; returns what a log would show of it."""
    with pytest.raises(duckdb.Error) as raised, hiding_values():
        duckdb.execute(query).fetchall()
    return "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("select ('Zhang' || ' Wei')::integer", "ConversionException: Conversion Error"),
        ("select error('Zhang Wei')", "InvalidInputException: Invalid Input Error"),
        ("select error('IO Error: Zhang Wei')", "InvalidInputException: Invalid Input Error"),
        ("select json('{Zhang Wei')", "InvalidInputException: Invalid Input Error"),
        (
            "create or replace temp table people (name varchar primary key); "
            "insert into people values ('Zhang Wei'), ('Zhang Wei')",
            "ConstraintException: Constraint Error",
        ),
        (
            "create or replace temp table people (name varchar primary key); "
            "insert into people values ('Zhang Wei'); begin; "
            "insert into people values ('Zhang Wei')",
            "ConstraintException: Constraint Error",
        ),
    ],
)
def test_a_value_does_not_get_out(query: str, kind: str) -> None:
    said = fail_on(query)
    duckdb.execute("rollback") if "begin" in query else None
    assert said.splitlines()[-1].endswith(kind)
    assert "During handling" not in said
    # The line of the test that holds the query is part of what is shown, not so the value.
    assert "Zhang Wei" not in said.replace(repr(query), "")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from nowhere", "Catalog Error: Table with name nowhere does not exist!"),
        ("from read_csv('/nowhere.csv')", 'that match the pattern "/nowhere.csv"'),
        ("select nothing", 'Binder Error: Referenced column "nothing" was not found'),
        ("selec", 'Parser Error: syntax error at or near "selec"'),
    ],
)
def test_what_holds_no_value_is_told(query: str, words: str) -> None:
    said = fail_on(query)
    assert words in said
    assert "LINE 1" not in said


def test_a_full_disk_is_told_as_it_is() -> None:
    full = duckdb.IOException('IO Error: Could not write file "/x": No space left on device')
    with pytest.raises(duckdb.IOException) as raised, hiding_values():
        raise full
    assert raised.value is full


def test_a_disk_that_fills_in_a_commit_is_told_without_its_values() -> None:
    """DuckDB tells it in a FATAL Error, which may quote what it could not write."""
    said = "FATAL Error: Failed to commit 'Zhang Wei': Could not write: No space left on device"
    assert without_values(said) == "FATAL Error: No space left on device"
    assert told_of(f"Runtime Error in model stores (models/core/stores.sql)\n  {said}") == (
        "FATAL Error: No space left on device"
    )


def test_words_of_others_are_none_of_duckdbs() -> None:
    assert without_values("Zhang Wei Error: x") == "an error of the database"


@pytest.mark.parametrize(
    ("message", "told", "kind"),
    [
        (
            "Runtime Error in model stores (models/core/stores.sql)\n"
            "  Conversion Error: Could not convert string 'Zhang Wei Error: x' to INT32\n\n"
            "  LINE 1: create table",
            "Conversion Error",
            "Conversion Error",
        ),
        (
            "Runtime Error in model stores (models/core/stores.sql)\n"
            "  Catalog Error: Table with name regions does not exist!\n  Did you mean region?",
            "Catalog Error: Table with name regions does not exist!",
            "Catalog Error",
        ),
        (
            "Compilation Error in model stores (models/core/stores.sql)\n"
            "  This model has an enforced contract that failed.\n  Please ensure",
            "Compilation Error: This model has an enforced contract that failed.",
            "Compilation Error",
        ),
        (
            "Runtime Error in test unique (models/core/core.yml)\n  Zhang Wei Error: x",
            "Runtime Error",
            "Runtime Error",
        ),
        ("Runtime Error\n  IO Error: no lock", "IO Error: no lock", "IO Error"),
        ("Zhang Wei: Error: x", "Error", "Error"),
        (None, "Error", "Error"),
    ],
)
def test_what_dbt_passes_on(message: str | None, told: str, kind: str) -> None:
    assert told_of(message) == told
    assert class_told(message) == kind
