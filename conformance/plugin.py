"""The pytest plugin: options, which kernel meets which case, and what becomes of a test.

It is loaded in every pytest run of an environment where the suite is installed, so it imports
nothing heavy by itself and says nothing unless tests of the suite are asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from conformance.benchmark import options as benchmarks
from conformance.run.options import (
    HERE,
    add_options,
    asks_for_the_suite,
    former_name,
    register_markers,
)
from conformance.run.ours import is_ours, kernel_of, mark

if TYPE_CHECKING:
    from conformance.cases.case import Case
    from conformance.cases.saved import AnyCase, SavedProblem
    from conformance.run.run import Run

RUN = pytest.StashKey["Run"]()
USAGE = 2  # exit code


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the suite's options, all under one prefix."""
    group = parser.getgroup("conformance", "conformance of attention kernels")
    add_options(group)
    benchmarks.add_options(group, pluginmanager)
    parser.addini("conformance_kernel", "kernels to judge without --kernel", "linelist", default=[])


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Refuse a former name, if the project has no option of that name in its conftest.py."""
    yield
    option, unknown = parser.parse_known_and_unknown_args(args)
    if (fault := former_name(args, unknown)) and _is_asked(
        early_config, option, option.file_or_dir
    ):
        print(fault, file=sys.stderr)
        raise SystemExit(USAGE)


def pytest_configure(config: pytest.Config) -> None:
    """Register the suite's markers, if the suite is asked for."""
    if _is_asked(config, config.option, config.args):
        register_markers(config)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Find every wrong use before the run: one line, exit code 2."""
    option = config.option
    if (
        option.help
        or option.version
        or hasattr(config, "workerinput")
        or not _is_asked(config, config.option, config.args)
    ):
        return None
    if fault := (benchmarks.fault(config) if benchmarks.is_asked(config) else "") or _prepare(
        config
    ):
        print(fault, file=sys.stderr)
        return USAGE
    return None


@pytest.hookimpl(wrapper=True)
def pytest_report_header(config: pytest.Config) -> Generator[None, list[Any], list[Any]]:
    """Kernels, seed and tier; nothing of pytest-benchmark's unless it times our workloads."""
    lines = yield
    if RUN not in config.stash:
        return lines
    if not benchmarks.is_asked(config):
        lines = [line for line in lines if not str(line).startswith("benchmark: ")]
    run = config.stash[RUN]
    lines = [*lines, run.header()]
    for kernel in run.kernels:
        lines += [f"conformance: {kernel.name}: {doubt}" for doubt in kernel.doubts]
    if re.search(r"(?<!not )\bsmoke\b", config.option.markexpr) and run.tier != "smoke":
        lines.append(
            f"conformance: -m only selects tests: the tier is {run.tier}; "
            "--kernel-tier smoke makes the statistics small, too"
        )
    if getattr(config.option, "strict", False) and not run.strict:
        lines.append(
            "conformance: --strict is pytest's own: suspicions fail by --kernel-fail-suspicious"
        )
    return lines


def run_of(config: pytest.Config) -> Run:
    """What this run is asked to do."""
    if RUN not in config.stash and (fault := _prepare(config)):
        pytest.exit(fault, returncode=USAGE)
    return config.stash[RUN]


def _is_asked(config: pytest.Config, option: Any, arguments: Sequence[str]) -> bool:
    return asks_for_the_suite(
        option,
        arguments or config.getini("testpaths"),
        folder=config.invocation_params.dir,
        ignored=config.getini("norecursedirs"),
    )


def _prepare(config: pytest.Config) -> str:
    """Put a Run into the stash; else say what is wrong."""
    from conformance.benchmark.progress import Progress
    from conformance.kernel import KernelRaised, UsageError
    from conformance.run.collector import Collector
    from conformance.run.run import prepare

    option = config.option
    try:
        run = prepare(
            kernels=option.kernel or config.getini("conformance_kernel"),
            problems=option.kernel_problem,
            tier=option.kernel_tier,
            seed=option.kernel_seed,
            strict=option.kernel_fail_suspicious,
            forward=option.kernel_forward_only,
            report=option.kernel_report,
            repro=option.kernel_repro,
            dual=option.kernel_dual_benchmark,
            isolate=option.kernel_isolate,
            seconds=option.kernel_timeout,
            gib=option.kernel_memory,
            for_benchmarks=benchmarks.is_asked(config),
        )
    except UsageError as error:
        return f"ERROR: {error}"
    except KernelRaised as error:
        _, _, trace = str(error).partition("\n")
        return f"{trace}\nERROR: a kernel cannot be imported (its traceback is above)"
    config.stash[RUN] = run
    config.add_cleanup(run.stop)
    if not hasattr(config, "workerinput"):
        collector = Collector(run, rootdir=config.rootpath)
        config.pluginmanager.register(collector, "conformance-collector")
        if benchmarks.is_asked(config):
            config.pluginmanager.register(Progress(config), "conformance-progress")
    return ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every kernel for each test of the suite; every question, too, where the test asks one."""
    if metafunc.definition.path.parent != HERE or "kernel" not in metafunc.fixturenames:
        return
    run = run_of(metafunc.config)
    if "workload" in metafunc.fixturenames:
        _parametrize_workloads(metafunc, run)
        return
    if "expected" not in metafunc.fixturenames:
        names = [kernel.name for kernel in run.kernels]
        metafunc.parametrize("kernel", run.kernels, ids=names)
        return
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    alone = "backward_alone" in marks
    cases = _vectors(run) if "golden" in marks else run.cases
    trials = [
        pytest.param(
            kernel,
            (case, format),
            id=f"{kernel.name}-{case.id}-{format}",
            marks=_marks(case),
        )
        for case in cases
        for format in case.formats
        for kernel in run.kernels
        if not alone or (case.backward and kernel.backward is not None)
    ]
    metafunc.parametrize(("kernel", "expected"), trials, indirect=["expected"])


def _parametrize_workloads(metafunc: pytest.Metafunc, run: Run) -> None:
    """Every workload for each kernel, sized for where the kernel runs; none unless asked."""
    trials: list[Any] = []
    if benchmarks.is_asked(metafunc.config):
        from conformance.benchmark import scaling

        shrink = metafunc.config.option.kernel_benchmark_shrink
        trials = scaling.trials(run.kernels, forward=run.forward, shrink=shrink)
    metafunc.parametrize(("kernel", "workload"), trials)


def _marks(case: Case | SavedProblem) -> list[pytest.MarkDecorator]:
    from conformance.cases import theme_of

    names = ["smoke"] if case.tier == "smoke" else []
    return [getattr(pytest.mark, name) for name in (*names, theme_of(case.id)) if name]


def _vectors(run: Run) -> tuple[AnyCase, ...]:
    from conformance.kernel import UsageError

    try:
        return run.vectors
    except UsageError as error:
        pytest.exit(f"ERROR: {error}", returncode=USAGE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the tier or --problem leaves out; put the kernels of a question together."""
    if RUN not in config.stash:
        return
    for item in items:
        mark(item)
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    times = benchmarks.is_asked(config)
    for item in items:
        wanted = True
        if is_ours(item):
            wanted = kernel_of(item) is not None or "kernel" not in item.fixturenames
            wanted &= ("workload" in item.fixturenames) == times
            if config.option.kernel_problem:
                wanted &= "expected" in item.fixturenames
            if config.stash[RUN].tier == "smoke":
                wanted &= item.get_closest_marker("smoke") is not None
        (kept if wanted else dropped).append(item)
    place: dict[Any, int] = {}
    for item in kept:
        place.setdefault(_problem_of(item) or item, len(place))
    items[:] = sorted(kept, key=lambda item: place[_problem_of(item) or item])
    if dropped:
        config.hook.pytest_deselected(items=[item for item in dropped if kernel_of(item)])


def _problem_of(item: pytest.Item) -> tuple[str, str] | None:
    given = item.callspec.params.get("expected") if hasattr(item, "callspec") else None
    return (given[0].id, given[1]) if isinstance(given, tuple) and kernel_of(item) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Settle a test of the suite: declined, failed, or passed."""
    if kernel_of(item) is None:
        return (yield)
    from conformance.run.settle import settled

    with settled(item, run_of(item.config)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say how to run a failed test alone."""
    report = yield
    if report.failed and (kernel := kernel_of(item)) is not None:
        from conformance.run.settle import command

        report.sections.append(("this one alone", command(item, kernel)))
    return report
