"""Kernels that the plugin is tested with: a right one, and some that go wrong in one way each."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np

from reference import dense
from reference.bounds import error_bound
from reference.formats import FP32
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported


def right(problem: Problem) -> Result:
    """The definition's answer, rounded."""
    if problem.heads_q > 5:
        raise Unsupported("more than 5 heads")
    exact = dense.attention(problem)
    return Result(
        **{
            name: (FP32 if name in ("lse", "dsink") else problem.format).round(tensor)
            for name, tensor in exact.tensors()
        }
    )


right.backward = lambda problem, out, lse: replace(right(problem), out=None, lse=None)
right.digest = "tests"


def wrong_anchor(problem: Problem) -> Result:
    """Causal from the top left corner."""
    mask = Mask(window=problem.mask.window, anchor="top-left")
    return right(problem.replace(mask=mask))


def forgotten_rescale(problem: Problem, block: int = 32) -> Result:
    """Online softmax that leaves the accumulator as it is when the maximum rises."""
    answer = right(problem)
    for head in problem.heads():
        m = np.full((head.seqlen_q, 1), -np.inf)
        total, acc = np.zeros_like(m), np.zeros((head.seqlen_q, head.v.shape[1]))
        for first in range(0, head.seqlen_k, block):
            keys = range(first, min(first + block, head.seqlen_k))
            s = head.scale * (head.q @ head.k[keys].T)
            s[~head.mask.visible(range(head.seqlen_q), keys)] = -np.inf
            m_new = np.maximum(m, s.max(axis=1, keepdims=True))
            p = np.exp(s - m_new)
            total = total * np.exp(m - m_new) + p.sum(axis=1, keepdims=True)
            acc = acc + p @ head.v[keys]
            m = m_new
        answer.out[head.at_q] = problem.format.round(acc / total)
    return answer


def base_2(problem: Problem) -> Result:
    """A lse in base 2 that the contract does not declare."""
    answer = right(problem)
    return replace(answer, lse=FP32.round(answer.lse / np.log(2)))


def dk_without_scale(problem: Problem) -> Result:
    """The factor forgotten that belongs to dS."""
    answer = right(problem)
    return replace(answer, dk=problem.format.round(answer.dk / problem.scale))


def suspicious(problem: Problem) -> Result:
    """A lse that is off everywhere by half of what is allowed at worst."""
    answer = right(problem)
    allowed = error_bound(problem, result=dense.attention(problem))
    return replace(answer, lse=FP32.round(answer.lse + allowed.worst.lse / 2))


def raises(problem: Problem) -> Result:
    """An error of its own."""
    raise RuntimeError("tile 3 is not aligned")


def declines(problem: Problem) -> Result:
    """Nothing is supported."""
    raise Unsupported("head_dim 16 > 8")


def hangs(problem: Problem) -> Result:
    """It never returns."""
    while True:
        time.sleep(1)


def crashes(problem: Problem) -> Result:
    """The whole process goes."""
    os.abort()


CALLS: list[Problem] = []


def counts(problem: Problem) -> Result:
    """It gives the number of its calls, and dies in its third."""
    CALLS.append(problem)
    if len(CALLS) == 3:
        os.abort()
    answer = right(problem)
    return replace(answer, out=np.full_like(answer.out, len(CALLS)))


def exits(problem: Problem) -> Result:
    """The process ends as if nothing were wrong."""
    os._exit(7)


def eats_memory(problem: Problem) -> Result:
    """More than there is."""
    return Result(out=np.ones(2**40))


def overwrites(problem: Problem) -> Result:
    """It writes into what it was given."""
    answer = right(problem)
    problem.dout[...] = 0
    return answer
