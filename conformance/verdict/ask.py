"""How a case flows: a question goes to the kernel and to the oracle, the judge compares."""

from __future__ import annotations

from collections.abc import Callable

from conformance.kernel import LoadedKernel
from conformance.verdict.conventions import statistics
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import Verdict
from conformance.verdict.verdict import judge as judge_result
from reference.contract import Contract
from reference.problem import Problem, Result, Unsupported


def ask(kernel: LoadedKernel, expected: Expected) -> Verdict:
    """The verdict on the kernel's answer; whatever the kernel raises comes through.

    Raises
    ------
    Unsupported
        If the kernel declines, or drops by decisions that the oracle does not know.
    """
    problem = expected.problem
    got = kernel(problem)
    contract = _contract(kernel, problem)
    want, allowed = expected.answer, expected.allowed(contract)
    return judge_result(got, want, allowed, problem=problem, contract=contract)


def ask_backward(kernel: LoadedKernel, expected: Expected) -> Verdict:
    """The verdict on the kernel's gradients when it is given the oracle's own out and lse."""
    problem, backward = expected.problem, kernel.backward
    assert backward is not None
    contract = _contract(kernel, problem)
    out, lse = statistics(problem, expected.answer, contract)
    got = backward(problem, out, lse)
    want, allowed = expected.gradients, expected.allowed(contract, exact_statistics=True)
    return judge_result(got, want, allowed, problem=problem, contract=contract)


def judge(kernel: Callable[[Problem], Result] | LoadedKernel, problem: Problem) -> Verdict:
    """The verdict on a kernel's answer to one problem.

    Parameters
    ----------
    kernel : function of a Problem, with what conformance.kernel.Kernel may have; or a LoadedKernel
    problem : Problem

    Raises
    ------
    Unsupported
        If the kernel declines, or drops by decisions that the oracle does not know.
    BadAnswer, InputChanged
        As a LoadedKernel.

    Examples
    --------
    >>> import numpy as np
    >>> from conformance import explain, judge
    >>> from reference import dense
    >>> from reference.formats import FP64
    >>> q, k, v = np.random.default_rng(0).normal(size=(3, 1, 100, 2, 16))
    >>> verdict = judge(dense.attention, Problem(q=q, k=k, v=v, format=FP64))
    >>> verdict.passes()
    True
    """
    if not isinstance(kernel, LoadedKernel):
        name = str(getattr(kernel, "name", getattr(kernel, "__name__", type(kernel).__name__)))
        kernel = LoadedKernel(spec=name, name=name, function=kernel)
    return ask(kernel, Expected(problem=problem))


def _contract(kernel: LoadedKernel, problem: Problem) -> Contract:
    contract = kernel.contract(problem)
    if problem.drops and contract.dropout != "problem":
        word = "dropout" if "dropout" in problem.features else "dropout_bits"
        raise Unsupported(
            f"{word} by the problem's decisions: its contract says dropout={contract.dropout!r}, "
            "and test_dropout asks it"
        )
    return contract
