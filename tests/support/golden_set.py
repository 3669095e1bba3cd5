"""A set of three small vectors, for tests that spoil it."""

from __future__ import annotations

from pathlib import Path

from conformance.cases.case import Case
from conformance.golden.manifest import NAME, VECTORS
from conformance.golden.sets import Set

PLAIN = Case("plain", "two tiles", batch=1, seqlen_q=17, seqlen_k=33, head_dim=8, formats=("bf16",))
CAUSAL = Case("causal", "cut", batch=1, seqlen_q=9, head_dim=4, window=(None, 0), formats=("fp32",))
HIDDEN = Case(
    "hidden",
    "rows that see nothing, packed",
    lens_q=(5, 0, 7),
    lens_k=(9, 3, 4),
    head_dim=4,
    window=(None, 0),
    dropout=0.25,
    formats=("fp16",),
)
CASES = (PLAIN, CAUSAL, HIDDEN)


def golden_set(folder: Path, cases: tuple[Case, ...] = CASES) -> Set:
    return Set(folder=folder, cases=cases)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, by its path."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def vector_file(folder: Path, name: str) -> Path:
    """The file of a vector, by the beginning of its name."""
    (path,) = (folder / VECTORS).glob(f"{name}*")
    return path


def edit_manifest(folder: Path, old: str, new: str) -> None:
    path = folder / NAME
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
