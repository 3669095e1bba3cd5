"""Attention as textbooks have it: scores, softmax, weights times values, each a whole matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from conformance.torch_bridge import TorchKernel, TorchLaunch, from_torch, import_torch
from npu_kernels.on_device.torch_probe import probe
from npu_kernels.torch_kernels import sdpa_arguments
from reference.contract import Contract
from reference.formats import BF16, Array
from reference.problem import Problem, Result, Unsupported

if TYPE_CHECKING:
    from torch import Tensor

SUPPORTS = (
    *("fp16", "bf16", "fp32", "fp64", "backward", "strided", "scale"),
    *("causal", "window", "top_left", "prefix", "keep"),
    *("gqa", "mqa", "cross_length", "head_dim_v"),
)
TINY = 2.0**-110
"""2**16 times the smallest normal number of bf16: weights are at least that small."""


@dataclass(frozen=True, eq=False)
class Eager:
    """The kernel; it declines what rounding whole matrices makes meaningless."""

    below: TorchKernel

    @property
    def name(self) -> str:
        """Names the device, too."""
        return self.below.name

    @property
    def device(self) -> str:
        """A torch device."""
        return self.below.device

    @property
    def digest(self) -> str:
        """Which torch ran."""
        return self.below.digest

    def contract(self, problem: Problem) -> Contract:
        """Where eager attention rounds: the module's `contract`."""
        return contract(problem)

    def __call__(self, problem: Problem) -> Result:
        """The answer.

        Raises
        ------
        Unsupported
            If a feature is missing, or the format is too coarse: see `require_meaning`.
        """
        launch = self.prepare(problem)
        launch.launch()
        return launch.result()

    def prepare(self, problem: Problem) -> TorchLaunch:
        """Ready to be launched; declines as the call."""
        problem.require_only(*SUPPORTS)
        require_meaning(problem)
        return self.below.prepare(problem)


@cache
def kernel() -> Eager:
    """It on the NPU or the GPU if there is one, else on the CPU; not run on an NPU yet."""
    return Eager(
        from_torch(
            attention,
            name="eager",
            device=_device(),
            supports=SUPPORTS,
            layout="bhsd",
        )
    )


def _device() -> str:
    """Where our kernel runs, too, so that the two can be compared."""
    sees_npu = find_spec("torch_npu") is not None and probe().devices > 0
    return "npu" if sees_npu else sdpa_arguments.device()


def require_meaning(problem: Problem) -> None:
    """Raise Unsupported where rounded scores say nothing, or results are flushed to 0.

    A score may be rounded by one unit roundoff of |scale| |q| |k|: by 1, its weight is off by a
    factor of e. torch's matmul of bf16 on the CPU takes values below the smallest normal for 0.
    """
    score = abs(problem.scale) * _longest(problem.q) * _longest(problem.k)
    if (off := problem.format.unit_roundoff * score) > 1:
        raise Unsupported(f"scores rounded to {problem.format.name} may be off by {off:.3g} > 1")
    least = min(float(np.abs(x).max(initial=0)) for x in (problem.q, problem.k, problem.v))
    if problem.format == BF16 and 0 < least < TINY:
        raise Unsupported(f"values below {TINY:.3g}: torch's matmul of bf16 flushes their products")


def _longest(vectors: Array) -> float:
    return float(np.linalg.norm(vectors.astype(np.float64), axis=-1).max(initial=0.0))


def attention(q: Tensor, k: Tensor, v: Tensor, *, scale: float, mask: Tensor | None) -> Tensor:
    """softmax(scale q k^T) v with softmax in at least fp32, as models without a fused kernel do.

    Heads of a group read copies of their key head.
    """
    torch = import_torch()
    group = q.shape[1] // k.shape[1]
    if group > 1:
        k, v = (x.repeat_interleave(group, dim=1) for x in (k, v))
    scores = (q * scale) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    inside = torch.float64 if q.dtype == torch.float64 else torch.float32
    weights = scores.softmax(dim=-1, dtype=inside).to(q.dtype)
    out: Tensor = weights @ v
    return out


def contract(problem: Problem) -> Contract:
    """Every matrix is rounded to the problem's format: q * scale, scores, weights, dS, and dP.

    Autograd sums D over keys, from dP that are sums over head_dim_v: `longest_sum`. It rounds dq
    before and after its product with scale; dk and dv once for each head of a group, and once more
    when these are added.
    """
    group = problem.group
    return Contract(
        scores=problem.format,
        scaled_q=problem.format,
        dweights=problem.format,
        longest_sum=problem.max_seqlen_k + problem.head_dim_v,
        out_roundings=2,
        dkv_roundings=group + (group > 1),
    )
