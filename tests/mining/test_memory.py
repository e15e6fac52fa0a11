import os

import pytest

from mining import itemsets
from mining.memory import memory_limit

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def groups(folder, own, limits):
    """A folder of groups, each with the text of its limit, and the file that names our own."""
    for path, text in limits.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{text}\n")
    (folder / "own").write_text(own)
    return folder, folder / "own"


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": 2**28}, 2**28),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/a/b\n", {"a/memory.max": 2**28, "a/b/memory.max": "max"}, 2**28),
        ("0::/a/b\n", {"a/memory.max": 2**28, "a/b/memory.max": 2**27}, 2**27),
        ("0::/a/b\n", {"a/c/memory.max": 2**20}, MACHINE),
        # a container sees its own group as the root, and the host's path
        ("0::/docker/1234\n", {"memory.max": 2**28}, 2**28),
        ("5:cpu:/x\n4:memory,hugetlb:/a\n", {"memory/a/memory.limit_in_bytes": 2**28}, 2**28),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": 2**63 - 4096}, MACHINE),
        ("", {}, MACHINE),
    ],
)
def test_the_least_limit_counts(tmp_path, own, limits, expected):
    assert memory_limit(*groups(tmp_path, own, limits)) == expected


def test_without_groups_it_is_the_machine_s(tmp_path):
    assert memory_limit(tmp_path / "none", tmp_path / "none") == MACHINE


def test_itemsets_take_half_of_it(monkeypatch):
    monkeypatch.setattr(itemsets, "memory_limit", lambda: 2**20)
    assert itemsets._items_that_fit() == 2**19 // itemsets.BYTES_OF_AN_ITEM
