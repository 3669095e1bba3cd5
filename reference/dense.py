"""The definition: attention and its gradient, written as the formula, in float64, O(n^2) memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.head import Head
from reference.problem.tiling import four_axes


@dataclass(frozen=True, eq=False)
class Weights:
    """The softmax of one head.

    Attributes
    ----------
    p : (seqlen_q, seqlen_k)
    slope : (seqlen_q, seqlen_k)
        Derivative of softcap at each score; 1 without softcap.
    z : (seqlen_q, seqlen_k)
        What dropout multiplies each weight by: 0 or 1 / (1 - p); 1 without dropout.
    lse, p_sink : (seqlen_q,)
        p_sink is the weight of the sink; 0 without one.
    """

    p: Array
    slope: Array
    z: Array
    lse: Array
    p_sink: Array


def attention(problem: Problem) -> Result:
    """Softmax attention and, where the problem has a dout, its gradients, in float64.

    Rows that see no key and have no sink give out = 0 and lse = -inf; their gradients are 0.

    Source: docs/architecture.md, "The definition".
    """
    result = problem.zeros()
    for head in problem.heads():
        weights = softmax(head)
        assert result.out is not None and result.lse is not None
        result.out[head.at_q] = (weights.p * weights.z) @ head.v.astype(np.float64)
        result.lse[head.at_lse] = weights.lse
        if head.dout is not None:
            _add_gradients(result, head, weights)
    return result


def softmax(head: Head) -> Weights:
    """Weights of one head."""
    i, j = np.arange(head.seqlen_q)[:, None], np.arange(head.seqlen_k)
    visible = head.mask.visible(range(head.seqlen_q), range(head.seqlen_k))

    x = head.scale * (head.q.astype(np.float64) @ head.k.astype(np.float64).T)
    slope = np.ones_like(x)
    if head.softcap is not None:
        t = np.tanh(x / head.softcap)
        x, slope = head.softcap * t, 1 - t**2
    if head.bias is not None:
        x = x + head.bias
    if head.slope is not None:
        x = x - head.slope * np.abs(i + head.shift - j)
    x = np.where(visible, x, -np.inf)

    sink = np.full((head.seqlen_q, 1), -np.inf if head.sink is None else head.sink)
    m = np.max(np.concatenate([x, sink], axis=1), axis=1, keepdims=True)
    m = np.where(np.isfinite(m), m, 0.0)  # a row that sees nothing has no maximum
    e, e_sink = np.exp(x - m), np.exp(sink - m)
    total = e.sum(axis=1, keepdims=True) + e_sink
    with np.errstate(divide="ignore"):
        lse = np.log(total) + m
    total = np.where(total == 0, 1.0, total)  # and all its weights are 0

    z: Array = np.ones_like(x)
    if head.dropout is not None:
        keep = head.dropout.keep(range(head.seqlen_q), range(head.seqlen_k))
        z = keep * head.dropout.scale
    return Weights(e / total, slope, z, lse[:, 0], (e_sink / total)[:, 0])


def _add_gradients(result: Result, head: Head, weights: Weights) -> None:
    assert head.dout is not None
    q, k, v, dout = (x.astype(np.float64) for x in (head.q, head.k, head.v, head.dout))
    p, z = weights.p, weights.z
    out = (p * z) @ v

    dz = z * (dout @ v.T)
    delta = (dout * out).sum(axis=1) - (0.0 if head.dlse is None else head.dlse.astype(np.float64))
    dx = p * (dz - delta[:, None])
    ds = head.scale * weights.slope * dx

    assert result.dq is not None and result.dk is not None and result.dv is not None
    result.dq[head.at_q] = ds @ k
    result.dk[head.at_k] += ds.T @ q
    result.dv[head.at_k] += (p * z).T @ dout
    if result.dbias is not None:
        into = four_axes(result.dbias)[head.at_bias]
        axes = tuple(axis for axis in (0, 1) if into.shape[axis] == 1)
        into += dx.sum(axis=axes, keepdims=True)
    if result.dsink is not None:
        result.dsink[head.head_q] -= (weights.p_sink * delta).sum()
