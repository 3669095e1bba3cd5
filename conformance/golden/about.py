"""About: what is known of a vector besides its tensors, as its file and the manifest hold it."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any

from conformance.cases.case import Case
from reference.problem import Problem

WORDS = ("id", "why", "catches", "formats", "tier", "small")  # fields of a Case that no tensor sees


@dataclass(frozen=True, kw_only=True)
class About:
    """A case in one format and with one seed, in plain values.

    Attributes
    ----------
    id, why : str
    format : str
    seed : int
    features : words of reference.problem.features, sorted
    catches : faults of conformance.cases.faults
    case : the case's fields that are not the default, but the words above
    """

    id: str
    format: str
    seed: int
    why: str
    features: list[str]
    catches: list[str]
    case: dict[str, Any]

    @property
    def key(self) -> str:
        """The vector's name: case, format, and the seed unless it is 0."""
        return key(self.id, self.format, self.seed)

    @property
    def inputs(self) -> tuple[object, ...]:
        """What decides the tensors."""
        return self.id, self.format, self.seed, json.dumps(self.case, sort_keys=True)

    def plain(self) -> dict[str, Any]:
        """The fields, as JSON holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def key(id: str, format: str, seed: int = 0) -> str:
    """The name of a vector."""
    return f"{id}-{format}" + (f"-seed{seed}" if seed else "")


def about(case: Case, format: str, seed: int, problem: Problem) -> About:
    """What is said of the problem that `case` asks in a format."""
    return About(
        id=case.id,
        format=format,
        seed=seed,
        why=case.why,
        features=sorted(problem.features),
        catches=list(case.catches),
        case=_fields(case),
    )


def _fields(case: Case) -> dict[str, Any]:
    default = Case("", "")
    given = {
        field.name: getattr(case, field.name)
        for field in fields(Case)
        if field.name not in WORDS and getattr(case, field.name) != getattr(default, field.name)
    }
    plain: dict[str, Any] = json.loads(json.dumps(given))  # tuples become lists
    return plain


def versions() -> dict[str, str]:
    """Python, and the libraries that a vector is made with."""
    libraries = {name: metadata.version(name) for name in ("numpy", "ml_dtypes", "safetensors")}
    return {"python": platform.python_version()} | libraries
