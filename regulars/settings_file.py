"""A settings file of whatever settings there are: read it, explain it, write a documented one.

What each setting means stands once, in its model. These functions take the model: a pydantic model
of fields and of sections, which are models themselves.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from inspect import cleandoc
from pathlib import Path
from textwrap import wrap
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


class InvalidSettingsError(Exception):
    """Settings that cannot be used; one line of the message for each wrong key."""


# ---------- the file


def read_toml(file: Path, example_command: str) -> dict[str, Any]:
    """The keys and values of a TOML file, numbers with a point as decimals.

    Args:
        file: to read.
        example_command: what writes a documented one, told where the file is not there.

    Raises:
        InvalidSettingsError: naming the file and what is wrong with it.
    """
    try:
        return tomllib.loads(_read_text(file, example_command), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettingsError(f"{file}: not valid TOML: {error}") from None


def read_json(file: Path, example_command: str) -> dict[str, Any]:
    """The keys and values of a JSON object, as of `read_toml`."""
    try:
        written = json.loads(_read_text(file, example_command), parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InvalidSettingsError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(written, dict):
        raise InvalidSettingsError(
            f"{file}: expected an object with settings, found {_found(written)}"
        )
    return written


def _read_text(file: Path, example_command: str) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise InvalidSettingsError(
            f"{file}: no such settings file; `{example_command} > {file}` writes one"
        ) from None
    except OSError as error:
        raise InvalidSettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidSettingsError(
            f"{file}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x}"
            f" at position {error.start}; save the file as UTF-8"
        ) from None


def example(model: type[BaseModel], head: Sequence[str], values: Mapping[str, Any]) -> str:
    """A documented settings file: every setting, its meaning, what it takes and its default.

    Args:
        model: the settings.
        head: lines at its beginning, without the mark of a comment.
        values: of settings without a default, which stand there as comments.
    """
    lines = [f"# {line}".rstrip() for line in head]
    for name, field in model.model_fields.items():
        if section_of(field) is None:
            lines += ["", *_documented(name, field, values)]
    for name, field in model.model_fields.items():
        if section := section_of(field):
            meaning = cleandoc(section.__doc__ or "").splitlines()
            lines += ["", "", *(f"# {line}".rstrip() for line in meaning), f"[{name}]"]
            for inner_name, inner in section.model_fields.items():
                lines += ["", *_documented(inner_name, inner, values)]
    return "\n".join(lines) + "\n"


def as_toml(settings: BaseModel) -> str:
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


def _documented(name: str, field: FieldInfo, values: Mapping[str, Any]) -> list[str]:
    meaning = wrap(f"{field.description} ({_expected(_annotated(field))})", 96)
    unset = field.default is None
    value = values[name] if unset else field.default
    return [*(f"# {line}" for line in meaning), f"{'# ' if unset else ''}{name} = {_toml(value)}"]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal | date):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)


# ---------- what is wrong in it


def explain(
    model: type[BaseModel], detail: ErrorDetails, where: Callable[[tuple[str, ...]], str]
) -> str:
    """One wrong setting in words: where it stands, what is expected there and what was found.

    Args:
        model: the settings.
        detail: of pydantic's error.
        where: the place that a setting was written in, as its writer knows it; of the settings
            as a whole the path is empty.
    """
    path = tuple(part for part in detail["loc"] if isinstance(part, str))
    if detail["type"] == "extra_forbidden":
        # by its own name, wherever it belongs: a key may stand in the wrong section
        known = {one.split(".")[-1]: one for one in [*model.model_fields, *paths(model)]}
        full = [known[one] for one in get_close_matches(path[-1], known, 1)]
        return f"{where(path)}: no such setting" + did_you_mean(full)
    if not path:  # of several settings together, in the model's own words
        return f"{where(path)}: {detail['ctx']['error']}"
    kind, places = _annotated(_field(model, path)), ""
    if SecretStr in get_args(_field(model, path).annotation):
        return f"{where(path)}: expected {_expected(kind)}; its value, a secret, is not shown"
    for part in detail["loc"]:
        _, is_tuple, members = _parts(kind)
        if isinstance(part, int) and is_tuple:
            kind, places = members[min(part, len(members) - 1)], f"{places}[{part}]"
    found = _found(detail["input"])
    if detail["type"] == "too_long":
        found = f"{len(detail['input'])} of them"
    return f"{where(path)}{places}: expected {_expected(kind)}, found {found}"


def did_you_mean(names: Iterable[str]) -> str:
    """The first of the names as a question; nothing where there is none."""
    return "".join(f"; did you mean {name}?" for name in list(names)[:1])


def _found(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=str, ensure_ascii=False)


# ---------- what a setting takes, in words


def _expected(kind: Any) -> str:
    """What a kind of value is called, with its limits: "a whole number, at least 1"."""
    plain, is_tuple, members = _parts(kind)
    limits = _limits(kind)
    if is_tuple:
        if Ellipsis not in get_args(plain):
            return "[" + "; ".join(map(_expected, members)) + "]"
        most = f" of at most {limits['max_length']}" if "max_length" in limits else ""
        return f"a list{most}, each {_expected(members[0])}"
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(get_args(plain))
    if get_origin(plain) is list:
        is_text = _parts(members[0])[0] is str
        return "a list of names" if is_text else f"a list, each {_expected(members[0])}"
    if isinstance(plain, type) and issubclass(plain, BaseModel):
        return "a section with settings of its own"
    words: dict[Any, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        Decimal: "a number",
        Path: "a path",
        str: "a text",
        SecretStr: "a web address",
        date: "a date like 2026-12-31",
    }
    spoken = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    said = [f", {word} {limits[name]}" for name, word in spoken.items() if name in limits]
    return words[plain] + "".join(said)


def _parts(kind: Any) -> tuple[Any, bool, list[Any]]:
    """A kind without its limits and without None, whether it is a tuple, and its members."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if NoneType in get_args(kind):
        kind = next(one for one in get_args(kind) if one is not NoneType)
    is_tuple = get_origin(kind) is tuple
    return kind, is_tuple, [one for one in get_args(kind) if one is not Ellipsis]


def _limits(kind: Any) -> dict[str, Any]:
    """The limits of a kind by their name; the nearest where there are several."""
    limits: dict[str, Any] = {}
    for one in _metadata(kind):
        for name in ("gt", "ge", "lt", "le", "max_length"):
            if getattr(one, name, None) is not None:
                limits[name] = getattr(one, name)
    if "gt" in limits:
        limits.pop("ge", None)
    if "lt" in limits:
        limits.pop("le", None)
    return limits


def _metadata(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is not Annotated:
        return
    for one in get_args(kind)[1:]:
        yield from one.metadata if isinstance(one, FieldInfo) else [one]


# ---------- the fields


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field's section; None of a plain setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def paths(model: type[BaseModel]) -> list[str]:
    """Every setting's dotted name, sections themselves left out."""
    found = []
    for name, field in model.model_fields.items():
        section = section_of(field)
        found += [f"{name}.{inner}" for inner in section.model_fields] if section else [name]
    return found


def _field(model: type[BaseModel], path: tuple[str, ...]) -> FieldInfo:
    field = model.model_fields[path[0]]
    section = section_of(field)
    return section.model_fields[path[1]] if section and len(path) > 1 else field


def _annotated(field: FieldInfo) -> Any:
    """The kind of a field with its limits, which pydantic keeps beside it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
