"""What was loaded of an entity before: which contents are known, and since when they count.

A mended mapping reads known files anew. They then count as of the moment when their content first
came, and in the order in which they came: else a mend would make stale orders win over newer ones,
and end the history of every member on the night of the mend.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from flows.load.contract import MEMBER_ENTITIES


@dataclass(frozen=True)
class Loaded:
    """One load of an entity.

    Attributes:
        load_id: of raw.loads.
        source_file: relative to the landing folder.
        content: the hash of the file.
        joined: the hash of the files joined to it; None: none are.
        mapping: the hash of what the mapping said of it.
        delivered_at: when the content first came.
        delivery_id: of raw.loads, as which it first came.
    """

    load_id: int
    source_file: str
    content: str
    joined: str | None
    mapping: str
    delivered_at: datetime
    delivery_id: int


class EarlierLoads:
    """The loads of one entity of one source, those of the run included as they are added.

    Args:
        connection: to the work file.
        source: the source.
        entity: the entity.
        is_full_list: whether each of its files lists all that there is.
        files: the entity's files of today.
        held: file to the hash of what it held when the source was loaded last, files of other
            entities too; empty where nobody knows, as on the night after a restore.
        holds: gives the hash of what a file holds today; None: it is gone.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        entity: str,
        *,
        is_full_list: bool,
        files: Collection[str],
        held: Mapping[str, str],
        holds: Callable[[str], str | None],
    ) -> None:
        rows = connection.execute(
            "select load_id, source_file, content_sha256, joined_sha256, mapping_sha256, "
            "coalesce(first_loaded_at, loaded_at), coalesce(first_load_id, load_id), "
            "contents_before_erasures from raw.loads "
            "where source = ? and entity = ? order by load_id",
            [source, entity],
        ).fetchall()
        self._says_what_is_so_now = is_full_list or entity in MEMBER_ENTITIES
        self._last: Loaded | None = None
        self._of_file: dict[str, list[Loaded]] = {}
        self._of_content: dict[str, list[Loaded]] = {}
        self._rewritten: dict[str, str] = {}
        for row in rows:
            self.add(load := Loaded(*row[:-1]))
            self._rewritten |= dict.fromkeys((row[-1] or "").split(), load.content)
        # Of a table, and of a file that was away for a while, the last load knows.
        last = {
            file: loads[-1].content
            for file, loads in self._of_file.items()
            if file in files or not held
        }
        self._held = {file: self.known_as(content) for file, content in {**last, **held}.items()}
        self._holders: dict[str, list[str]] = {}
        for file, content in self._held.items():
            self._holders.setdefault(content, []).append(file)
        self._holds = holds

    def __bool__(self) -> bool:
        return self._last is not None

    def known_as(self, content: str) -> str:
        """Return a content's hash, of one that was rewritten to forget people that of the new one.

        The file as it was may still be there, where `forget` was killed, or be put back. It brings
        nothing that is not known, and as news it would win over what corrected it since.
        """
        return self._rewritten.get(content, content)

    def told_by(self, source_file: str, content: str, mapping: str) -> Loaded | None:
        """Find the load that makes a file's content no news; what is joined to it is not looked at.

        A file goes by what it held last, so that a change and its reversal both load. Under a new
        name a known content is no news where it was moved, or is what came last of all. Else it is
        a copy of an earlier one: a list says by it what is so now, as it was before, but orders
        and events only repeat themselves.
        """
        known = self.readings_of(content, mapping)
        if not known or self._last is None:
            return None
        is_told = (
            self._held.get(source_file) == content
            or self._was_moved(content)
            or self._last.content == content
            or not (source_file in self._held or self._says_what_is_so_now)
        )
        own = [one for one in known if one.source_file == source_file]
        return (own or known)[-1] if is_told else None

    def read_before(self, source_file: str, content: str, mapping: str) -> Loaded | None:
        """Find the load of a content that another mapping read: it is the same version, mended.

        A file that this mapping has read already and that holds an earlier content again brings a
        change taken back, which is news.
        """
        own = self._of_file.get(source_file)
        if own and own[-1].mapping == mapping:
            return None
        same = self._of_content.get(content)
        return same[-1] if same and same[-1].mapping != mapping else None

    def place_of(self, source_file: str, content: str, mapping: str) -> int | None:
        """Return the delivery in whose place a known file is read anew; None: it is news."""
        if self.told_by(source_file, content, mapping):
            return self.readings_of(content, mapping)[0].delivery_id
        before = self.read_before(source_file, content, mapping)
        return before.delivery_id if before else None

    def readings_of(self, content: str, mapping: str) -> list[Loaded]:
        """Return the loads of a content since a mapping reads it, those under other names too."""
        return _since(mapping, self._of_content.get(content, []))

    def readings_of_file(self, source_file: str, mapping: str) -> list[Loaded]:
        """Return the loads of a file since a mapping reads it, whatever it held."""
        return _since(mapping, self._of_file.get(source_file, []))

    def was_read_otherwise(self, mapping: str) -> bool:
        """Whether the last load went by another mapping, so that it has changed since."""
        return self._last is not None and self._last.mapping != mapping

    def add(self, load: Loaded) -> None:
        """Take a load of this run into account."""
        self._last = load
        self._of_file.setdefault(load.source_file, []).append(load)
        self._of_content.setdefault(load.content, []).append(load)

    def _was_moved(self, content: str) -> bool:
        """Whether a file that held the content last holds something else now, or is gone."""
        return any(
            self.known_as(self._holds(file) or "") != content
            for file in self._holders.get(content, ())
        )


def _since(mapping: str, loads: list[Loaded]) -> list[Loaded]:
    others = [place for place, one in enumerate(loads, 1) if one.mapping != mapping]
    return loads[others[-1] if others else 0 :]
