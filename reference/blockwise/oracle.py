"""FlashAttention forward and backward by tiles, in threads: the oracle, and simulated kernels.

The same value as the definition in `dense`, in O(seqlen) memory. Read rounding and tile first, then
forward and gradient; one_pass is a short cut for plain problems.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from reference.blockwise.forward import attend, is_small
from reference.blockwise.gradient import Rows, differentiate, prepare, sink_gradient
from reference.blockwise.one_pass import Group, applies, solve_rows
from reference.blockwise.rounding import EXACT, RoundingPoints, simulated
from reference.contract import Contract
from reference.formats import Array
from reference.parallel.addition_order import AdditionOrder
from reference.parallel.scratch import Scratch
from reference.parallel.threads import run
from reference.problem import Problem, Result
from reference.problem.head import Head
from reference.problem.tiling import blocks, by_key_head, four_axes

BLOCK_Q, BLOCK_K = 256, 512


def attention(
    problem: Problem,
    *,
    block_q: int = BLOCK_Q,
    block_k: int = BLOCK_K,
    contract: Contract | None = None,
    threads: int | None = None,
) -> Result:
    """Attention and, where the problem has a dout, its gradients.

    Parameters
    ----------
    block_q, block_k : int >= 1
        Size of a tile. It fixes the order of every sum: results are the same bits at any number
        of threads.
    contract : Contract, or None
        None is the oracle: float64, nothing rounded. Else a kernel that keeps the contract, as it
        might be: float32 (float64 for FP64 problems), rounded wherever the contract says.
    threads : int >= 1, or None
        None is every core.

    Returns
    -------
    Result
        With softmax_max and softmax_sum. Float64, or the type of computation with a contract.
        Rows that see no key: out = 0, lse = -inf (or the contract's dead_rows), softmax_max = -inf
        and softmax_sum = 0; with a sink lse = softmax_max = sink and softmax_sum = 1.

    Raises
    ------
    ValueError
        If a block size or `threads` is less than 1.

    Source: docs/architecture.md, "The definition"; Dao 2023, "FlashAttention-2".
    """
    points = _points(problem, block_q, block_k, contract)
    result = _zeros(problem, points)
    heads = list(problem.heads())
    small = run(lambda head: is_small(head, points), heads, threads=threads)
    if problem.dout is not None and applies(heads, small):
        _in_strips(result, heads, block_q, block_k, threads)
        return result
    _forward(result, heads, small, block_q, block_k, points, threads)
    if problem.dout is not None:
        assert result.out is not None and result.lse is not None
        _backward(result, problem, heads, result, block_q, block_k, points, threads)
    return result


def backward(
    problem: Problem,
    out: Array,
    lse: Array,
    *,
    block_q: int = BLOCK_Q,
    block_k: int = BLOCK_K,
    contract: Contract | None = None,
    threads: int | None = None,
) -> Result:
    """The gradients alone, from a given out and lse.

    Parameters
    ----------
    out, lse : arrays of the shapes in Result
        lse in the contract's base.
    block_q, block_k, contract, threads
        As in `attention`.

    Returns
    -------
    Result
        dq, dk, dv, and dbias and dsink where the problem has a bias and a sink.

    Raises
    ------
    ValueError
        If the problem has no dout, a shape differs, or a block size or `threads` is less than 1.
    """
    if problem.dout is None:
        raise ValueError("the problem has no dout: a backward needs one")
    _check_shape("out", out, (*problem.q.shape[:-1], problem.head_dim_v))
    _check_shape("lse", lse, problem.shape_lse)
    points = _points(problem, block_q, block_k, contract)
    result = _zeros(problem, points)
    heads = list(problem.heads())
    given = Result(out=out, lse=lse)
    _backward(result, problem, heads, given, block_q, block_k, points, threads)
    return replace(result, out=None, lse=None, softmax_max=None, softmax_sum=None)


def _check_shape(name: str, tensor: Array, shape: tuple[int, ...]) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} has shape {tensor.shape}: give {shape}")


def _points(
    problem: Problem, block_q: int, block_k: int, contract: Contract | None
) -> RoundingPoints:
    for name, size in (("block_q", block_q), ("block_k", block_k)):
        if size < 1:
            raise ValueError(f"{name} is {size}: give at least 1")
    return EXACT if contract is None else simulated(contract, problem.format)


def _zeros(problem: Problem, points: RoundingPoints) -> Result:
    zeros = problem.zeros()
    if points.dtype != np.float64:
        narrow = {name: tensor.astype(points.dtype) for name, tensor in zeros.tensors()}
        zeros = Result(**narrow)
    shape, dtype = problem.shape_lse, points.dtype
    return replace(zeros, softmax_max=np.zeros(shape, dtype), softmax_sum=np.zeros(shape, dtype))


def _in_strips(
    result: Result, heads: list[Head], block_q: int, block_k: int, threads: int | None
) -> None:
    scratch = _scratch_of_worker(EXACT)

    def task(at: tuple[Group, int, Head, range]) -> None:
        group, number, head, rows = at
        solve_rows(result, group, number, head, rows, scratch())

    block_q, block_k = 2 * block_q, 2 * block_k  # BLAS is faster on larger products
    groups = (Group(group, block_q, block_k) for group in by_key_head(heads, lambda head: head))
    tasks = (
        (group, number, head, rows) for group in groups for number, (head, rows) in group.strips
    )
    run(task, tasks, threads=threads)


def _forward(
    result: Result,
    heads: list[Head],
    small: list[bool],
    block_q: int,
    block_k: int,
    points: RoundingPoints,
    threads: int | None,
) -> None:
    scratch = _scratch_of_worker(points)

    def task(at: tuple[Head, bool, range]) -> None:
        head, small, rows = at
        attend(
            result,
            head,
            rows,
            block_k=block_k,
            small=small,
            points=points,
            scratch=scratch(),
        )

    tasks = (
        (head, head_is_small, rows)
        for head, head_is_small in zip(heads, small, strict=True)
        for rows in blocks(head.seqlen_q, block_q)
    )
    run(task, tasks, threads=threads)


def _backward(
    result: Result,
    problem: Problem,
    heads: list[Head],
    given: Result,
    block_q: int,
    block_k: int,
    points: RoundingPoints,
    threads: int | None,
) -> None:
    """Fill in the gradients from the out and lse that are given."""
    assert given.out is not None and given.lse is not None
    scratch = _scratch_of_worker(points)
    out, lse = given.out, given.lse

    def pair(head: Head) -> tuple[Head, Rows]:
        return head, prepare(head, out[head.at_q], lse[head.at_lse], points)

    pairs = run(pair, heads, threads=threads)
    groups = list(by_key_head(pairs, lambda pair: pair[0]))

    def task(at: tuple[list[tuple[Head, Rows]], AdditionOrder, int, range]) -> None:
        group, order, number, keys = at
        differentiate(
            result,
            group,
            keys,
            number=number,
            order=order,
            block_q=block_q,
            points=points,
            scratch=scratch(),
        )

    tasks = (
        (group, order, number, keys)
        for group, order in ((group, AdditionOrder()) for group in groups)
        for number, keys in enumerate(blocks(group[0][0].seqlen_k, block_k))
    )
    if result.dbias is not None and _is_shared(problem):
        threads = 1
    run(task, tasks, threads=threads)

    if result.dsink is not None:
        for head, rows in pairs:
            result.dsink[head.head_q] += sink_gradient(head, rows, points)
    for tensor in (result.dq, result.dk, result.dv, result.dbias):
        if tensor is not None:
            points.round(tensor, points.out)


def _is_shared(problem: Problem) -> bool:
    """Whether tasks that run side by side would add to the same elements of dbias."""
    assert problem.bias is not None
    shape = four_axes(problem.bias).shape
    of_heads = any(a < b for a, b in zip(shape[:2], problem.shape_scores[:2], strict=True))
    return of_heads or shape[2:] == (1, 1)


def _scratch_of_worker(points: RoundingPoints) -> Callable[[], Scratch]:
    """A function that gives each thread a Scratch of its own."""
    local = threading.local()

    def scratch() -> Scratch:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch(points.dtype)
        mine: Scratch = local.scratch
        return mine

    return scratch
