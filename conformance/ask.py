"""How a case flows: a question goes to the kernel and to the oracle, the judge compares."""

from __future__ import annotations

from conformance.compare import Verdict, judge
from conformance.conventions import statistics
from conformance.kernel import Subject
from conformance.oracle import Question


def ask(kernel: Subject, question: Question) -> Verdict:
    """The verdict on the kernel's answer; whatever the kernel raises comes through."""
    problem = question.problem
    got = kernel(problem)
    contract = kernel.contract(problem)
    want, allowed = question.answer, question.allowed(contract)
    return judge(got, want, allowed, problem=problem, contract=contract)


def ask_backward(kernel: Subject, question: Question) -> Verdict:
    """The verdict on the kernel's gradients when it is given the oracle's own out and lse."""
    problem, backward = question.problem, kernel.backward
    assert backward is not None
    contract = kernel.contract(problem)
    out, lse = statistics(problem, question.answer, contract)
    got = backward(problem, out, lse)
    want, allowed = question.gradients, question.allowed(contract, exact_statistics=True)
    return judge(got, want, allowed, problem=problem, contract=contract)
