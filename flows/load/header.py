"""What may be told of the columns of a file: without its header a record stands in its place.

"Columns found: C1, Zhang Wei": such words would reach Prefect, notices and the record of runs. So
an error names the columns only where it is clear that they are a header.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.load.landing import LandingError
from flows.load.mapping import did_you_mean


class HeaderInDoubtError(LandingError):
    """What stands in the place of a file's header may be a record; the message quotes none of it.

    Attributes:
        in_its_place: what stands there, for the screen of whoever checks the file, and not for a
            log.
    """

    def __init__(self, message: str, in_its_place: str) -> None:
        super().__init__(message)
        self.in_its_place = in_its_place


@dataclass(frozen=True)
class Header:
    """The columns of one file, and how many of them a mapping knows.

    Attributes:
        file: its name.
        columns: what stands in the header's place.
        wanted: how many columns the mapping looks for here.
        found: how many of those it has.
        is_certain: whether it cannot be a record: of Parquet files, of tables, and where the
            mapping names the columns.
    """

    file: str
    columns: tuple[str, ...]
    wanted: int
    found: int
    is_certain: bool

    @property
    def is_clear(self) -> bool:
        """Whether it is a header: it has at least half of the columns wanted."""
        return self.is_certain or 0 < self.wanted <= 2 * self.found


def missing_column(
    what: str, candidates: Sequence[str], headers: Sequence[Header], used: set[str]
) -> LandingError:
    """The error of a column that is not where the mapping looks for it.

    Args:
        what: is missing where, without a full stop.
        candidates: the names looked for.
        headers: of the files looked in.
        used: columns found for others, which the candidates cannot have meant.
    """
    doubtful = [header for header in headers if not header.is_clear]
    columns = [name for header in headers if header.is_clear for name in header.columns]
    fresh = [name for name in columns if name not in used]
    message = f"{what}." + "".join(
        f" {header.file} has {len(header.columns)} columns, and {header.found} of {header.wanted} "
        "that the mapping looks for there: if it came without its header, a record stands in its "
        "place, which only `regulars source check` shows."
        for header in doubtful
    )
    message += next((text for name in candidates if (text := did_you_mean(name, fresh))), "")
    if columns:
        message += f" Columns found: {', '.join(columns)}"
    if not doubtful:
        return LandingError(message)
    return HeaderInDoubtError(message, "; ".join(", ".join(header.columns) for header in doubtful))
