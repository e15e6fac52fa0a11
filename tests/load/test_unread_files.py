"""Files of the landing folder that nothing reads: all of them are found, and no others."""

from collections.abc import Callable
from pathlib import Path

from flows.load.mapping import Mapping
from flows.load.unread_files import unmapped_folders, unread_files
from tests.load.conftest import SHOP

Read = Callable[[str], Mapping]


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a\n1\n")


def test_files_that_no_entity_reads(landing: Path, read_mapping: Read) -> None:
    write(landing / "shop", "lines_1.csv", "export-2.csv", "old/lines_0.csv", "heads.csv")
    mapping = read_mapping(SHOP + "    join: {files: heads.csv, on: order}\n")
    assert unread_files(mapping, landing) == ["export-2.csv", "old/lines_0.csv"]
    write(landing / "shop", ".hidden.csv", ".git/x.csv", "a.csv.part", "b.tmp", "~$lines.xlsx")
    assert unread_files(mapping, landing) == ["export-2.csv", "old/lines_0.csv"]


def test_a_database_whose_tables_are_read_is_no_unread_file(
    landing: Path, read_mapping: Read
) -> None:
    write(landing / "shop", "till.db", "till.db-wal", "till.db-shm", "other.db")
    mapping = read_mapping(SHOP.replace("files: lines*", "table: {sqlite: till.db, name: lines}"))
    assert unread_files(mapping, landing) == ["other.db"]


def test_a_folder_that_is_not_there_has_none(landing: Path, read_mapping: Read) -> None:
    (landing / "shop").rmdir()
    assert unread_files(read_mapping(SHOP), landing) == []


def test_folders_with_files_but_without_a_mapping(landing: Path) -> None:
    write(landing, "web/b.csv", "web/a.csv", "shop/lines.csv", ".trash/x.csv", "wip/a.part")
    (landing / "empty").mkdir()
    assert unmapped_folders(landing, ["shop"]) == {"web": "a.csv"}
    assert unmapped_folders(landing / "none", []) == {}
