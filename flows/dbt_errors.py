"""What may be told of a model or test that dbt could not run.

dbt passes on DuckDB's words, which may quote values of rows. In full they stand in dbt's own log,
in the private work folder.
"""

import errno
import os
import re
from typing import Final

from flows.database_errors import class_of, without_values

# "Runtime Error in model dim_stores (models/core/dim_stores.sql)", then DuckDB's words; of an error
# that no node caused the class alone.
_HEADING: Final = re.compile(
    r"\s*(?P<kind>[A-Z][a-z]+ Error)(?: in [^\n]*)?\n\s*(?P<words>.*)", re.DOTALL
)
# Of the project itself, found before a query runs: dbt's words, and no row in them.
_OF_THE_PROJECT: Final = ("Compilation Error", "Parsing Error")
# Of a file that dbt itself reads or writes, as its manifest: a full disk must be told.
_OF_A_FILE: Final = re.compile(rf"\[Errno ({'|'.join(map(str, errno.errorcode))})\] ")
_OTHER: Final = "Error"


def told_of(message: str | None) -> str:
    """What may be told of dbt's message: the class of the error, and words without values."""
    if of_a_file := _OF_A_FILE.match(message or ""):
        return os.strerror(int(of_a_file[1]))
    found = _HEADING.match(message or "")
    words = found["words"] if found else message or ""
    if class_of(words):
        return without_values(words)
    if found and found["kind"] in _OF_THE_PROJECT:
        return f"{found['kind']}: {words.strip().partition(chr(10))[0]}"
    return found["kind"] if found else _OTHER


def class_told(message: str | None) -> str:
    """The class of the error alone, as "Catalog Error"."""
    return told_of(message).partition(":")[0]
