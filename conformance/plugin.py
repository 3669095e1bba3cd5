"""The pytest plugin: options, which kernel meets which case, and what becomes of a test.

It is loaded in every pytest run of an environment where the suite is installed, so it imports
nothing heavy by itself and says nothing unless tests of the suite are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.benchmark import options

if TYPE_CHECKING:
    from conformance.cases.case import Case
    from conformance.cases.saved import AnyCase, SavedProblem
    from conformance.kernel import LoadedKernel
    from conformance.run.run import Run

HERE = Path(__file__).parent
RUN = pytest.StashKey["Run"]()
USAGE = 2  # exit code


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The suite's options; pytest's own --strict belongs to them, too."""
    group = parser.getgroup("conformance", "conformance of attention kernels")
    group.addoption(
        "--kernel",
        action="append",
        default=[],
        metavar="KERNEL",
        help="kernel to judge: module:attribute or path/to/file.py:attribute (repeatable)",
    )
    group.addoption(
        "--tier",
        choices=("smoke", "default", "full"),
        default="default",
        help="which cases: smoke (seconds), default (minutes) or full",
    )
    group.addoption("--seed", type=int, default=0, metavar="N", help="seed of all inputs (0)")
    group.addoption(
        "--problem",
        action="append",
        default=[],
        metavar="FILE",
        help="judge on this problem, a safetensors file, instead of the cases (repeatable)",
    )
    group.addoption(
        "--forward",
        action="store_true",
        help="leave gradients out of every case, for a kernel that has none",
    )
    group.addoption("--report", metavar="DIR", help="write report.html and report.json into DIR")
    group.addoption(
        "--dual-benchmark",
        action="store_true",
        help="with --report: the vendor's dual benchmark, too, which runs the oracle once more",
    )
    group.addoption(
        "--repro",
        metavar="DIR",
        help="write each failure as a script and its tensors, which run without pytest",
    )
    group.addoption(
        "--isolate",
        action="store_true",
        help="call the kernel in child processes: a hang or a crash fails one case",
    )
    group.addoption(
        "--case-timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="with --isolate: time that one call may take (120)",
    )
    group.addoption(
        "--case-memory",
        type=float,
        default=8.0,
        metavar="GIB",
        help="with --isolate: memory that one call may hold (8)",
    )
    options.add_options(group, pluginmanager)
    parser.addini("conformance_kernel", "kernels to judge without --kernel", "linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the suite's markers."""
    config.addinivalue_line("markers", "smoke: the shortest useful run of the conformance suite")
    for theme in sorted((HERE / "cases" / "themes").glob("[a-z]*.py")):
        config.addinivalue_line(
            "markers", f"{theme.stem}: cases of conformance/cases/themes/{theme.name}"
        )
    config.addinivalue_line("markers", "article: workloads of the table that `tox -e bench` prints")
    config.addinivalue_line("markers", "golden: asks the committed vectors, not the cases")
    config.addinivalue_line("markers", "backward_alone: for kernels with a `backward` of their own")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Find every wrong use before the run: one line, exit code 2."""
    option = config.option
    if option.help or option.version or hasattr(config, "workerinput") or not _is_asked(config):
        return None
    if fault := (options.fault(config) if options.is_asked(config) else "") or _prepare(config):
        print(fault, file=sys.stderr)
        return USAGE
    return None


@pytest.hookimpl(wrapper=True)
def pytest_report_header(config: pytest.Config) -> Generator[None, list[Any], list[Any]]:
    """Kernels, seed and tier; nothing of pytest-benchmark's unless it times our workloads."""
    lines = yield
    if RUN not in config.stash:
        return lines
    if not options.is_asked(config):
        lines = [line for line in lines if not str(line).startswith("benchmark: ")]
    return [*lines, config.stash[RUN].header()]


def run_of(config: pytest.Config) -> Run:
    """What this run is asked to do."""
    if RUN not in config.stash and (fault := _prepare(config)):
        pytest.exit(fault, returncode=USAGE)
    return config.stash[RUN]


def _is_asked(config: pytest.Config) -> bool:
    """Whether the command line asks for tests of the suite."""
    if config.option.kernel or config.option.problem:
        return True
    for argument in config.args:
        name = argument.partition("[")[0].partition("::")[0]
        if config.option.pyargs and name.partition(".")[0] == HERE.name:
            return True
        path = Path(config.invocation_params.dir, name).resolve()
        if path == HERE or HERE in path.parents:
            return True
    return False


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
            problems=option.problem,
            tier="smoke" if option.markexpr.strip() == "smoke" else option.tier,
            seed=option.seed,
            strict=bool(getattr(option, "strict", False)),
            forward=option.forward,
            report=option.report,
            repro=option.repro,
            dual=option.dual_benchmark,
            isolate=option.isolate,
            seconds=option.case_timeout,
            gib=option.case_memory,
            for_benchmarks=options.is_asked(config),
        )
    except UsageError as error:
        return f"ERROR: {error}"
    except KernelRaised as error:
        _, _, trace = str(error).partition("\n")
        return f"{trace}\nERROR: a kernel cannot be imported (its traceback is above)"
    config.stash[RUN] = run
    config.add_cleanup(run.stop)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(run), "conformance-collector")
        if options.is_asked(config):
            config.pluginmanager.register(Progress(config), "conformance-progress")
    return ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every kernel for each test of the suite; every question, too, where the test asks one."""
    if not _is_ours(metafunc.module) or "kernel" not in metafunc.fixturenames:
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
    asked = _vectors(run) if "golden" in marks else run.asked
    trials = [
        pytest.param(
            kernel,
            (case, format),
            id=f"{kernel.name}-{case.id}-{format}",
            marks=_marks(case),
        )
        for case in asked
        for format in case.formats
        for kernel in run.kernels
        if not alone or (case.backward and kernel.backward is not None)
    ]
    metafunc.parametrize(("kernel", "expected"), trials, indirect=["expected"])


def _parametrize_workloads(metafunc: pytest.Metafunc, run: Run) -> None:
    """Every workload for each kernel, sized for where the kernel runs; none unless asked."""
    trials: list[Any] = []
    if options.is_asked(metafunc.config):
        from conformance.benchmark import scaling

        shrink = metafunc.config.option.benchmark_shrink
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
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    times = options.is_asked(config)
    for item in items:
        wanted = True
        if isinstance(item, pytest.Function) and _is_ours(item.module):
            wanted = kernel_of(item) is not None or "kernel" not in item.fixturenames
            wanted &= ("workload" in item.fixturenames) == times
            if config.option.problem:
                wanted &= "expected" in item.fixturenames
            if config.stash[RUN].tier == "smoke":
                wanted &= item.get_closest_marker("smoke") is not None
        (kept if wanted else dropped).append(item)
    place: dict[Any, int] = {}
    for item in kept:
        asked = _asked(item)
        place.setdefault(asked or item, len(place))
    items[:] = sorted(kept, key=lambda item: place[_asked(item) or item])
    if dropped:
        config.hook.pytest_deselected(items=[item for item in dropped if kernel_of(item)])


def _asked(item: pytest.Item) -> tuple[str, str] | None:
    asked = item.callspec.params.get("expected") if hasattr(item, "callspec") else None
    return (asked[0].id, asked[1]) if isinstance(asked, tuple) and kernel_of(item) else None


def kernel_of(item: pytest.Item) -> LoadedKernel | None:
    """The kernel that a test of the suite is about; None for any other test."""
    if not isinstance(item, pytest.Function) or not _is_ours(item.module):
        return None
    kernel = item.callspec.params.get("kernel") if hasattr(item, "callspec") else None
    is_subject = type(kernel).__module__ == "conformance.kernel.loaded"
    return kernel if is_subject else None  # type: ignore[return-value]


def _is_ours(module: Any) -> bool:
    return str(getattr(module, "__name__", "")).startswith("conformance.")


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
