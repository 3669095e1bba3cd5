"""Settles a test of the suite: declined, failed or passed, with its Record in pytest's report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from conformance.dropout.recovery.recover import Broken
from conformance.kernel import BadAnswer, InputChanged, KernelRaised, LoadedKernel
from conformance.kernel.isolate import IsolatedFailure
from conformance.run import repro
from conformance.run.outcome import Outcome
from conformance.run.plain import to_json
from conformance.run.record import KEY
from conformance.run.recording import record_of
from conformance.run.run import Run
from conformance.verdict.expected import Expected
from reference.problem import Unsupported

HERE = Path(__file__).parents[1]


@contextmanager
def settled(item: pytest.Item, run: Run) -> Iterator[None]:
    """Turn what a kernel raises into an outcome, and attach the test's Record to its report."""
    test = cast(pytest.Function, item)
    kernel = cast(LoadedKernel, test.callspec.params["kernel"])
    declined = failed = ""
    try:
        yield
    except Unsupported as error:
        declined = str(error) or "the kernel does not say why"
    except (KernelRaised, IsolatedFailure, BadAnswer, Broken) as error:
        failed = str(error)
    except InputChanged as error:
        failed = str(error)
        run.shared.forget_problems()  # other kernels must not get what this one wrote into
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the judge's verdict, or a law that does not hold
        failed = str(error)
        raise
    finally:
        if failed and run.repro is not None:
            _write_repro(test, kernel, run, failed)
        given = test.funcargs.get("outcome")
        record = record_of(
            test,
            kernel,
            given if isinstance(given, Outcome) else Outcome(),
            declined=declined,
            failed=failed,
            command=command(test, kernel) if failed else "",
            detailed=run.report is not None,
            dual=run.dual,
        )
        item.user_properties.append((KEY, to_json(record)))
    if declined:
        raise pytest.skip.Exception(f"declined: {declined}") from None
    if failed:
        raise pytest.fail.Exception(failed, pytrace=False) from None


def _write_repro(item: pytest.Function, kernel: LoadedKernel, run: Run, text: str) -> None:
    expected = item.funcargs.get("expected")
    if isinstance(expected, Expected) and run.repro is not None:
        repro.write(
            run.repro,
            f"{item.originalname}-{item.callspec.id}",
            kernel=kernel,
            problem=expected.problem,
            backward_alone=item.get_closest_marker("backward_alone") is not None,
            strict=run.strict,
            text=text,
        )


def command(item: pytest.Item, kernel: LoadedKernel) -> str:
    """The command that runs this test alone, from the folder where pytest was called."""
    option, folder = item.config.option, item.config.invocation_params.dir
    test = item.nodeid.partition("::")[2]
    if item.path.is_relative_to(folder):
        words = ["pytest", f"{item.path.relative_to(folder)}::{test}"]
    else:
        words = ["pytest", "--pyargs", f"{HERE.name}.{item.path.stem}::{test}"]
    words += ["--kernel", kernel.spec, "--kernel-seed", str(option.kernel_seed)]
    if option.kernel_tier == "full":
        words += ["--kernel-tier", "full"]
    if option.kernel_fail_suspicious:
        words += ["--kernel-fail-suspicious"]
    if option.kernel_forward_only:
        words += ["--kernel-forward-only"]
    for path in option.kernel_problem:
        words += ["--kernel-problem", path]
    if "benchmark" in getattr(item, "fixturenames", ()):
        words += [
            "--benchmark-only",
            "--kernel-benchmark-shrink",
            str(option.kernel_benchmark_shrink),
        ]
    if option.kernel_isolate:
        words += ["--kernel-isolate", "--kernel-timeout", f"{option.kernel_timeout:g}"]
        words += ["--kernel-memory", f"{option.kernel_memory:g}"]
    return shlex.join(words)
