"""Settings of the command line: command line over environment over settings file over defaults.

What each setting means stands once, in flows/settings.py. This module says where its value comes
from.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from flows.settings import RefreshSettings
from regulars import settings_file
from regulars.settings_file import InvalidSettingsError, did_you_mean, explain, read_toml

DEFAULT_FILE: Final = Path("regulars.toml")
PREFIX: Final = "REGULARS_"
# Settings without a default stand in the example as comments, with these values.
_EXAMPLES: Final[dict[str, Any]] = {
    "sources": ["my_shop"],
    "as_of": date(2026, 12, 31),
    "reporting_currency": "CNY",
    "window_days": 365,
    "webhook": "https://example.org/notices",
    "group": "crm",
}
# Of the tests, of dbt and of the schedule.
_NOT_SETTINGS: Final = {
    "REGULARS_AS_SCHEDULED",
    "REGULARS_BUILD",
    "REGULARS_REAL_DATA",
    "REGULARS_SCHEDULER_PID",
    "REGULARS_SEED",
    "REGULARS_WORK_FILE",
}


class _Environment(EnvSettingsSource):
    """REGULARS_... variables; a list may be written `a,b` as well as `["a", "b"]`."""

    def prepare_field_value(
        self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool
    ) -> Any:
        if isinstance(value, str) and _is_list(field) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",") if part.strip()]
        return super().prepare_field_value(field_name, field, value, value_is_complex)


class Settings(BaseSettings, RefreshSettings):
    """`RefreshSettings`, read from where people write them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid"
    )


def load_settings(
    config: Path | None = None, options: Mapping[str, Any] | None = None
) -> RefreshSettings:
    """Settings from command line options, environment, settings file and defaults, in this order.

    Args:
        config: the settings file; None: ./regulars.toml where it exists.
        options: settings of the command line by field name; None values count as not given.

    Returns:
        Settings with absolute paths: those of the file (and the defaults beside it) are relative to
        the file's folder, those of the environment and the command line to the working folder.

    Raises:
        InvalidSettingsError: a line for each wrong key: where, which, what was expected and found.
    """
    file = config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    written = read_toml(file, "regulars settings --example") if file else {}
    folder = (file.parent if file else Path()).absolute()
    errors = list(_unknown_variables(os.environ))

    class FromEverywhere(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                InitSettingsSource(settings_cls, given),
                _Environment(settings_cls),
                InitSettingsSource(settings_cls, _anchored(written, folder)),
            )

    settings = None
    try:
        settings = FromEverywhere()
    except ValidationError as error:
        errors += [
            explain(RefreshSettings, detail, lambda path: _where(path, given, file))
            for detail in error.errors()
        ]
    except SettingsError as error:  # a section or list that is not JSON
        errors.append(f"environment: {error}; a section or a list is written as JSON")
    if errors or settings is None:
        raise InvalidSettingsError("\n".join(errors))
    plain = RefreshSettings.model_validate(settings.model_dump())
    return plain.model_copy(
        update={name: getattr(plain, name).absolute() for name in _path_fields()}
    )


def example() -> str:
    """The documented settings file: every setting, its meaning, what it takes and its default."""
    head = [
        "Settings of Regulars. Everything here is optional: the values shown are the defaults.",
        "Copy to regulars.toml and change what you need. Paths are relative to its folder.",
        "",
        "The environment wins over this file: REGULARS_WAREHOUSE=/srv/warehouse,",
        "REGULARS_MINING__MINIMUM_SUPPORT=0.01 (two underscores between section and setting).",
        "Options of the command line win over both. Secrets belong into the environment only.",
        "",
        "Written by `regulars settings --example` from flows/settings.py.",
    ]
    return settings_file.example(RefreshSettings, head, _EXAMPLES)


# ---------- where a value came from


def _where(path: tuple[str, ...], options: Iterable[str], file: Path | None) -> str:
    """The place that a setting was written in, as its writer knows it."""
    if path[0] in options:
        return "--" + {"sources": "source"}.get(path[0], path[0]).replace("_", "-")
    variables = {name.upper() for name, value in os.environ.items() if value}
    for length in range(len(path), 0, -1):  # REGULARS_MINING__MAXIMUM_ITEMS, REGULARS_MINING
        if (variable := PREFIX + "__".join(path[:length]).upper()) in variables:
            return f"environment: {variable}"
    return f"{file}: {'.'.join(path)}"


def _anchored(written: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The file's values with paths, and the defaults of paths, relative to its folder."""
    anchored = dict(written)
    for name in _path_fields():
        value = anchored.get(name, RefreshSettings.model_fields[name].default)
        if isinstance(value, str | Path):
            anchored[name] = folder / value
    return anchored


def _unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """Variables that are spelled almost like a setting.

    Other names with our prefix are left alone: they may be secrets or belong to other programs.
    """
    paths = settings_file.paths(RefreshSettings)
    known = [PREFIX + path.replace(".", "__").upper() for path in paths]
    sections = {path.split(".")[0].upper() for path in paths if "." in path}
    for variable in sorted(environment):
        name = variable.upper()
        section = name.removeprefix(PREFIX).split("__")[0]
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS or name in known:
            continue
        near = get_close_matches(name, known, 1, 0.9)
        if near and section not in sections:  # within a section pydantic itself complains
            yield f"environment: {variable}: no such setting" + did_you_mean(near)


def _is_list(field: FieldInfo) -> bool:
    return any(get_origin(kind) is list for kind in (field.annotation, *get_args(field.annotation)))


def _path_fields() -> list[str]:
    return [
        name for name, field in RefreshSettings.model_fields.items() if field.annotation is Path
    ]
