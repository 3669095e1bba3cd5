"""Vector: a problem, the oracle's answer and what it allows, in one safetensors file.

The file holds the problem as conformance.problem_file does, "answer.out", "answer.lse", ... as F64
and "bound.out", ... as F32. Its metadata hold "golden": what About says, the digest of the oracle
and the versions of the libraries that made it. The same content gives the same bytes.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field, fields
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from conformance.cases.case import Case
from conformance.golden.digest import oracle_digest
from conformance.problem_file import decoded, encoded, read
from conformance.verdict.verdict import STATISTICS
from reference import blockwise
from reference.bounds import error_bound
from reference.formats import FORMATS, Array
from reference.problem import Problem, Result

ANSWER, BOUND = "answer.", "bound."
SEED = 0  # of every vector's inputs
NO_INPUTS = (
    "id",
    "why",
    "catches",
    "formats",
    "tier",
    "small",
)  # fields of a Case that no tensor sees


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a vector besides its tensors, in plain values, as files hold it.

    Attributes
    ----------
    id, why : str
    format : str
    seed : int
    features : words of reference.problem.features, sorted
    catches : faults of conformance.cases.faults
    case : the case's fields that are not the default, without NO_INPUTS
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
        """The vector's name: case and format."""
        return key(self.id, self.format)

    @property
    def inputs(self) -> tuple[object, ...]:
        """What fixes the tensors' bits: id, format, seed, and the case's fields as JSON text."""
        return self.id, self.format, self.seed, json.dumps(self.case, sort_keys=True)

    def plain(self) -> dict[str, Any]:
        """The fields, as JSON holds them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def key(id: str, format: str) -> str:
    """The name of a vector."""
    return f"{id}-{format}"


def about(case: Case, format: str, problem: Problem) -> About:
    """What is known of the problem that `case` asks in a format, besides its tensors."""
    return About(
        id=case.id,
        format=format,
        seed=SEED,
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
        if field.name not in NO_INPUTS and getattr(case, field.name) != getattr(default, field.name)
    }
    plain: dict[str, Any] = json.loads(json.dumps(given))  # tuples become lists
    return plain


def versions() -> dict[str, str]:
    """Python, and the libraries that a vector is made with."""
    libraries = {name: packages.version(name) for name in ("numpy", "ml_dtypes", "safetensors")}
    return {"python": platform.python_version()} | libraries


@dataclass(frozen=True, eq=False, kw_only=True)
class Vector:
    """A problem, the oracle's answer to it, and the error that is allowed.

    Attributes
    ----------
    about : About
    problem : Problem
    answer : Result
        Float64: the oracle's, softmax_max and softmax_sum included.
    bound : Result
        Float32, rounded up: largest error of a kernel that keeps the default Contract. All of
        the answer's tensors but softmax_max and softmax_sum.
    oracle : str
        Digest of the code that made it.
    versions : of the libraries that made it
    """

    about: About
    problem: Problem
    answer: Result
    bound: Result
    oracle: str = field(default_factory=oracle_digest)
    versions: dict[str, str] = field(default_factory=versions)


def make(case: Case, format: str) -> Vector:
    """Ask the oracle.

    The bound is the float64 path's: its float32 path may be larger in the third digit, and changes
    with the machine in all of them.
    """
    problem = case.problem(FORMATS[format], seed=SEED)
    answer = blockwise.attention(problem)
    allowed = error_bound(problem, result=answer, float64=True)
    bound = Result(**{name: _up(tensor) for name, tensor in allowed.worst.tensors()})
    text = about(case, format, problem)
    return Vector(about=text, problem=problem, answer=answer, bound=bound)


def _up(worst: Array) -> Array:
    """In float32, and not smaller."""
    with np.errstate(over="ignore"):
        narrow = worst.astype(np.float32)
    return np.where(narrow < worst, np.nextafter(narrow, np.float32(np.inf)), narrow)


def content_of(vector: Vector) -> bytes:
    """The bytes of the vector's file."""
    tensors, metadata = encoded(vector.problem)
    for prefix, result in ((ANSWER, vector.answer), (BOUND, vector.bound)):
        tensors |= {prefix + name: np.ascontiguousarray(x) for name, x in result.tensors()}
    about = vector.about.plain() | {"oracle": vector.oracle, "versions": vector.versions}
    return _ordered(safetensors.numpy.save(tensors, metadata | {"golden": json.dumps(about)}))


def _ordered(written: bytes) -> bytes:
    """The same file with a sorted header: safetensors leaves the order of metadata to chance."""
    end = 8 + int.from_bytes(written[:8], "little")
    header = json.dumps(json.loads(written[8:end]), sort_keys=True, separators=(",", ":"))
    aligned = header.encode().ljust(-(-len(header) // 8) * 8)
    return len(aligned).to_bytes(8, "little") + aligned + written[end:]


def load_vector(path: Path) -> Vector:
    """The vector in a file.

    Raises
    ------
    OSError, ValueError, TypeError
        If it holds none; the text says why.
    """
    tensors, metadata = read(path)
    about = _golden_metadata(metadata)
    oracle, made_with = about.pop("oracle"), about.pop("versions")
    problem = decoded(tensors, metadata)
    shapes = {name: x.shape for name, x in problem.zeros().tensors()}
    bound = _result(tensors, BOUND, "F32", shapes)
    shapes |= dict.fromkeys(STATISTICS, problem.shape_lse)
    answer = _result(tensors, ANSWER, "F64", shapes)
    return Vector(
        about=About(**about),
        problem=problem,
        answer=answer,
        bound=bound,
        oracle=oracle,
        versions=made_with,
    )


def _golden_metadata(metadata: dict[str, str]) -> dict[str, Any]:
    if "golden" not in metadata:
        raise ValueError('it has no metadata "golden": it is a problem, and no vector')
    about: dict[str, Any] = json.loads(metadata["golden"])
    return about


def _result(
    tensors: dict[str, tuple[str, Array]],
    prefix: str,
    code: str,
    shapes: dict[str, tuple[int, ...]],
) -> Result:
    matching = {name[len(prefix) :]: at for name, at in tensors.items() if name.startswith(prefix)}
    if matching.keys() != shapes.keys():
        odd = ", ".join(prefix + name for name in sorted(matching.keys() ^ shapes.keys()))
        raise ValueError(
            f"{odd}: the problem asks for {', '.join(sorted(shapes))}, no more or less"
        )
    for name, (is_code, array) in matching.items():
        if (is_code, array.shape) != (code, shapes[name]):
            raise ValueError(
                f"{prefix}{name} is {is_code} {array.shape}: it must be {code} {shapes[name]}"
            )
    return Result(**{name: array for name, (_, array) in matching.items()})
