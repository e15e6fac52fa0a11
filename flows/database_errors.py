"""What may be told of an error of DuckDB's: its own words may quote values of rows.

"Could not convert string 'Zhang Wei' to INT32": such words would reach Prefect, notices and the
record of runs, which more people read than the work file.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

# How DuckDB begins the words of an error, by its class.
_CLASSES: Final = (
    *("Binder", "Catalog", "Connection", "Constraint", "Conversion", "Decimal", "Dependency"),
    *("Divide by Zero", "Executor", "Expression", "Extension Autoloading", "FATAL", "HTTP"),
    *("INTERNAL", "INTERRUPT", "IO", "Index", "Invalid", "Invalid Configuration"),
    *("Invalid Input", "Invalid type", "Mismatch Type", "Missing Extension", "Network"),
    *("Not implemented", "NullPointer", "Object Size", "Optimizer", "Out of Memory"),
    *("Out of Range", "Parameter Not Allowed", "Parameter Not Resolved", "Parser", "Permission"),
    *("Planner", "Scheduler", "Sequence", "Serialization", "Settings", "Stat", "Syntax"),
    *("TransactionContext", "Unknown Type"),
)
# Those of files, memory and the text of a query, which hold no row: a full disk or a missing table
# must be told. Not of transactions: a commit names the key that is there already.
_WITHOUT_VALUES: Final = frozenset(
    (
        *("Binder", "Catalog", "Connection", "INTERRUPT", "IO", "Missing Extension"),
        *("Not implemented", "Out of Memory", "Parser", "Permission"),
    )
)

# A full disk or a used-up quota: in the words of the system, which DuckDB passes on, and in its own
# where what it spills finds no room.
FULL_DISK_WORDS: Final = (
    *(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)),
    "failed to offload data block",
)


def class_of(words: str) -> str | None:
    """The class of an error by its words, as "Conversion Error"; None where they are no DuckDB's.

    Only what DuckDB can have written counts: a value may look like a class too.
    """
    name = words.lstrip().partition(" Error:")[0]
    return f"{name} Error" if name in _CLASSES else None


def without_values(words: str) -> str:
    """What may be told of an error: its class, and its first line where that holds no value."""
    kind = class_of(words)
    if kind is None:
        return "an error of the database"
    if kind.removesuffix(" Error") in _WITHOUT_VALUES:
        return words.strip().partition("\n")[0]  # further lines show the query
    # A disk that fills in a commit is told in a FATAL Error, among words that may hold a value.
    found = [full for full in FULL_DISK_WORDS if full in words]
    return f"{kind}: {found[0]}" if found else kind


@contextmanager
def hiding_values() -> Iterator[None]:
    """Let errors of DuckDB's out with nothing but `without_values` of their words.

    Also a decorator. The class of the exception stays, so whoever catches it still does; the
    original is not shown in its traceback.

    Raises:
        duckdb.Error: of the same class as the original.
    """
    try:
        yield
    except duckdb.Error as error:
        told = without_values(str(error))
        if told == str(error):
            raise
        raise type(error)(told) from None
