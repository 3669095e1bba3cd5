"""export: vectors as raw tensors, with a text file of shapes, for programs without Python.

A folder for each vector holds q, k, v, ... in the problem's format, golden_out, golden_lse, ... in
float64, bound_out, ... in float32, and case.txt. Dropout comes as bits, whoever draws them.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from conformance import problem_file
from conformance.golden import layouts, manifest, raw_files
from conformance.golden.manifest import Entry
from conformance.golden.sets import Set
from conformance.golden.vector import Vector
from conformance.kernel import UsageError
from reference.formats import Array
from reference.problem import Problem

HEADER = "case.txt"


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    to.add_argument("--out", metavar="DIR", required=True, help="write DIR/CASE/q.bin, ...")
    to.add_argument(
        "--case", action="append", metavar="C", help="vector to write (all; repeatable)"
    )
    to.add_argument("--format", choices=raw_files.KINDS, default="bin", help="(bin)")
    layout = "(BSND; packed sequences are always TND)"
    to.add_argument("--layout", choices=layouts.LAYOUTS, help=layout)


def main(golden: Set, options: argparse.Namespace) -> int:
    """Write the chosen vectors into a folder; 0.

    Raises
    ------
    UsageError
        If there is no such vector, or the layout cannot hold it.
    GoldenError
        If a file of the set is not what the manifest says.
    """
    out, count = Path(options.out), 0
    for entry in chosen(golden, options.case):
        vector = manifest.load(golden.folder, entry)
        layout = options.layout or layouts.default(vector.problem)
        if layouts.fits(vector.problem, layout):
            write(vector, out / entry.key, layout=layout, kind=options.format)
            count += 1
        elif options.case:
            raise UsageError(f"--layout {layout}: {entry.key} is packed, which only TND can hold")
    print(f"{out}: {count} vectors")
    return 0


def chosen(golden: Set, names: Sequence[str] | None) -> list[Entry]:
    """The entries of these vectors, or of all.

    Raises
    ------
    UsageError
        If there is no such vector.
    """
    entries = manifest.read(golden.folder).entries
    for name in names or ():
        if name not in entries:
            near = difflib.get_close_matches(name, entries, n=3, cutoff=0.3)
            raise UsageError(f"--case {name}: there is no such vector: try {', '.join(near)}")
    return [entries[name] for name in names or entries]


def write(vector: Vector, folder: Path, *, layout: str, kind: str) -> None:
    """Write one vector's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"case {vector.about.key}", *_scalars(vector.problem), f"layout {layout}"]
    for name, array in _tensors(vector, layout):
        raw_files.write(raw_files.file_of(folder, name, kind), array)
        shape = " ".join(map(str, array.shape))
        lines.append(f"tensor {name.replace('.', '_')} {raw_files.word(array)} {shape}")
    (folder / HEADER).write_text("\n".join(lines) + "\n")


def _tensors(vector: Vector, layout: str) -> Iterator[tuple[str, Array]]:
    problem = vector.problem
    flat, _ = problem_file.encoded(problem)
    if layout == "TND":
        flat["cu_seqlens_q"] = np.array(problem.offsets_q)
        flat["cu_seqlens_k"] = np.array(problem.offsets_k)
    if problem.drops:
        flat["dropout.bits"] = _bits(problem)
    for name, array in flat.items():
        arranged = layouts.arranged(name, array, layout)
        yield name, arranged.astype(np.uint8) if array.dtype == np.bool_ else arranged
    for prefix, result in (("golden", vector.answer), ("bound", vector.bound)):
        for name, array in result.tensors():
            yield f"{prefix}.{name}", layouts.arranged(name, array, layout)


def _bits(problem: Problem) -> Array:
    """The decisions on all elements, LSB first."""
    kept = [
        head.dropout.keep(range(head.seqlen_q), range(head.seqlen_k)).ravel()
        for head in problem.heads()
        if head.dropout is not None
    ]
    return np.packbits(np.concatenate(kept), bitorder="little")


def _scalars(problem: Problem) -> list[str]:
    """Lines "name value ..."; "none" where there is none."""
    left, right = problem.mask.window
    prefix = problem.mask.prefix or 0
    values = {
        "format": problem.format.name,
        "batch": problem.batch,
        "heads_q": problem.heads_q,
        "heads_k": problem.heads_k,
        "head_dim": problem.head_dim,
        "head_dim_v": problem.head_dim_v,
        "scale": repr(float(problem.scale)),
        "softcap": "none" if problem.softcap is None else repr(float(problem.softcap)),
        "window_left": "none" if left is None else left,
        "window_right": "none" if right is None else right,
        "anchor": problem.mask.anchor,
        "prefix": " ".join(map(str, prefix)) if isinstance(prefix, tuple) else prefix,
        "dropout_p": 0.0 if problem.dropout is None else repr(float(problem.dropout.p)),
    }
    return [f"{name} {value}" for name, value in values.items()]
