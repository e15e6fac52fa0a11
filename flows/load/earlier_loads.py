"""What was loaded of an entity before: which contents are known, and since when they count.

A mended mapping reads known files anew. They then count as of the moment when their content first
came, and in the order in which they came: else a mend would make stale orders win over newer ones,
and end the history of every member on the night of the mend.
"""

from dataclasses import dataclass
from datetime import datetime

import duckdb


@dataclass(frozen=True)
class Loaded:
    """One load of an entity.

    Attributes:
        load_id: of raw.loads.
        source_file: relative to the landing folder.
        content: its hash, with that of the files joined to it.
        mapping: the hash of what the mapping said of it.
        delivered_at: when the content first came.
        delivery_id: of raw.loads, as which it first came.
    """

    load_id: int
    source_file: str
    content: str
    mapping: str
    delivered_at: datetime
    delivery_id: int


class EarlierLoads:
    """The loads of one entity of one source, those of the run included as they are added."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, entity: str) -> None:
        rows = connection.execute(
            "select load_id, source_file, content_sha256, mapping_sha256, "
            "coalesce(first_loaded_at, loaded_at), coalesce(first_load_id, load_id), "
            "contents_before_erasures from raw.loads "
            "where source = ? and entity = ? order by load_id",
            [source, entity],
        ).fetchall()
        loads = [Loaded(*row[:-1]) for row in rows]
        self._rewritten = {
            before: load.content
            for load, row in zip(loads, rows, strict=True)
            for before in (row[-1] or "").split()
        }
        self._of_file = {one.source_file: one for one in loads}
        self._of_content = {one.content: one for one in loads}
        self._last = loads[-1] if loads else None

    def __bool__(self) -> bool:
        return bool(self._of_content)

    def known_as(self, content: str) -> str:
        """Return a content's hash, of one that was rewritten to forget people that of the new one.

        The file as it was may still be there, where `forget` was killed, or be put back. It brings
        nothing that is not known, and as news it would win over what corrected it since.
        """
        return self._rewritten.get(content, content)

    def equal_to(self, source_file: str, content: str, mapping: str) -> Loaded | None:
        """Find the load that makes a file's content no news.

        A file goes by what it held last, so that a change and its reversal both load; one of a new
        name may be a copy of another.
        """
        last = self._of_file.get(source_file)
        for one in [last] if last else self._of_file.values():
            if (one.content, one.mapping) == (content, mapping):
                return one
        return None

    def read_before(self, source_file: str, content: str, mapping: str) -> Loaded | None:
        """Find the load of a content that another mapping read: it is the same version, mended.

        A file that this mapping has read already and that holds an earlier content again brings a
        change taken back, which is news.
        """
        newest = self._of_file.get(source_file)
        if newest and newest.mapping == mapping:
            return None
        last = self._of_content.get(content)
        return last if last and last.mapping != mapping else None

    def was_read_otherwise(self, mapping: str) -> bool:
        """Whether the last load went by another mapping, so that it has changed since."""
        return self._last is not None and self._last.mapping != mapping

    def add(self, load: Loaded) -> None:
        """Take a load of this run into account."""
        self._of_file[load.source_file] = load
        self._of_content[load.content] = load
