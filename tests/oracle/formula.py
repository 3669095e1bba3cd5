"""The definition as a few lines of torch in float64, whose gradients torch derives by itself."""

from __future__ import annotations

import math

import numpy as np
import torch

from oracle.exact import (
    element,
    keeps,
    lengths,
    pair,
    sees,
    shift,
    statistic,
    vector,
)
from reference.problem import Problem, Result


def torch_attention(problem: Problem) -> Result:
    """Out, lse and, where the problem has a dout, torch's gradients."""
    given = {name: getattr(problem, name) for name in ("q", "k", "v", "bias", "sink")}
    leaves = {
        name: torch.tensor(x.astype(np.float64), requires_grad=True)
        for name, x in given.items()
        if x is not None
    }
    out = torch.zeros((*problem.q.shape[:-1], problem.v.shape[-1]), dtype=torch.float64)
    lse = torch.zeros(problem.shape_lse, dtype=torch.float64)
    loss = torch.zeros((), dtype=torch.float64)
    for b, (rows, keys) in enumerate(zip(*lengths(problem), strict=True)):
        for n in range(problem.q.shape[-2]):
            for_head = _head(problem, leaves, b, n, rows, keys)
            for i in range(rows):
                at_out, at_lse = vector(problem, "out", (b, i), n), statistic(problem, (b, i), n)
                out[at_out], lse[at_lse] = for_head[0][i].detach(), for_head[1][i].detach()
                if problem.dout is not None:
                    loss = loss + for_head[0][i] @ torch.tensor(problem.dout[at_out])
                if problem.dlse is not None and torch.isfinite(for_head[1][i]):
                    loss = loss + for_head[1][i] * float(problem.dlse[at_lse])
    if problem.dout is None:
        return Result(out=out.numpy(), lse=lse.numpy())
    if loss.requires_grad:
        loss.backward()
    slopes = {
        f"d{name}": (torch.zeros_like(x) if x.grad is None else x.grad).numpy()
        for name, x in leaves.items()
    }
    return Result(out=out.numpy(), lse=lse.numpy(), **slopes)


def _head(
    problem: Problem, leaves: dict[str, torch.Tensor], b: int, n: int, rows: int, keys: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Out (rows, head_dim_v) and lse (rows) of one head."""
    group = problem.q.shape[-2] // problem.k.shape[-2]
    q = _rows(problem, leaves, "q", b, n, rows)
    k = _rows(problem, leaves, "k", b, n // group, keys)
    v = _rows(problem, leaves, "v", b, n // group, keys)
    x = problem.scale * (q @ k.T)
    if problem.softcap is not None:
        x = problem.softcap * torch.tanh(x / problem.softcap)
    if problem.slopes is not None:
        slope = problem.slopes[n] if problem.slopes.ndim == 1 else problem.slopes[b, n]
        at = torch.arange(rows)[:, None] + shift(problem, b) - torch.arange(keys)
        x = x - float(slope) * at.abs().double()
    pairs = [[(b, n, i, j) for j in range(keys)] for i in range(rows)]
    if "bias" in leaves and rows and keys:
        bias = leaves["bias"]
        x = x + torch.stack(
            [torch.stack([bias[pair(problem.bias, *at)] for at in row]) for row in pairs]
        )
    seen = torch.tensor([[sees(problem, *at) for at in row] for row in pairs], dtype=torch.bool)
    x = x.masked_fill(~seen.reshape(rows, keys), -math.inf)
    sink = torch.full((rows, 1), -math.inf, dtype=torch.float64)
    if "sink" in leaves:
        sink = leaves["sink"][n].expand(rows, 1)
    x = torch.cat([x, sink], dim=1)
    m = x.detach().amax(dim=1, keepdim=True)
    m = torch.where(torch.isfinite(m), m, 0)
    e = torch.exp(x - m)
    l = e.sum(dim=1, keepdim=True)  # noqa: E741
    alive = l > 0
    l = torch.where(alive, l, 1)  # noqa: E741
    lse = torch.where(alive, torch.log(l) + m, -math.inf)
    p = (e / l)[:, :keys]
    if problem.dropout is not None and problem.dropout.p > 0:
        kept = [[keeps(problem.dropout, element(problem, *at)) for at in row] for row in pairs]
        p = p * torch.tensor(kept, dtype=torch.float64).reshape(rows, keys)
        p = p / (1 - problem.dropout.p)
    return p @ v, lse[:, 0]


def _rows(
    problem: Problem, leaves: dict[str, torch.Tensor], name: str, b: int, head: int, count: int
) -> torch.Tensor:
    tensor = leaves[name]
    rows = [tensor[vector(problem, name, (b, i), head)] for i in range(count)]
    return torch.stack(rows) if rows else tensor.new_zeros(0, tensor.shape[-1])
