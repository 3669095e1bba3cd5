"""How far a kernel that keeps its contract may be from the oracle, element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.bounds.assemble import Work, add_group
from reference.bounds.backward import row_statistics
from reference.bounds.float32.strips import add_strips
from reference.bounds.forward import forward, forward_sums
from reference.bounds.roundoffs import roundoffs
from reference.bounds.scaling import FLOAT64, units_of
from reference.bounds.scores import row_maxima
from reference.contract import Contract
from reference.formats import FP64
from reference.parallel.threads import cores, run
from reference.problem import Problem, Result
from reference.problem.head import Head
from reference.problem.tiling import blocks, by_key_head, rows_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Allowed:
    """How far a kernel may be from the oracle, in tensors like the oracle's.

    Attributes
    ----------
    worst : Result
        The largest |error| of a kernel that keeps its contract, float64. Infinite where the
        contract promises nothing.
    sigma : Result
        Standard deviation of the error of a kernel whose roundings are independent, float64.

    The errors of lse are in natural logarithms, whatever the contract's `lse_base`. Where no error
    is allowed, as in rows that see no key, worst and sigma are 0.
    """

    worst: Result
    sigma: Result


def error_bound(
    problem: Problem,
    contract: Contract | None = None,
    *,
    result: Result,
    exact_statistics: bool = False,
    block_q: int = 512,
    block_k: int = 128,
    threads: int | None = None,
    float64: bool = False,
) -> Allowed:
    """The allowed error of out, lse and the gradients that the problem asks for.

    Memory O(block_q block_k), apart from the answer, and at most 25 MB more for each thread. For
    FP64 the oracle's own rounding is added to the bound; in other formats it is negligible. If the
    contract of an FP64 kernel differs from the oracle's, this needs memory for a second result.

    Parameters
    ----------
    contract : Contract
        What the kernel promises; None is `Contract()`.
    result : Result
        The oracle's answer to the problem, in float64.
    exact_statistics : bool
        The backward was given the oracle's out and lse.
    block_q, block_k : int
        Rows and keys of a tile; they change the last bits of the bound at most.
    threads : int, or None
        None is every core.
    float64 : bool
        Nothing is computed in float32, which is slower, and differs by less than 1 %.

    Raises
    ------
    ValueError
        If a block size or `threads` is less than 1, or `result` lacks a tensor.

    Source: docs/numerics.md, sections 2 to 8.
    """
    if block_q < 1 or block_k < 1:
        raise ValueError(f"blocks are {block_q} x {block_k}: give at least 1 x 1")
    contract = Contract() if contract is None else contract
    expected = {name for name, _ in problem.zeros().tensors()}
    if missing := sorted(expected - {name for name, _ in result.tensors()}):
        raise ValueError(
            f"result lacks {', '.join(missing)}: give the oracle's answer to this problem"
        )

    def bound(contract: Contract, *, exact_statistics: bool) -> Allowed:
        r = roundoffs(contract, problem.format)
        units = (
            FLOAT64 if float64 else units_of(head, r, problem.format) for head in problem.heads()
        )
        work = Work(
            problem=problem,
            r=r,
            maxima=np.zeros(problem.shape_lse),
            head_units=tuple(units),
            exact=result,
            worst=problem.zeros(),
            sigma=problem.zeros(),
            exact_statistics=exact_statistics,
            block_q=block_q,
            block_k=block_k,
        )
        _fill(work, threads)
        return Allowed(worst=work.worst, sigma=work.sigma)

    allowed = bound(contract, exact_statistics=exact_statistics)
    if problem.format == FP64:
        # Where the kernel promises what the oracle does, one bound serves both.
        same = roundoffs(contract, FP64) == roundoffs(Contract(), FP64) and not exact_statistics
        own = allowed if same else bound(Contract(), exact_statistics=False)
        _combine(np.add, allowed.worst, own.worst)
        _combine(np.hypot, allowed.sigma, own.sigma)
    return allowed


def _combine(function: np.ufunc, one: Result, other: Result) -> None:
    others = dict(other.tensors())
    for name, tensor in one.tensors():
        function(tensor, others[name], out=tensor)


def _fill(work: Work, threads: int | None) -> None:
    heads = list(work.problem.heads())
    slow = [head for head in heads if work.units(head).dtype == np.float64]
    strips = [(head, rows) for head in slow for rows in blocks(head.seqlen_q, work.block_q)]
    run(lambda task: _forward(work, *task), strips, threads=threads)
    groups = list(by_key_head(heads, lambda head: head))
    add_strips(work, groups, threads)
    if work.problem.dout is None:
        return
    if len(groups) >= cores(threads) and work.problem.bias is None:
        run(lambda group: add_group(work, group, _in_turn), groups, threads=threads)
    else:
        for group in groups:
            with np.errstate(all="ignore"):
                add_group(work, group, lambda f, tasks: run(f, tasks, threads=threads))
    with np.errstate(all="ignore"):
        _finish(work, heads)


def _in_turn(function: Callable[[Any], Any], tasks: list[Any]) -> list[Any]:
    return [function(task) for task in tasks]


def _forward(work: Work, head: Head, rows: range) -> None:
    units = work.units(head)
    rows_of(work.maxima[head.at_lse], rows)[:, None] = row_maxima(head, rows, work.block_k)
    at = work.rows(head, rows)
    sums = forward_sums(head, work.r, units, at, work.block_k)
    work.write(head, rows, forward(head, work.r, units, at, sums))


def _finish(work: Work, heads: list[Head]) -> None:
    """Round dbias and dsink to their results, and call infinite what is no number."""
    r, worst, sigma = work.r, work.worst, work.sigma
    if worst.dsink is not None and sigma.dsink is not None:
        for head in heads:
            for rows in blocks(head.seqlen_q, work.block_q):
                _add_sink(work, head, rows)
    _round(work, "dsink", r.u, r.eta, _rows(work.problem))
    _round(work, "dbias", r.u_out, r.eta_out, work.bias_terms)
    for result in (worst, sigma):
        for _, tensor in result.tensors():
            tensor[np.isnan(tensor)] = np.inf


def _round(work: Work, name: str, u: float, eta: float, terms: int) -> None:
    if (exact := getattr(work.exact, name)) is None:
        return
    error, sigma = getattr(work.worst, name), getattr(work.sigma, name)
    error *= 1 + u
    error += u * np.abs(exact) + eta + terms * work.r.eta
    relative = work.relative(terms, 0) + u**2 / 3
    sigma[...] = np.sqrt(sigma + exact**2 * relative) + eta


def _rows(problem: Problem) -> int:
    """Rows of one query head, over all sequences."""
    return int(np.prod(problem.shape_lse)) // problem.heads_q


def _add_sink(work: Work, head: Head, rows: range) -> None:
    r, units, at = work.r, work.units(head), work.rows(head, rows)
    assert work.worst.dsink is not None and work.sigma.dsink is not None and head.sink is not None
    a = row_statistics(
        r, units, at, work.errors(head, rows), exact_statistics=work.exact_statistics
    )
    n = _rows(work.problem)
    p = np.exp(head.sink - at.lse)
    size = np.maximum(np.abs(at.m), np.abs(at.lse))
    rho = np.expm1(4 * r.u * (abs(head.sink) + size) + r.exp + a.lse)
    error = p * ((rho + r.gamma(n + 4)) * np.abs(a.delta) + (1 + rho) * a.error + 2 * r.u * a.size)
    error += r.eta_exp * (a.size + a.error)
    work.worst.dsink[head.head_q] += units.gradient * error.sum()
    exponent = (4 * r.u) ** 2 / 3 * (head.sink**2 + size**2) + r.exp_ulps**2 / 3 + r.exp_rel**2
    relative = exponent + a.lse_variance + (2 * r.u) ** 2 + r.variance(n)
    variance = p**2 * (relative * a.delta**2 + a.variance + (2 * r.u) ** 2 / 3 * a.size2)
    variance += (r.eta_exp * a.size) ** 2
    work.sigma.dsink[head.head_q] += units.gradient**2 * variance.sum()
