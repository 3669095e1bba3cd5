"""Records: what a kernel scored on each vector, with the digest of the code that ran."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.golden.files import FORMAT_VERSION, json_lines, read_json, write_file
from conformance.golden.manifest import RECORDS
from conformance.kernel import LoadedKernel
from conformance.verdict.verdict import Verdict

SCHEMA = Path(__file__).with_name("record_schema.json")
Figure = float | None
"""None for a statistic that was not computed."""
FIGURES = ("ratio", "z_max", "z_rms", "slope_z")
DIGITS = 4
TIMES = 2.0
"""A kernel may use this many times the ratio that it used when it was recorded: a ratchet beside
the bound, with room for another order of sums."""


@dataclass(frozen=True, kw_only=True)
class RecordedRatios:
    """What a kernel scored on one vector.

    Attributes
    ----------
    vector : str
        sha256 of the tensors that it was measured on.
    tensors : name -> {"ratio", "z_max", "z_rms", "slope_z"}
    """

    vector: str
    tensors: Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A kernel on a toolchain.

    Attributes
    ----------
    kernel, spec, toolchain : str
    digest : str
        Which code ran.
    scores : by the vectors' names
    declined : vector -> why
    """

    kernel: str
    spec: str
    toolchain: str
    digest: str
    scores: Mapping[str, RecordedRatios] = field(default_factory=dict)
    declined: Mapping[str, str] = field(default_factory=dict)


def path_of(folder: Path, kernel: LoadedKernel) -> Path:
    """The file of a kernel's record in a set's folder."""
    names = (kernel.name, kernel.toolchain)
    plain = (re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") for name in names)
    return folder / RECORDS / f"{'--'.join(plain)}.json"


def read(folder: Path, kernel: LoadedKernel) -> Record | None:
    """A kernel's record; None if there is none.

    Raises
    ------
    GoldenError
        If its file is malformed, or of another version.
    """
    path = path_of(folder, kernel)
    return load(path) if path.exists() else None


def load(path: Path) -> Record:
    """The record in a file.

    Raises
    ------
    GoldenError
        If it is malformed, or of another version.
    """
    document = read_json(path, SCHEMA)
    del document["format_version"]
    scores = {
        key: RecordedRatios(vector=score["vector"], tensors=_each(_number, score["tensors"]))
        for key, score in document.pop("scores").items()
    }
    return Record(scores=scores, **document)


def _each(
    function: Callable[[Any], Any], tensors: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {
        tensor: {name: function(figure) for name, figure in figures.items()}
        for tensor, figures in tensors.items()
    }


def _number(figure: float | str | None) -> Figure:
    return None if figure is None else float(figure)


def _plain(figure: Figure) -> float | str | None:
    return figure if figure is None or math.isfinite(figure) else str(figure)


def save(folder: Path, kernel: LoadedKernel, record: Record) -> Path:
    """Write a kernel's record, at once; its path."""
    document = {
        "format_version": FORMAT_VERSION,
        "kernel": record.kernel,
        "spec": record.spec,
        "toolchain": record.toolchain,
        "digest": record.digest,
        "scores": {
            key: {"vector": score.vector, "tensors": _each(_plain, score.tensors)}
            for key, score in sorted(record.scores.items())
        },
        "declined": dict(sorted(record.declined.items())),
    }
    path = path_of(folder, kernel)
    write_file(path, (json_lines(document, depth=4) + "\n").encode())
    return path


def figures(verdict: Verdict) -> dict[str, dict[str, Figure]]:
    """The figures of each tensor of a verdict that passed, to four digits."""
    return {
        score.name: {name: _short(getattr(score, name)) for name in FIGURES}
        for score in verdict.tensors
    }


def _short(figure: Figure) -> Figure:
    return None if figure is None else float(f"{figure:.{DIGITS}g}")


def beyond(verdict: Verdict, recorded: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """One line for each tensor that uses more than twice its recorded ratio."""
    return [
        f"{score.name}: uses {score.ratio:.3g} of its bound, and {old:.3g} when it was recorded: "
        f"at most {TIMES:g} times that"
        for score in verdict.tensors
        if score.name in recorded
        and (old := recorded[score.name]["ratio"]) is not None
        and not score.ratio <= TIMES * old
    ]


def moved(old: Record | None, new: Record) -> list[str]:
    """Old -> new for each vector on which a kernel scores otherwise."""
    if old is None:
        return []
    keys = sorted(old.scores.keys() | new.scores.keys())
    changed = [(key, old.scores.get(key), new.scores.get(key)) for key in keys]
    return [
        f"{key}: {_move(before, after)}"
        for key, before, after in changed
        if (before and before.tensors) != (after and after.tensors)
    ]


def _move(before: RecordedRatios | None, after: RecordedRatios | None) -> str:
    if before is None or after is None:
        return "not recorded -> recorded" if before is None else "recorded -> declined"
    names = [*before.tensors, *(after.tensors.keys() - before.tensors.keys())]
    changed = [(name, before.tensors.get(name), after.tensors.get(name)) for name in names]
    return "; ".join(f"{name} {_tensor(old, new)}" for name, old, new in changed if old != new)


def _tensor(old: Mapping[str, Figure] | None, new: Mapping[str, Figure] | None) -> str:
    if old is None or new is None:
        return "not recorded -> recorded" if old is None else "recorded -> not given"
    moves = (
        f"{name} {_text(old[name])} -> {_text(new[name])}"
        for name in FIGURES
        if old[name] != new[name]
    )
    return ", ".join(moves)


def _text(figure: Figure) -> str:
    return "not computed" if figure is None else f"{figure:g}"
