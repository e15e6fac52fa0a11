"""Broken records in files that grow block by block, in the nights as in the history."""

import numpy as np
import pyarrow as pa
import pytest

from regulars.generated_shop.files import Content, Files, Style, blocks_of
from regulars.generated_shop.settings import ShopSettings
from tests.generated_shop.landing_files import broken_lines

RATE = 0.005
NIGHTS = 1
STYLES = {
    "utf-8": Style(has_malformed=True),
    "gb18030": Style(encoding="gb18030", has_malformed=True),
    "utf-16": Style(delimiter="\t", ending="txt", encoding="utf-16-le", has_malformed=True),
    "json": Style("json", "jsonl", has_malformed=True),
}


def written(folder, style, *, rows, chunks, seed=1):
    """A file for the history and for each night, each chunk with `rows` rows in each of them."""
    settings = ShopSettings(customers=1, nights=NIGHTS, malformed_rate=RATE)
    random = np.random.default_rng(seed)
    files = Files(folder)
    night = np.repeat(np.arange(NIGHTS + 1), rows)
    for chunk in range(chunks):
        key = pa.array([f"{chunk}-{number}" for number in range(len(night))])
        table = pa.table({"key": key, "name": pa.array(["王小明"] * len(key)), "n": night})
        for block in blocks_of(Content("till", "sales", style, table, night), settings, random):
            files.append(block)
    files.close()
    return files


@pytest.mark.parametrize("name", STYLES)
def test_small_blocks_make_files_with_their_share_of_broken_records(tmp_path, name):
    """A night's file is made of many small blocks: the limit is one in 25 of the whole file."""
    style = STYLES[name]
    files = written(tmp_path, style, rows=20, chunks=50)
    assert len(files.records) == NIGHTS + 1
    delimiter = None if style.kind == "json" else style.delimiter
    encoding = "utf-16" if name == "utf-16" else style.encoding
    for path, records in files.records.items():
        told = [line for file, line, _ in files.malformed if file == path]
        assert told == broken_lines(tmp_path / path, encoding, delimiter)
        assert records == 20 * 50 + len(told)
        assert 0 < len(told) < 15  # 5 on average
    kinds = {kind for _, _, kind in files.malformed}
    assert kinds == ({"too few fields"} if name == "json" else {"too few fields", "no key"})


def test_no_file_has_more_than_one_in_twenty_five(tmp_path):
    most = 0
    for number in range(60):
        files = written(tmp_path / str(number), STYLES["utf-8"], rows=12, chunks=3, seed=number)
        for path in files.records:
            broken = sum(file == path for file, _, _ in files.malformed)
            assert broken <= 36 // 25
            most = max(most, broken)
    assert most == 1
