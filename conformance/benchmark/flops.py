"""How much a problem asks for: floating-point operations, and bytes that cannot be avoided."""

from __future__ import annotations

import numpy as np

from reference.formats import Format
from reference.problem import Problem

FORWARD, BACKWARD = (1, 1), (3, 2)
"""Products of a pair along head_dim and along head_dim_v. Forward: q k; p v. Backward: q k again,
ds k, ds q; dout v, p dout."""
LSE_BYTES = 4


def pairs(problem: Problem) -> int:
    """Pairs of a query and a key that see each other, over all query heads.

    Raises
    ------
    ValueError
        If visibility is more than a window, or the window is to the left, too.
    """
    left, right = problem.mask.window
    if left is not None or problem.mask.prefix is not None or problem.mask.keep is not None:
        raise ValueError("pairs counts causal and full masks only")
    seen = 0
    for seqlen_q, seqlen_k in zip(problem.seqlens_q, problem.seqlens_k, strict=True):
        if right is None:
            seen += seqlen_q * seqlen_k
            continue
        shift = seqlen_k - seqlen_q if problem.mask.anchor == "bottom-right" else 0
        last = np.arange(seqlen_q, dtype=np.int64) + shift + right + 1
        seen += int(np.clip(last, 0, seqlen_k).sum())
    return seen * problem.heads_q


def flops(problem: Problem) -> int:
    """Two for each multiplication and addition of the products; masked pairs do not count.

    The backward makes scores again: five products beside the forward's two. Source: Dao 2023,
    "FlashAttention-2", section 4.1.
    """
    of_dim, of_dim_v = FORWARD
    if problem.dout is not None:
        of_dim, of_dim_v = of_dim + BACKWARD[0], of_dim_v + BACKWARD[1]
    return 2 * pairs(problem) * (of_dim * problem.head_dim + of_dim_v * problem.head_dim_v)


def bytes_moved(problem: Problem) -> int:
    """Each tensor read once and written once in its own format: what no kernel can do without.

    Forward: q, k, v; out, lse. Backward, beside it: q, k, v, out, lse, dout; dq, dk, dv.
    """
    q, k, v = problem.q.size, problem.k.size, problem.v.size
    out = q // problem.head_dim * problem.head_dim_v
    lse = q // problem.head_dim * LSE_BYTES
    value = value_bytes(problem.format)
    if problem.dout is None:
        return value * (q + k + v + out) + lse
    return value * (3 * (q + k + v) + 3 * out) + 2 * lse


def value_bytes(format: Format) -> int:
    """Bytes of one value: its precision, of which one bit is not stored but for the sign's."""
    exponent_bits = (format.max_exponent + 1).bit_length()
    return (format.precision + exponent_bits) // 8
