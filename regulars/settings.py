"""Settings of the command line: command line over environment over settings file over defaults.

What each setting means stands once, in flows/settings.py. This module says where its value comes
from, explains wrong ones, and writes the documented settings file.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from textwrap import wrap
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from flows.settings import RefreshSettings

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
    "REGULARS_BUILD",
    "REGULARS_REAL_DATA",
    "REGULARS_SCHEDULER_PID",
    "REGULARS_WORK_FILE",
}


class InvalidSettingsError(Exception):
    """Settings that cannot be used; one line of the message for each wrong key."""


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
    written = _read_toml(file) if file else {}
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
        errors += [_explain(detail, given, file) for detail in error.errors()]
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
    lines = [
        "# Settings of Regulars. Everything here is optional: the values shown are the defaults.",
        "# Copy to regulars.toml and change what you need. Paths are relative to its folder.",
        "#",
        "# The environment wins over this file: REGULARS_WAREHOUSE=/srv/warehouse,",
        "# REGULARS_MINING__MINIMUM_SUPPORT=0.01 (two underscores between section and setting).",
        "# Options of the command line win over both. Secrets belong into the environment only.",
        "#",
        "# Written by `regulars settings --example` from flows/settings.py.",
    ]
    fields = RefreshSettings.model_fields
    for name, field in fields.items():
        if not _is_section(field):
            lines += ["", *_documented(name, field)]
    for name, field in fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            lines += ["", "", f"# {(section.__doc__ or '').strip()}", f"[{name}]"]
            for inner_name, inner in section.model_fields.items():
                lines += ["", *_documented(inner_name, inner)]
    return "\n".join(lines) + "\n"


def as_toml(settings: RefreshSettings) -> str:
    """The settings as a TOML file would say them, unset ones left out."""
    values = settings.model_dump()
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    lines = [f"{name} = {_toml(value)}" for name, value in plain.items() if value is not None]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]"]
            lines += [
                f"{key} = {_toml(value)}" for key, value in section.items() if value is not None
            ]
    return "\n".join(lines) + "\n"


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


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise InvalidSettingsError(
            f"{file}: no such settings file; `regulars settings --example > {file}` writes one"
        ) from None
    except OSError as error:
        raise InvalidSettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidSettingsError(
            f"{file}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x}"
            f" at position {error.start}; save the file as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettingsError(f"{file}: not valid TOML: {error}") from None


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
    known = [PREFIX + path.replace(".", "__").upper() for path in _paths()]
    sections = {path.split(".")[0].upper() for path in _paths() if "." in path}
    for variable in sorted(environment):
        name = variable.upper()
        section = name.removeprefix(PREFIX).split("__")[0]
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS or name in known:
            continue
        near = get_close_matches(name, known, 1, 0.9)
        if near and section not in sections:  # within a section pydantic itself complains
            yield f"environment: {variable}: no such setting" + _did_you_mean(near)


# ---------- what is wrong with it


def _explain(detail: ErrorDetails, options: Iterable[str], file: Path | None) -> str:
    path = tuple(str(part) for part in detail["loc"] if not isinstance(part, int))
    where = _where(path, options, file)
    if detail["type"] == "extra_forbidden":
        # by its own name, wherever it belongs: a key may stand in the wrong section
        known = {one.split(".")[-1]: one for one in [*RefreshSettings.model_fields, *_paths()]}
        full = [known[one] for one in get_close_matches(path[-1], known, 1)]
        return f"{where}: no such setting" + _did_you_mean(full)
    if SecretStr in get_args(_field(path).annotation):
        return f"{where}: expected {_expected(_field(path))}; its value, a secret, is not shown"
    found = json.dumps(detail["input"], default=str, ensure_ascii=False)
    if isinstance(detail["input"], Decimal):
        found = str(detail["input"])
    return f"{where}: expected {_expected(_field(path))}, found {found}"


def _did_you_mean(names: Iterable[str]) -> str:
    return "".join(f"; did you mean {name}?" for name in list(names)[:1])


def _field(path: tuple[str, ...]) -> FieldInfo:
    field = RefreshSettings.model_fields[path[0]]
    section = field.annotation
    if len(path) > 1 and isinstance(section, type) and issubclass(section, BaseModel):
        return section.model_fields[path[1]]
    return field


def _expected(field: FieldInfo) -> str:
    """What a setting takes, in words: "a whole number, at least 1"."""
    if _is_section(field):
        return "a section with settings of its own"
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    kind = field.annotation if get_origin(field.annotation) in (Literal, list, None) else kinds[0]
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is list:
        return "a list of names"
    words: dict[Any, str] = {
        bool: "true or false",
        int: "a whole number",
        Decimal: "a number",
        Path: "a path",
        str: "a text",
        SecretStr: "a web address",
        date: "a date like 2026-12-31",
    }
    limits = {
        name: getattr(limit, name)
        for limit in field.metadata
        for name in ("gt", "ge", "le")
        if getattr(limit, name, None) is not None
    }
    if "gt" in limits:
        limits.pop("ge", None)
    spoken = {"gt": "above", "ge": "at least", "le": "at most"}
    return words[kind] + "".join(f", {spoken[name]} {limit}" for name, limit in limits.items())


# ---------- the fields


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _is_list(field: FieldInfo) -> bool:
    return any(get_origin(kind) is list for kind in (field.annotation, *get_args(field.annotation)))


def _path_fields() -> list[str]:
    return [
        name for name, field in RefreshSettings.model_fields.items() if field.annotation is Path
    ]


def _paths() -> list[str]:
    """Every setting's dotted name, sections themselves left out."""
    paths = []
    for name, field in RefreshSettings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            paths += [f"{name}.{inner}" for inner in section.model_fields]
        else:
            paths.append(name)
    return paths


def _documented(name: str, field: FieldInfo) -> list[str]:
    meaning = wrap(f"{field.description} ({_expected(field)})", 96)
    unset = field.default is None
    value = _EXAMPLES[name] if unset else field.default
    return [*(f"# {line}" for line in meaning), f"{'# ' if unset else ''}{name} = {_toml(value)}"]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal | date):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)
