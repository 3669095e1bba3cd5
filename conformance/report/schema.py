"""schema.json, generated from the dataclasses: `python -m conformance.report schema`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from conformance.report.document import SCHEMA_VERSION, Report
from conformance.run.plain import hints, key, parts_of_union

FILE = Path(__file__).with_name("schema.json")
NUMBER = {
    "description": "A number; infinities and NaN are strings, because JSON has none.",
    "anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}],
}
STATISTIC = {
    "description": "A number; null if it was not computed, because errors are not independent.",
    "anyOf": [{"$ref": "#/$defs/number"}, {"type": "null"}],
}
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}

Schema = dict[str, Any]


def schema() -> Schema:
    """The JSON schema of report.json."""
    definitions: dict[str, Schema] = {"number": NUMBER, "statistic": STATISTIC}
    top = _object(Report, definitions)
    top["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    top["description"] = (
        "schema_version changes when a field changes its meaning or goes; "
        "new fields may come without it."
    )
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    head["title"] = "report.json of one conformance run"
    return head | top | {"$defs": definitions}


def text() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=1) + "\n"


def _object(kind: type, definitions: dict[str, Schema]) -> Schema:
    names = hints(kind)
    return {
        "description": (kind.__doc__ or "").splitlines()[0],
        "type": "object",
        "required": [key(name) for name in names],
        "properties": {key(name): _of(hint, definitions) for name, hint in names.items()},
    }


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of one type; dataclasses go into the definitions."""
    if get_origin(kind) is Annotated:
        base, *notes = get_args(kind)
        return _annotated(_of(base, definitions), notes)
    if parts := parts_of_union(kind):
        return {"anyOf": [_of(part, definitions) for part in parts]}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _of(get_args(kind)[0], definitions)}
    if get_origin(kind) is Mapping:
        return {"type": "object", "additionalProperties": _of(get_args(kind)[1], definitions)}
    if is_dataclass(kind):
        name = kind.__name__  # type: ignore[union-attr]
        if name not in definitions:
            definitions[name] = {}  # holds its place, in the order in which they are met
            definitions[name] = _object(kind, definitions)  # type: ignore[arg-type]
        return {"$ref": f"#/$defs/{name}"}
    if kind is type(None):
        return {"type": "null"}
    return {"type": SIMPLE[kind]} if kind in SIMPLE else {}


def _annotated(schema: Schema, notes: list[Any]) -> Schema:
    """A schema with a type's notes: a text describes it, a pair is a keyword of JSON schema."""
    for note in notes:
        if isinstance(note, str):
            schema = schema | {"description": note}
        elif note[0] == "$ref":
            schema = dict([note])
        else:
            schema = schema | dict([note])
    return schema
