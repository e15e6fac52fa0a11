from pathlib import Path

import pytest

from regulars.commands.person import first_sentence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give the customer_id"),
        (["shop:1", "--record", "--export", "-"], "it exports nobody"),
    ],
)
def test_wrong_use(run, arguments: list[str], words: str) -> None:
    result = run("person", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("meaning", "sentence"),
    [
        (
            "RFM by definitions.md (R6): of\nevery customer. Grain: id.",
            "RFM by definitions.md (R6): of every customer.",
        ),
        (
            "What each is worth and,\nby 1.5 rules, will be. A 2nd.",
            "What each is worth and, by 1.5 rules, will be.",
        ),
        ("", ""),
    ],
)
def test_a_table_is_explained_by_a_whole_sentence(meaning: str, sentence: str) -> None:
    assert first_sentence(meaning) == sentence


def test_nothing_published(run) -> None:
    result = run("person", "shop:1")
    assert result.exit_code == 1
    assert "nothing is published" in result.stderr
    assert not Path("warehouse").exists()


def test_a_version_without_a_restricted_file(run, warehouse: Path) -> None:
    result = run("person", "shop:1")
    assert result.exit_code == 1
    assert "the next refresh writes one" in result.stderr
    assert not (warehouse / "look_ups").exists()


def test_an_export_never_replaces_a_file(run, warehouse: Path) -> None:
    Path("ann.json").write_text("mine")
    result = run("person", "shop:1", "--export", "ann.json")
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert Path("ann.json").read_text() == "mine"


def test_forget_asks_before(run, warehouse: Path) -> None:
    result = run("forget", "shop:1", "shop:2", typed="n\n")
    assert result.exit_code == 1
    assert "Remove shop:1, shop:2 for good" in result.stdout
    assert not (warehouse / "work").exists()


def test_forget_without_a_warehouse(run) -> None:
    result = run("forget", "shop:1", "--yes")
    assert result.exit_code == 1
    assert "nobody to forget" in result.stderr
