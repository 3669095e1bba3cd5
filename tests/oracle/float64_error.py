"""How far a float64 evaluation of the definition may be from it, element by element.

Each value is a sum of products. Its error is at most a relative one times its *magnitude*: the same
formula with every term made positive. With u = 2**-53 and n keys, the relative error collects

- of a score: (head_dim + 1) u |scale| |q| |k|, and at most 9 u more of each part for softcap (tanh
  within 4 u), bias and ALiBi;
- of a weight exp(x - m) / l: twice the largest error of the row's exponents, u |x - m| for the
  subtraction included, plus (n + 10) u for exp (within 4 u), the sum and the quotient;
- of the products: one u for each factor and each term added.

`_row_error` is larger than what the gradient, the longest of the formulas, collects: two weights
and 2 n + 2 head_dim_v + head_dim + 40 operations. The surplus covers products of errors, for as
long as all of them are below 1e-8 and no weight falls below 2**-1022.
"""

from __future__ import annotations

import numpy as np

from reference.dense import Weights, softmax
from reference.formats import FP64, Array
from reference.problem import Problem, Result
from reference.problem.head import Head

U = FP64.unit_roundoff


def float64_error(problem: Problem) -> Result:
    """Largest error of each element of the dense result, in the shape of that result."""
    allowed = problem.zeros()
    for head in problem.heads():
        weights = softmax(head)
        e_s = (head.q.shape[1] + 1) * U * _scores(head)
        row = _row_error(head, weights, e_s)
        out = (weights.p * weights.z) @ np.abs(head.v)
        allowed.out[head.at_q] = row * out
        allowed.lse[head.at_lse] = np.where(weights.lse == -np.inf, 0, row[:, 0])
        if head.dout is not None:
            _add_gradients(allowed, head, weights, e_s, row, out)
    return allowed


def _scores(head: Head) -> Array:
    return abs(head.scale) * (np.abs(head.q) @ np.abs(head.k).T)


def _row_error(head: Head, weights: Weights, e_s: Array) -> Array:
    """Relative error of a row of dX, (seqlen_q, 1); lse's absolute one is smaller."""
    i, j = np.arange(head.seqlen_q)[:, None], np.arange(head.seqlen_k)
    parts = _scores(head)
    if head.bias is not None:
        parts = parts + np.where(np.isinf(head.bias), 0, np.abs(head.bias))
    if head.slope is not None:
        parts = parts + abs(head.slope) * np.abs(i + head.shift - j)
    sink = 0.0 if head.sink is None else abs(head.sink)
    lse = np.where(np.isinf(weights.lse), 0, np.abs(weights.lse))
    exponent = (e_s + 12 * U * parts).max(axis=1, initial=0) + 3 * U * (
        parts.max(axis=1, initial=0) + sink + lse
    )
    count = 2 * head.seqlen_k + 2 * head.v.shape[1] + head.q.shape[1] + 40
    return (4 * exponent + count * U)[:, None]


def _add_gradients(
    allowed: Result, head: Head, weights: Weights, e_s: Array, row: Array, out: Array
) -> None:
    q, k, v, dout = (np.abs(x) for x in (head.q, head.k, head.v, head.dout))
    p = weights.p
    delta = (dout * out).sum(axis=1, keepdims=True)
    if head.dlse is not None:
        delta = delta + np.abs(head.dlse)[:, None]
    dx = p * (weights.z * (dout @ v.T) + delta)
    slope = 0 if head.softcap is None else 2 * e_s / head.softcap + 16 * U
    ds = abs(head.scale) * dx
    e_ds = ds * (row + slope)

    # The sums over queries, heads of a group and broadcast axes have at most this many terms.
    added = U * np.prod(allowed.lse.shape) * max(head.seqlen_k, 1)
    allowed.dq[head.at_q] = e_ds @ k + added * (ds @ k)
    allowed.dk[head.at_k] += e_ds.T @ q + added * (ds.T @ q)
    pz = p * weights.z
    allowed.dv[head.at_k] += (row * pz).T @ dout + added * (pz.T @ dout)
    if allowed.dbias is not None:
        into = allowed.dbias.reshape((1,) * (4 - allowed.dbias.ndim) + allowed.dbias.shape)
        into = into[head.at_bias]
        axes = tuple(axis for axis in (0, 1) if into.shape[axis] == 1)
        into += ((row + added) * dx).sum(axis=axes, keepdims=True)
    if allowed.dsink is not None:
        sink = weights.p_sink[:, None] * (row + added) * delta
        allowed.dsink[head.head_q] += sink.sum()
