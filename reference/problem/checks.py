"""What a Problem must satisfy: every shape, type and value is checked here, and only here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reference.formats import FP32, FP64, Array, Format, describe
from reference.problem.tiling import four_axes

if TYPE_CHECKING:
    from reference.problem import Problem


def check(problem: Problem) -> None:
    """Raise ValueError, with one line that says what is wrong and how to mend it."""
    _check_format(problem)
    _check_packing(problem)
    _check_shapes(problem)
    _check_numbers(problem)
    _check_pairs(problem)
    _check_values(problem)


def _require(holds: object, text: str) -> None:
    if not holds:
        raise ValueError(text)


def _check_format(problem: Problem) -> None:
    format = problem.format
    _require(isinstance(format, Format), f"format is {format!r}: give one of reference.formats")
    for name in ("q", "k", "v", "dout", "bias"):
        tensor = getattr(problem, name)
        if tensor is None and name in ("dout", "bias"):
            continue
        _require(
            isinstance(tensor, np.ndarray) and tensor.dtype == format.dtype,
            f"{name} is {describe(tensor)}: a {format.name} problem takes {format.dtype} arrays "
            f"(q, k, v, dout and bias alike) whose values are exact in {format.name}",
        )
    side = FP64 if format == FP64 else FP32
    for name in ("slopes", "sink", "dlse"):
        tensor = getattr(problem, name)
        _require(
            tensor is None or (isinstance(tensor, np.ndarray) and tensor.dtype == side.dtype),
            f"{name} is {describe(tensor)}: give a {side.dtype} array",
        )


def _check_packing(problem: Problem) -> None:
    ends = (problem.cu_seqlens_q, problem.cu_seqlens_k)
    _require(
        (ends[0] is None) == (ends[1] is None),
        "only one of cu_seqlens_q and cu_seqlens_k is given: give both (packed) or none (dense)",
    )
    rank = 4 if ends[0] is None else 3
    layout = "(batch, seqlen, heads, head_dim)" if rank == 4 else "(total, heads, head_dim)"
    for name in ("q", "k", "v"):
        tensor = getattr(problem, name)
        _require(tensor.ndim == rank, f"{name} has shape {tensor.shape}: give {layout}")
    for name, cu_seqlens, tensor in zip("qk", ends, (problem.q, problem.k), strict=True):
        if cu_seqlens is None:
            continue
        cu = np.asarray(cu_seqlens)
        _require(
            cu.ndim == 1 and len(cu) and np.issubdtype(cu.dtype, np.integer),
            f"cu_seqlens_{name} is {cu.dtype} {cu.shape}: give a flat integer array of offsets",
        )
        _require(
            cu[0] == 0 and (cu[1:] >= cu[:-1]).all(),
            f"cu_seqlens_{name} is {_shorten(cu)}: offsets begin at 0 and never go back",
        )
        _require(
            cu[-1] == len(tensor),
            f"cu_seqlens_{name} ends at {cu[-1]} but {name} has {len(tensor)} rows: "
            "give the total as the last offset",
        )
    if ends[0] is not None and ends[1] is not None:
        _require(
            len(ends[0]) == len(ends[1]),
            f"cu_seqlens_q has {len(ends[0])} offsets and cu_seqlens_k {len(ends[1])}: "
            "give one more than there are sequences to each",
        )


def _shorten(cu: Array) -> str:
    return np.array2string(cu, threshold=12, edgeitems=4, separator=", ", max_line_width=1000)


def _check_shapes(problem: Problem) -> None:
    q, k, v = problem.q, problem.k, problem.v
    _require(
        k.shape[:-1] == v.shape[:-1],
        f"k has shape {k.shape} and v {v.shape}: they differ only in their last axis",
    )
    _require(
        problem.is_packed or len(q) == len(k),
        f"q has batch {len(q)} and k has {len(k)}: give the same",
    )
    _require(
        q.shape[-1] == k.shape[-1] and q.shape[-1] > 0 and v.shape[-1] > 0,
        f"q has head_dim {q.shape[-1]}, k {k.shape[-1]}, v {v.shape[-1]}: "
        "q and k share one, and none is 0",
    )
    _require(
        problem.heads_k > 0 and problem.heads_q > 0 and problem.heads_q % problem.heads_k == 0,
        f"{problem.heads_q} query heads and {problem.heads_k} key heads: "
        "heads_q must be a multiple of heads_k",
    )
    out_shape = (*q.shape[:-1], v.shape[-1])
    expected = {
        "dout": (out_shape,),
        "dlse": (problem.shape_lse,),
        "sink": ((problem.heads_q,),),
        "slopes": ((problem.heads_q,), (problem.batch, problem.heads_q)),
    }
    for name, shapes in expected.items():
        tensor = getattr(problem, name)
        _require(
            tensor is None or tensor.shape in shapes,
            f"{name} has shape {getattr(tensor, 'shape', None)}: "
            f"give {' or '.join(map(str, shapes))}",
        )
    _require(
        problem.dlse is None or problem.dout is not None,
        "dlse is given without dout: give dout too (zeros, if nothing arrives at out)",
    )


def _check_numbers(problem: Problem) -> None:
    _require(np.isfinite(problem.scale), f"scale is {problem.scale}: give a finite number")
    softcap = problem.softcap
    _require(
        softcap is None or (softcap > 0 and np.isfinite(softcap)),
        f"softcap is {softcap}: give a positive number, or None",
    )
    prefix = problem.mask.prefix
    _require(
        not isinstance(prefix, tuple) or len(prefix) == problem.batch,
        f"mask prefix is {prefix}: give one length, or one to each of {problem.batch} sequences",
    )
    if problem.dropout is None or problem.dropout.bits is None:
        return
    count = problem.heads_q * sum(
        a * b for a, b in zip(problem.seqlens_q, problem.seqlens_k, strict=True)
    )
    exact, padded = -(-count // 8), -(-count // 128) * 16
    _require(
        problem.dropout.bits.size in (exact, padded),
        f"dropout has {problem.dropout.bits.size} bytes of bits for {count} elements: "
        f"give {exact}, or {padded} (whole 128-bit words)",
    )


def _check_pairs(problem: Problem) -> None:
    for name, array in (("mask keep", problem.mask.keep), ("bias", problem.bias)):
        if array is None:
            continue
        shape = problem.shape_scores
        fits = array.ndim <= 4 and all(
            size in (1, full) for size, full in zip(four_axes(array).shape, shape, strict=True)
        )
        _require(fits, f"{name} has shape {array.shape}: it must broadcast to {shape}")


def _check_values(problem: Problem) -> None:
    format = problem.format
    for name in ("q", "k", "v", "dout", "bias", "slopes", "sink", "dlse"):
        tensor = getattr(problem, name)
        if tensor is None:
            continue
        finite = np.isfinite(tensor)
        if name == "bias":
            finite |= np.isneginf(tensor)
        if name in ("q", "k", "v", "dout") and problem.poisoned:
            finite |= np.isnan(tensor)
        _require(
            finite.all(),
            f"{name} has {tensor.size - np.count_nonzero(finite)} values that are NaN or infinite: "
            "give finite ones (-inf is allowed in bias only)",
        )
        if name in ("q", "k", "v", "dout", "bias"):
            _require(
                format.holds(tensor),
                f"{name} has values that are not exact in {format.name}: "
                f"round it first, with reference.formats.{format.name.upper()}.round",
            )
