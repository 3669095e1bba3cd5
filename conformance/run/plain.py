"""Dataclasses as JSON holds them, there and back; a field's last underscore is not in its key."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Made = TypeVar("Made")


def to_json(value: object) -> Any:
    """`value` as dicts, lists, numbers and strings: inf, -inf and nan are strings."""
    if is_dataclass(value):
        return {key(one.name): to_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def from_json(kind: type[Made], value: object) -> Made:
    """The `kind` of dataclass that `value`, made by to_json, stands for.

    Raises
    ------
    ValueError
        A field is missing, or there is one that the dataclass does not have.
    """
    return cast(Made, _made(kind, value))


def key(name: str) -> str:
    """A field's name in JSON."""
    return name.removesuffix("_")


@cache
def hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, with what Annotated adds."""
    return get_type_hints(kind, include_extras=True)


def parts_of_union(kind: Any) -> tuple[Any, ...]:
    """The types of which `kind` is a union; empty if it is none."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else ()


def _made(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _made(get_args(kind)[0], value)
    if parts := parts_of_union(kind):
        return None if value is None else _made(parts[0], value)
    if is_dataclass(kind):
        return _dataclass(cast(type, kind), value)
    if get_origin(kind) is tuple:
        return tuple(_made(get_args(kind)[0], part) for part in value)
    if get_origin(kind) is Mapping:
        return {name: _made(get_args(kind)[1], part) for name, part in value.items()}
    return float(value) if kind is float else value


def _dataclass(kind: type, value: Mapping[str, Any]) -> Any:
    names = {key(name): (name, hint) for name, hint in hints(kind).items()}
    if unknown := value.keys() - names.keys():
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{names[at][0]: _made(names[at][1], part) for at, part in value.items()})
    except TypeError as error:
        raise ValueError(str(error)) from None
