"""Take people out of the files of the landing folder, so that no later load finds them there.

A record that is a person's alone goes. A record that holds money stays: it names `erased` instead
of the person, or a stand-in where its key is made of the person's id, and of its other fields only
those that the money needs keep their value. All other records stay as they are, byte for byte.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from flows.leftovers import remove_leftover
from flows.load.landing import FileState, LandingError, content_sha256
from flows.load.mapping import Mapping
from flows.load.reading import Workspace
from flows.privacy.erasures import erasure_key, needs_stand_ins, stand_in
from flows.privacy.file_plans import (
    Use,
    contents_of,
    databases_of,
    joined_contents,
    plan_file,
    uses_of,
)
from flows.privacy.file_rewriting import write_parquet, write_text
from flows.privacy.file_search import find_in_files
from flows.privacy.journal import ErasurePlan
from flows.privacy.traits import others_traits
from flows.publish.versions import sync_folder

_NOTHING: Final = hashlib.sha256().hexdigest()  # of an empty file, which no reader takes
_SUFFIX: Final = ".forgetting"
_TRIES: Final = 3  # to find all files of a source at rest


class LandingChangedError(Exception):
    """Files changed while they were rewritten, or could not be replaced: those are as they were."""


@dataclass(frozen=True)
class _Rewritten:
    """A file written anew beside the old one, whose place it does not have yet."""

    path: Path
    new: Path
    old: FileState | None  # before it was read


@dataclass(frozen=True)
class NewContent:
    """What a file holds since it was rewritten.

    Attributes:
        sha256: its hash.
        moves: line of an old record, and by how much all records after it have moved since.
    """

    sha256: str
    moves: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Rewriting:
    """A source's files without some people, written beside the old ones.

    Attributes:
        rewritten: the files, relative to the landing folder.
        files: the same, to be put in their places or discarded.
        left: what still holds them, or may, and why it was left as it is.
        new_contents: (entity, hash of what a file held) to what it holds now.
    """

    rewritten: tuple[str, ...]
    files: tuple[_Rewritten, ...]
    left: tuple[str, ...]
    new_contents: dict[tuple[str, str], NewContent]

    def put_in_place(self) -> None:
        """Let the new files take the places of the old ones, each in one rename.

        Raises:
            LandingChangedError: names the old files that changed meanwhile, or could not be
                replaced; they stay, and all others are in place.
        """
        left = []
        try:
            for file in self.files:
                if _state(file.path) != file.old:
                    left.append(f"{file.path} changed while it was rewritten")
                    continue
                try:
                    file.new.replace(file.path)
                    sync_folder(file.path.parent)
                except OSError as error:
                    left.append(f"{file.path} cannot be replaced: {error.strerror}")
        finally:
            self.discard()
        if left:
            raise LandingChangedError("; ".join(left))

    def discard(self) -> None:
        """Remove the new files that did not take their places."""
        for file in self.files:
            file.new.unlink(missing_ok=True)


def remove_unplaced(landing: Path, source: str) -> None:
    """Remove a source's files that were written anew and did not take their places, if any."""
    for leftover in (landing / source).rglob(f".*{_SUFFIX}"):
        remove_leftover(leftover)


def rewrite_landing(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    people: ErasurePlan,
    folder: Path,
) -> Rewriting:
    """Take people out of all files of a source.

    Each file is written anew beside the old one and takes its place in one rename. Where the source
    changes one meanwhile, all are read again.

    Args:
        connection: to read files with; of its database, only the key of erasures may be made.
        mapping: the source.
        landing: the folder that holds one folder for each source.
        people: who they are, and what they are found by; files that still hold a name, an address
            or a number of theirs are `left`, and those that nobody can look into.
        folder: an existing one, for temporary files.

    Raises:
        LandingError: a file that a mapping names cannot be read.
        LandingChangedError: a file changes again and again.
    """
    for tries_left in reversed(range(_TRIES)):
        uses = uses_of(mapping, landing)
        states = {path: _state(path) for path in uses}
        try:
            # A workspace of its own for each try: it remembers what was read.
            with TemporaryDirectory(dir=folder) as fresh:
                workspace = Workspace(Path(fresh))
                rewriting = _rewrite(connection, mapping, landing, people, workspace, uses, states)
        except (LandingError, OSError, duckdb.Error):
            changed = _changed(mapping, landing, states)
            if changed is None:  # else half a file says nothing of the whole
                raise
        else:
            changed = _changed(mapping, landing, states)
            if changed is None:
                return rewriting
            rewriting.discard()
        if not tries_left:
            raise LandingChangedError(f"{changed} changed while it was rewritten")
    raise AssertionError("the last try returns or raises")


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    people: ErasurePlan,
    workspace: Workspace,
    uses: dict[Path, list[Use]],
    states: dict[Path, FileState | None],
) -> Rewriting:
    """Rewrite as `rewrite_landing` does, once; `states` are of the files before."""
    remove_unplaced(landing, mapping.source)
    hashes = {path: content_sha256(path) for path in uses}
    before = contents_of(mapping, landing, hashes)
    known = {*before.values(), *joined_contents(mapping, landing, hashes)}
    stand_ins = {one: stand_in(erasure_key(connection), mapping.source, one) for one in people.ids}
    lines_rejected: dict[str, set[int]] = {}
    for sha256, file, line in people.rejected:
        if sha256 in known:  # else the line is another's by now
            lines_rejected.setdefault(file, set()).add(line)

    left = databases_of(mapping)
    files: list[_Rewritten] = []
    moves: dict[Path, tuple[tuple[int, int], ...]] = {}
    try:
        for path, ways in uses.items():
            if hashes[path] == _NOTHING:
                continue
            source_file = path.relative_to(landing).as_posix()
            plan = plan_file(connection, mapping, landing, path, ways, people.ids, workspace)
            plan.rejected = lines_rejected.get(source_file, set()) - plan.people.keys()
            if any(needs_stand_ins(use.entity, use.stated) for use in ways):
                plan.stand_ins = stand_ins
            if not plan.is_needed:
                continue
            write = {"csv": write_text, "json": write_text, "parquet": write_parquet}.get(
                plan.reading.kind
            )
            if path.is_symlink():
                left.append(
                    f"{source_file}: a link; rewrite the file that it points at, {path.readlink()}"
                )
            elif write is None:
                left.append(f"{source_file}: {plan.reading.kind} files are not rewritten")
            else:
                new = _write_beside(path, partial(write, plan))
                files.append(_Rewritten(path, new, states[path]))
                hashes[path] = content_sha256(new)
                moves[path] = tuple(plan.moves)
    except BaseException:
        for done in files:
            done.new.unlink()
        raise
    after = contents_of(mapping, landing, hashes)
    new_contents = {
        (entity, before[entity, path]): NewContent(new, moves[path])
        for (entity, path), new in after.items()
        if before.get((entity, path), new) != new
    }
    rewritten = tuple(one.path.relative_to(landing).as_posix() for one in files)
    listed = {*rewritten, *(one.partition(":")[0] for one in left)}
    # What is written anew may name them too, in another's record.
    own_names = {
        one.new.relative_to(landing).as_posix(): name
        for one, name in zip(files, rewritten, strict=True)
    }
    left += [
        f"{own_names.get(file, file)}: {why}"
        for file, why in find_in_files(
            landing,
            landing / mapping.source,
            people.traits,
            others_traits(connection, mapping.source, people.ids, people.traits),
            uses.keys() | {one.new for one in files},
        )
        if file not in listed
    ]
    return Rewriting(rewritten, tuple(files), tuple(left), new_contents)


def _state(path: Path) -> FileState | None:
    """Look at a file; None where it is gone."""
    try:
        return FileState.of(path)
    except FileNotFoundError:
        return None


def _changed(mapping: Mapping, landing: Path, states: dict[Path, FileState | None]) -> Path | None:
    """Return a file that is not in the state it was in, or was not there; None where all are."""
    paths = sorted(states.keys() | set(uses_of(mapping, landing)))
    return next((one for one in paths if one not in states or _state(one) != states[one]), None)


def _write_beside(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a file anew beside the old one, hidden from loads, with its owner and mode.

    Where this user may not give the new file to the owner of the old one, it stays this user's.
    """
    new = path.with_name(f".{path.name}{_SUFFIX}")
    before = path.stat()
    try:
        new.touch(mode=0o600, exist_ok=False)
        write(new)
        for owner, group in ((before.st_uid, -1), (-1, before.st_gid)):
            with suppress(PermissionError):
                os.chown(new, owner, group)
        shutil.copymode(path, new)
        with new.open("rb") as stream:
            os.fsync(stream.fileno())
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return new
