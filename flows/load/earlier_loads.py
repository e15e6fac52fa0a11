"""What was loaded of an entity before: which contents are known, and since when they count.

A mended mapping reads known files anew. They then count as of the moment when their content first
came, and in the order in which they came: else a mend would make stale orders win over newer ones,
and end the history of every member on the night of the mend.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from flows.load.contract import MEMBER_ENTITIES


@dataclass(frozen=True)
class Loaded:
    """One load of an entity.

    Attributes:
        load_id: of raw.loads.
        source_file: relative to the landing folder.
        content: the hash of the file.
        joined: the hash of the files joined to it; None: none are.
        reading: the hash of how it was read, raw.loads.mapping_sha256.
        delivered_at: when the content first came.
        delivery_id: of raw.loads, as which it first came.
    """

    load_id: int
    source_file: str
    content: str
    joined: str | None
    reading: str
    delivered_at: datetime
    delivery_id: int


class EarlierLoads:
    """The loads of one entity of one source, those of the run included as they are added.

    Args:
        connection: to the work file.
        source: the source.
        entity: the entity.
        reading: the hash of how its files are read now.
        is_full_list: whether each of them lists all that there is.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        entity: str,
        reading: str,
        *,
        is_full_list: bool,
    ) -> None:
        rows = connection.execute(
            "select load_id, source_file, content_sha256, joined_sha256, mapping_sha256, "
            "coalesce(first_loaded_at, loaded_at), coalesce(first_load_id, load_id), "
            "contents_before_erasures from raw.loads "
            "where source = ? and entity = ? order by load_id",
            [source, entity],
        ).fetchall()
        self._reading = reading
        self._says_what_is_so_now = is_full_list or entity in MEMBER_ENTITIES
        self.last: Loaded | None = None
        self._last_of_file: dict[str, Loaded] = {}
        self._of_content: dict[str, list[Loaded]] = {}
        self._rewritten: dict[str, str] = {}
        for row in rows:
            self.add(load := Loaded(*row[:-1]))
            self._rewritten |= dict.fromkeys((row[-1] or "").split(), load.content)
        self._held: dict[str, str] = {}
        self._moved: frozenset[str] = frozenset()
        self._is_held_known = False

    def compare(
        self,
        holds: Mapping[str, str],
        held: Mapping[str, str],
        holds_elsewhere: Callable[[str], str | None],
    ) -> None:
        """Find out which files were moved since the source was loaded last.

        Of files that hold a content since tonight as many were moved as others hold it no longer;
        new names first. What is left is a copy, or a state that is back.

        Args:
            holds: file to the hash of what it holds, of the entity's files; as of `known_as`.
            held: file to the hash of what it held, files of other entities too; empty where nobody
                knows, as on the night after a restore.
            holds_elsewhere: gives the hash of what any other file holds; None: it is gone.
        """
        self._is_held_known = bool(held)
        # Of a table, and of a file that was away for a while, the last load knows.
        last = {
            file: load.content
            for file, load in self._last_of_file.items()
            if file in holds or not held
        }
        self._held = {file: self.known_as(content) for file, content in {**last, **held}.items()}
        places: dict[str, int] = {}  # content to the number of files that hold it no longer
        for file, content in self._held.items():
            if content in self._of_content:
                now = holds[file] if file in holds else holds_elsewhere(file)
                places[content] = places.get(content, 0) + (self.known_as(now or "") != content)
        moved = set()
        for file in sorted(holds, key=lambda file: (file in self._held, file)):
            content = holds[file]
            if self._held.get(file) != content and places.get(content):
                places[content] -= 1
                moved.add(file)
        self._moved = frozenset(moved)

    def known_as(self, content: str) -> str:
        """Return a content's hash, of one that was rewritten to forget people that of the new one.

        The file as it was may still be there, where `forget` was killed, or be put back. It brings
        nothing that is not known, and as news it would win over what corrected it since.
        """
        return self._rewritten.get(content, content)

    def told_by(self, source_file: str, content: str) -> Loaded | None:
        """Find the load that makes a file's content no news.

        A file goes by what it held last, so that a change and its reversal both load. Under another
        name a known content is no news where it was moved, or is what came last of all. Else it is
        a copy of an earlier one: a list says by it what is so now, as it was before, but orders
        and events only repeat themselves.
        """
        known = self._of_content.get(content)
        if not known or known[-1].reading != self._reading or self.last is None:
            return None
        is_told = (
            self._held.get(source_file) == content
            or source_file in self._moved
            or self.last.content == content
            or not (source_file in self._held or self._says_what_is_so_now)
            or not (source_file in self._last_of_file or self._is_held_known)
        )
        return known[-1] if is_told else None

    def read_before(self, source_file: str, content: str) -> Loaded | None:
        """Find the load of a content that was read in another way: it is the same version.

        A file that was read in this way already and that holds an earlier content again brings a
        change taken back, which is news.
        """
        own = self._last_of_file.get(source_file)
        if own and own.reading == self._reading:
            return None
        same = self._of_content.get(content)
        return same[-1] if same and same[-1].reading != self._reading else None

    def place_of(self, source_file: str, content: str) -> int | None:
        """Return the delivery in whose place a known file is read anew; None: it is news."""
        load = self.told_by(source_file, content) or self.read_before(source_file, content)
        return load.delivery_id if load else None

    def add(self, load: Loaded) -> None:
        """Take a load of this run into account."""
        self.last = self._last_of_file[load.source_file] = load
        self._of_content.setdefault(load.content, []).append(load)


def all_readings(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return as what each load stands read: by which mapping, and joined to what."""
    return connection.execute(
        "select load_id, mapping_sha256, joined_sha256 from raw.loads"
    ).to_arrow_table()


def take_over_readings(connection: duckdb.DuckDBPyConnection, readings: pa.Table) -> None:
    """Have a database know as what its loads stand read in another one, where nothing was new.

    Args:
        connection: to the database.
        readings: as of `all_readings`; its other loads are left out.
    """
    connection.register("regulars_readings", readings)
    connection.execute(
        """
        update raw.loads
        set mapping_sha256 = readings.mapping_sha256, joined_sha256 = readings.joined_sha256
        from regulars_readings as readings
        where
            loads.load_id = readings.load_id
            and (loads.mapping_sha256, loads.joined_sha256)
            is distinct from (readings.mapping_sha256, readings.joined_sha256)
        """
    )
    connection.unregister("regulars_readings")
