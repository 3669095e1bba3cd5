"""Run: what one run of the suite judges and writes; `prepare` checks it before the run begins."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from conformance.cases import all_cases
from conformance.cases.case import Case
from conformance.cases.saved import AnyCase, SavedProblem
from conformance.golden.files import GoldenError
from conformance.golden.sets import saved_problems
from conformance.kernel import LoadedKernel, UsageError, load
from conformance.kernel.isolate import Isolated
from conformance.problem_file import load as load_problem
from conformance.run.shared import Shared
from reference.parallel.threads import cores

TIERS = ("smoke", "default", "full")
SECONDS, GIB = 120.0, 8.0  # of one isolated call


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """The kernels, the cases and where the results go.

    Attributes
    ----------
    kernels : loaded kernels, names unique
    cases : cases of the tier, or the saved problems
    has_vectors : whether the golden vectors are judged, too
    seed : int
    tier : "smoke", "default" or "full"
    strict : bool
        A suspicious tensor fails.
    forward : bool
        Gradients are left out of every case.
    report, repro : folders that can be written, or None
    dual : bool
        The report has the vendor's dual benchmark, too.
    shared : Shared
        What several tests need, each worked out once.
    """

    kernels: tuple[LoadedKernel, ...]
    cases: tuple[AnyCase, ...]
    has_vectors: bool
    seed: int
    tier: str
    strict: bool
    forward: bool
    report: Path | None
    repro: Path | None
    dual: bool
    shared: Shared

    @cached_property
    def vectors(self) -> tuple[SavedProblem, ...]:
        """The committed golden vectors; none in the smoke tier, or where problems are given.

        Raises
        ------
        UsageError
            If a file of theirs is not what their manifest says.
        """
        try:
            vectors = saved_problems() if self.has_vectors else ()
        except GoldenError as error:
            raise UsageError(str(error)) from None
        return tuple(one.without_gradients() for one in vectors) if self.forward else vectors

    def header(self) -> str:
        """One line: which kernels, seed, tier."""
        kernels = ", ".join(
            kernel.name if kernel.name == kernel.spec else f"{kernel.name} ({kernel.spec})"
            for kernel in self.kernels
        )
        flags = "".join(f"; {flag}" for flag in ("strict", "forward") if getattr(self, flag))
        return f"conformance: {kernels}; seed {self.seed}; tier {self.tier}{flags}"

    def stop(self) -> None:
        """End the processes of isolated kernels."""
        for kernel in self.kernels:
            if isinstance(kernel.isolated, Isolated):
                kernel.isolated.stop()


def prepare(
    *,
    kernels: Sequence[str],
    problems: Sequence[str] = (),
    tier: str = "default",
    seed: int = 0,
    strict: bool = False,
    forward: bool = False,
    report: str | None = None,
    repro: str | None = None,
    dual: bool = False,
    isolate: bool = False,
    seconds: float = SECONDS,
    gib: float = GIB,
    for_benchmarks: bool = False,
) -> Run:
    """The Run of these options, with everything loaded and checked.

    Parameters
    ----------
    for_benchmarks : bool
        Load each kernel as it is timed: see `load`.

    Raises
    ------
    UsageError
        If something is not there; the text says how to mend it.
    """
    if not kernels:
        raise UsageError(
            "no kernel to judge: give --kernel module:attribute or --kernel file.py:attribute, "
            "or set conformance_kernel in the pytest configuration"
        )
    if dual and report is None:
        raise UsageError("--kernel-dual-benchmark is for a report: give --kernel-report DIR, too")
    report_folder = _writable("--kernel-report", report)
    repro_folder = _writable("--kernel-repro", repro)
    cases: tuple[AnyCase, ...]
    if problems:
        cases = tuple(_saved(path) for path in problems)
    else:
        cases = tuple(case for case in all_cases() if _in_tier(case, tier))
    if forward:
        cases = tuple(one.without_gradients() for one in cases)
    loaded = _distinct(
        [load(spec, for_benchmarks=for_benchmarks) for spec in dict.fromkeys(kernels)]
    )
    if isolate:
        loaded = [
            replace(kernel, isolated=Isolated(kernel.spec, seconds=seconds, gib=gib))
            for kernel in loaded
        ]
    return Run(
        kernels=tuple(loaded),
        cases=cases,
        has_vectors=not problems and tier != "smoke",
        seed=seed,
        tier=tier,
        strict=strict,
        forward=forward,
        report=report_folder,
        repro=repro_folder,
        dual=dual,
        shared=Shared(seed=seed, tier=tier, threads=_threads()),
    )


def _threads() -> int | None:
    """Threads for each worker of pytest-xdist, which share the cores; None if there are none."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return None if workers == 1 else max(1, cores(None) // workers)


def _in_tier(case: Case, tier: str) -> bool:
    return TIERS.index(case.tier) <= TIERS.index(tier)


def _saved(path: str) -> SavedProblem:
    try:
        return SavedProblem(Path(path).stem, load_problem(path))
    except ValueError as error:
        raise UsageError(f"--kernel-problem: {error}") from None


def _writable(option: str, path: str | None) -> Path | None:
    if path is None:
        return None
    folder = Path(path).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UsageError(
            f"{option} {path}: cannot write there ({error.strerror}): give a folder that can be "
            "written"
        ) from None


def _distinct(kernels: Sequence[LoadedKernel]) -> list[LoadedKernel]:
    """Names as test ids: kernels of one name go by their spec."""
    count = Counter(kernel.name for kernel in kernels)
    return [
        kernel if count[kernel.name] == 1 else replace(kernel, name=kernel.spec)
        for kernel in kernels
    ]
