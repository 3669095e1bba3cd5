"""Where torch's attention backends round: the contract of each, for a problem."""

from __future__ import annotations

from reference.contract import Contract
from reference.formats import BF16, FP32, FP64
from reference.problem import Problem

EXP_U20 = 2.0**-20
"""Relative error of torch's exp_u20, which keeps 20 bits."""

FAST_EXP = 2.0**-13.5
"""Relative error of the vector exp for fp16 and bf16: its exp(0) is 1 - 5.4e-5."""


def math(problem: Problem) -> Contract:
    """The math backend computes in fp32 (fp64 for fp64) and rounds each result once.

    It multiplies q and k by sqrt(scale) each before their product: `pre` covers q, and the
    truncation that `u_acc` allows covers k. The root is rounded, and used twice: an error common
    to all of dq and dk, which `exp_rel` declares. Its D is summed over keys, from dP that are sums
    over head_dim_v: that is `h`. Dropout draws from torch's generator, here as on CUDA.

    Source: torch 2.13, aten/src/ATen/native/transformers/attention.cpp.
    """
    compute = FP64 if problem.format == FP64 else FP32
    return Contract(
        weights=compute,
        dscores=compute,
        scaled_q=compute,
        longest_sum=problem.max_seqlen_k + problem.head_dim_v,
        exp_rel=2 * compute.unit_roundoff,
        dropout="own",
    )


def flash_on_cpu(problem: Problem) -> Contract:
    """The flash backend on the CPU: tiles of queries and 512 keys, exp with 20 bits.

    dq is accumulated in the problem's format, once for each tile of keys; dk and dv once for each
    tile of queries and, with GQA, for each head of the group. A row that sees no key reports
    lse = 0. The dot products of bf16 that a CPU has (AVX512_BF16, AMX) read 2**-127 as 0, and write
    it so.

    Source: torch 2.13, aten/src/ATen/native/cpu/FlashAttentionKernel.cpp.
    """
    seqlen_q = problem.max_seqlen_q
    block_q = 256 if seqlen_q >= 768 else 64 if seqlen_q >= 192 else 32
    tiles_q, tiles_k = -(-seqlen_q // block_q), -(-problem.max_seqlen_k // 512)
    exp_rel = {"fp64": 0.0, "fp32": EXP_U20}.get(problem.format.name, FAST_EXP)
    return Contract(
        exp_rel=exp_rel,
        flushes_subnormals=problem.format == BF16,
        out_roundings=max(tiles_k, 1),
        dkv_roundings=max(tiles_q, 1) * problem.group + (problem.group > 1),
        dead_rows=(0.0, 0.0),
    )


def fused_on_cuda(problem: Problem) -> Contract:
    """The fused backends on CUDA: each head of a group rounds its own share of dk and dv."""
    return Contract(dkv_roundings=problem.group + (problem.group > 1), dropout="own")
