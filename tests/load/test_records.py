"""Records of text files: every one found, at its physical line, whatever is in it."""

import csv
import io
import itertools
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from flows.load.mapping import FileFormat
from flows.load.reading import Workspace, read_file
from flows.load.records import LINE, Layout, number_records, raw_texts
from flows.sql_text import quote_name

TEXT = st.text(
    st.one_of(
        st.sampled_from("\"',;|\t\r\n \\𠮷é€中文x1\u3000"),
        st.characters(exclude_characters="\0", exclude_categories=("Cs",)),
    ),
    max_size=8,
)


def read_rows(path: Path, file_format: FileFormat) -> tuple[list[int], list[list[str | None]], int]:
    """Return the lines and fields that DuckDB gives, and the number of malformed records."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        reading = read_file(connection, path, path.name, file_format, Workspace(Path(folder)))
        columns = ", ".join(quote_name(name) for name in reading.types)
        rows = connection.execute(
            f"select {LINE}, {columns} from ({reading.query}) order by {LINE}"
        ).fetchall()
        assert len(rows) == reading.good
        return [row[0] for row in rows], [list(row[1:]) for row in rows], reading.malformed


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(2, 5).flatmap(
        lambda width: st.lists(
            st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=12
        )
    ),
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"]),
)
@example(
    rows=[["", ""], ["", "\n"]],
    delimiter="\t",
    quote='"',
    quoting=csv.QUOTE_MINIMAL,
    line_end="\n",
    encoding="utf-8",
)
def test_round_trip(
    tmp_path: Path,
    rows: list[list[str]],
    delimiter: str,
    quote: str,
    quoting: int,
    line_end: str,
    encoding: str,
) -> None:
    names = [f"c{number}" for number in range(len(rows[0]))]
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=line_end
    )
    writer.writerows([names, *rows])
    path = tmp_path / "random.csv"
    path.write_bytes(buffer.getvalue().encode(encoding))
    file_format = FileFormat(delimiter=delimiter, quote=quote, encoding=encoding)

    expected, lines = [], []
    with path.open(encoding=encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, quotechar=quote)
        start = 1
        for row in reader:
            if row and start > 1:
                expected.append(row)
                lines.append(start)
            start = reader.line_num + 1
    assume(expected == rows)  # the writer leaves a lone \r unquoted where lines end in \n
    with path.open(encoding=encoding, newline="") as stream:
        physical = list(stream)
    for begin, end in itertools.pairwise([*lines, len(physical) + 1]):
        # Lines that are records each, and would be one only by two stray quotes around them.
        own = physical[begin - 1 : end - 1]
        assume(len(own) <= 3 or {one.count(delimiter) for one in own} != {len(names) - 1})

    found_lines, found, malformed = read_rows(path, file_format)
    # A record of one delimiter after another is a record; one of nothing but blanks is none.
    assert malformed == 0
    assert found_lines == lines
    assert [[field or "" for field in row] for row in found] == expected

    layout = Layout.of(file_format, ",")
    texts = dict(raw_texts(path, layout, len(names), lines))
    assert list(texts) == lines
    for line, row in zip(lines, expected, strict=True):
        again = csv.reader(
            io.StringIO(texts[line], newline=""), delimiter=delimiter, quotechar=quote
        )
        assert next(again) == row


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_accounted_for(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.csv"
        path.write_bytes(b"a,b\n" + data)
        _, rows, malformed = read_rows(path, FileFormat())
        lines = (b"a,b\n" + data).decode("latin-1")
        physical = len(io.StringIO(lines, newline="").readlines()) - 1
        assert len(rows) + malformed <= physical
        if data.strip(b" \t\r\n"):
            assert len(rows) + malformed > 0


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("a,b\n1,2\n\n3,4\n", [2, 4], {}),
        ('a,b\n1,"two\nlines"\n3,4\n', [2, 4], {}),
        ('a,b\n1,5" pipe\n3,4\n', [2, 3], {}),
        ('a,b\n1,"open\n3,4\n5,6\n', [3, 4], {2: "a quote is opened and never closed"}),
        ('a,b\n1,"open\n3,4\n5,"x"\n', [3, 4], {2: "text after a closing quote"}),
        # Two stray quotes with records between them, and a text that only looks a little like it.
        (
            'a,b\n1,"x\n3,4\n5,6\n7,y"\n8,9\n',
            [3, 4, 5, 6],
            {2: "a quote is opened and never closed"},
        ),
        ('a,b\n1,"x\n3,4\n7",y\n8,9\n', [3, 4, 5], {2: "a quote is opened and never closed"}),
        ('a,b\n1,"x\n3,4\n7,y"\n8,9\n', [2, 5], {}),
        ('a,b\n1,"x\n3,4\n5\n7,y"\n8,9\n', [2, 6], {}),
        ('a,b\n1,"dear\nAnn, Bo\nand Cy, Di\nbye"\n8,9\n', [2, 6], {}),
        ('a\n"x\ny\nz\n"\nb\n', [2, 6], {}),
        ('a,b\n1,"x"y\n3,4\n', [3], {2: "text after a closing quote"}),
        (
            "a,b\n1\n2,3,4\n5,6\n",
            [4],
            {2: "has 1 fields, expected 2", 3: "has 3 fields, expected 2"},
        ),
        ("a,b\n1,\0\n3,4\n", [3], {2: "holds a NUL byte"}),
        ("a,b\r1,2\r3,4\r", [2, 3], {}),
        ("a,b\n1,2", [2], {}),
    ],
)
def test_lines_and_malformed_records(
    tmp_path: Path, text: str, good: list[int], bad: dict[int, str]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    numbered = number_records(
        path, FileFormat(), Layout.of(FileFormat(), ","), tmp_path / "numbered.csv"
    )
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select source_line, reason from '{numbered.malformed_path}' order by 1"
        ).fetchall()
    assert dict(found) == bad
    assert (numbered.good, numbered.malformed) == (len(good), len(bad))
    assert read_rows(path, FileFormat())[0] == good


def test_bytes_that_are_not_text_are_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("a,b\n1,好\n".encode() + b"2,\xff\xfe\n" + b"3,\x81\n4,5\n")
    numbered = number_records(
        path, FileFormat(), Layout.of(FileFormat(), ","), tmp_path / "numbered.csv"
    )
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select * from '{numbered.malformed_path}' order by 1"
        ).fetchall()
    reason = "holds bytes that are not utf-8 text"
    assert found == [(3, reason, r"2,\xff\xfe"), (4, reason, r"3,\x81")]
    assert numbered.good == 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_that_is_not_text_is_shown_escaped(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.csv"
    high = "\ud83d".encode(encoding, "surrogatepass")  # without the half that belongs behind it
    parts = ["a,b\n1,𠮷\n2,".encode(encoding), high, "\n3,4\n5,".encode(encoding), high[:1]]
    path.write_bytes(b"".join(parts))
    stated = FileFormat.model_validate({"encoding": encoding})
    numbered = number_records(path, stated, Layout.of(stated, ","), tmp_path / "numbered.csv")
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select source_line, reason, raw_text from '{numbered.malformed_path}' order by 1"
        ).fetchall()
    reason = f"holds bytes that are not {encoding} text"
    shown = "".join(f"\\x{byte:02x}" for byte in high)
    assert found == [(3, reason, f"2,{shown}"), (5, reason, f"5,{shown[:4]}")]
    assert numbered.good == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_mark_of_utf16_counts_more_than_a_stated_utf(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.csv"
    stated = FileFormat.model_validate({"encoding": encoding})
    for written in ("utf-16", "utf-16-be"):
        mark = b"\xfe\xff" if written == "utf-16-be" else b""
        path.write_bytes(mark + "a,b\n1,𠮷\n".encode(written))
        assert read_rows(path, stated) == ([2], [["1", "𠮷"]], 0)


def test_batches_join_seamlessly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quoted line break at the edge of a batch, and simple batches after quoted ones."""
    monkeypatch.setattr("flows.load.records.BATCH_CHARACTERS", 7)
    path = tmp_path / "x.csv"
    rows = [[str(n), f'a"b\n{n}' if n % 3 == 0 else "plain"] for n in range(50)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["k", "v"], *rows])
    lines, found, malformed = read_rows(path, FileFormat())
    assert (found, malformed) == (rows, 0)
    expected, line = [], 2
    for row in rows:
        expected.append(line)
        line += 1 + row[1].count("\n")
    assert lines == expected
    texts = dict(raw_texts(path, Layout.of(FileFormat(), ","), 2, [expected[3]]))
    assert texts == {expected[3]: '3,"a""b\n3"'}
