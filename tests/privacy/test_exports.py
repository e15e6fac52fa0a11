"""An export that is written while its person is forgotten does not stay behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.privacy import look_ups, person
from flows.privacy.look_ups import forget_look_ups
from flows.publish.versions import current_version, version_folder
from tests.privacy.conftest import Regulars

CUSTOMER = "shop:BOB8"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Callable[[], Any]], None]:
    """Have something happen right before a function of a module is called."""

    def happen(module: Any, name: str, event: Callable[[], Any]) -> None:
        function = getattr(module, name)

        def after_it(*arguments: Any) -> Any:
            event()
            return function(*arguments)

        monkeypatch.setattr(module, name, after_it)

    return happen


def export(regulars: Regulars, shop: Path) -> Any:
    return regulars(
        shop, "person", CUSTOMER, "--export", "bob.json", "--warehouse", str(shop / "warehouse")
    )


def test_an_export_is_there_before_it_is_on_record(
    copied: Path, regulars: Regulars, at: Any
) -> None:
    """So `forget` finds it, whenever it looks."""
    at(person, "holdings", lambda: forget_look_ups(copied / "warehouse", {CUSTOMER}))
    said = export(regulars, copied)
    assert said.exit_code == 1
    assert "was removed while it was written" in " ".join(said.stderr.split())
    assert not (copied / "bob.json").exists()
    (one,) = look_ups.look_ups(copied / "warehouse")
    assert (one.customer_id, one.path) == ("erased", None)


@pytest.mark.parametrize("arguments", [(), ("--export", "bob.json"), ("--export", "-")])
def test_nothing_is_shown_of_a_version_that_is_gone(
    copied: Path, regulars: Regulars, at: Any, arguments: tuple[str, ...]
) -> None:
    """`forget` removes versions, then reads the record: who comes on record later must look."""
    warehouse = copied / "warehouse"
    version = version_folder(warehouse, str(current_version(warehouse)))
    aside = warehouse / "aside"
    at(look_ups, "record_look_up", lambda: version.rename(aside))
    try:
        said = regulars(copied, "person", CUSTOMER, *arguments, "--warehouse", str(warehouse))
    finally:
        aside.rename(version)
    assert said.exit_code == 1
    assert "try again" in said.stderr
    assert "Bob" not in said.stdout
    assert not (copied / "bob.json").exists()


def test_an_export_is_whole_and_its_users_alone(copied: Path, regulars: Regulars) -> None:
    said = export(regulars, copied)
    assert said.exit_code == 0, said.stderr
    file = copied / "bob.json"
    assert '"bob@mail.example"' in file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert export(regulars, copied).exit_code == 1  # and it is never replaced
    file.unlink()
    nobody = regulars(
        copied,
        *("person", "shop:nobody", "--export", "bob.json"),
        *("--warehouse", str(copied / "warehouse")),
    )
    assert "no customer 'shop:nobody'" in nobody.stderr
    assert not file.exists()
