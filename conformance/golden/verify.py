"""verify: judges the raw tensors that a program wrote for an exported vector."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from conformance.cases.saved import SavedProblem
from conformance.golden import layouts, manifest, raw_files
from conformance.golden.export import chosen
from conformance.golden.files import GoldenError
from conformance.golden.sets import Set
from conformance.golden.vector import Vector
from conformance.kernel import UsageError
from conformance.verdict.expected import Expected
from conformance.verdict.explain import explain
from conformance.verdict.verdict import IN_COMPUTE_FORMAT, STATISTICS, Verdict, judge
from reference.contract import Contract
from reference.problem import Result


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the options of `verify`."""
    to.add_argument("--case", metavar="C", required=True, help="the vector")
    out = "where out.bin, lse.bin (optional), dq.bin, ... are, in the problem's format; lse in fp32"
    to.add_argument("--out-dir", metavar="DIR", required=True, help=out)
    to.add_argument("--format", choices=raw_files.KINDS, default="bin", help="(bin)")
    to.add_argument("--layout", choices=layouts.LAYOUTS, help="as exported (BSND, packed TND)")
    to.add_argument("--forward", action="store_true", help="gradients are not asked for")


def main(golden: Set, options: argparse.Namespace) -> int:
    """Print the verdict; 0 if it passes, else 1.

    Raises
    ------
    UsageError
        If there is no such vector, or the layout cannot hold it.
    GoldenError
        If a file of the set is not what the manifest says, or one of the program's is missing.
    """
    (entry,) = chosen(golden, [options.case])
    vector = manifest.load(golden.folder, entry)
    layout = options.layout or layouts.default(vector.problem)
    if not layouts.fits(vector.problem, layout):
        raise UsageError(f"--layout {layout}: {entry.key} is packed, which only TND can hold")
    expected = expected_of(vector, forward=options.forward)
    got = read(expected, Path(options.out_dir), layout=layout, kind=options.format)
    verdict = judged(vector, expected, got)
    if not verdict.passes():
        print(f"{entry.key} fails\n{explain(verdict, expected.problem)}")
        return 1
    used = ", ".join(f"{score.name} {score.ratio:.2g}" for score in verdict.tensors)
    print(f"{entry.key} passes (worst error / allowed): {used}")
    return 0


def expected_of(vector: Vector, *, forward: bool) -> Expected:
    """What a vector expects of a program; with `forward`, without gradients."""
    case = SavedProblem(vector.about.key, vector.problem, answer=vector.answer)
    case = case.without_gradients() if forward else case
    return Expected(problem=case.saved, known=case.answer)


def read(expected: Expected, folder: Path, *, layout: str, kind: str) -> Result:
    """What a program wrote into a folder; None for tensors without a file.

    Raises
    ------
    GoldenError
        If there is no out, or a file has the wrong size or type.
    """
    tensors = {}
    terms = Contract().resolve(expected.problem.format)
    for name, want in expected.answer.tensors():
        path = raw_files.file_of(folder, name, kind)
        format = terms.compute if name in IN_COMPUTE_FORMAT else terms.out
        flat = raw_files.read(path, format, layouts.shape_in(name, want.shape, layout))
        if flat is not None:
            tensors[name] = layouts.restored(name, flat, want.shape, layout)
    if "out" not in tensors:
        raise GoldenError(f"{raw_files.file_of(folder, 'out', kind)} is not there: write out there")
    return Result(**tensors)


def judged(vector: Vector, expected: Expected, got: Result) -> Verdict:
    """The verdict under the default Contract, by the bounds that the vector holds."""
    allowed = expected.allowed(Contract())
    stored_bounds = {
        name: getattr(vector.bound, name).astype(np.float64)
        for name, _ in expected.answer.tensors()
        if name not in STATISTICS
    }
    allowed = replace(allowed, worst=Result(**stored_bounds))
    return judge(got, expected.answer, allowed, problem=expected.problem)
