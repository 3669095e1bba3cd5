"""from_numpy: any attention function of NumPy arrays becomes a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from conformance.kernel import BadAnswer
from conformance.kernel.declared import AttentionKernel, attention_kernel, name_of
from conformance.keywords import named, require_carriers
from conformance.laws.transform import visible_pairs
from reference.contract import Contract
from reference.formats import Array, Format
from reference.problem import Problem, Result

KEYWORDS: dict[str, Callable[[Problem], Any]] = {
    "scale": lambda problem: problem.scale,
    "mask": lambda problem: visible_pairs(problem),
    "bias": lambda problem: problem.bias,
    "slopes": lambda problem: problem.slopes,
    "softcap": lambda problem: problem.softcap,
    "sink": lambda problem: problem.sink,
    "cu_seqlens_q": lambda problem: problem.cu_seqlens_q,
    "cu_seqlens_k": lambda problem: problem.cu_seqlens_k,
    "problem": lambda problem: problem,
}
"""What a function may ask for by naming a parameter; mask is True where a pair is visible."""


def from_numpy(
    function: Callable[..., Any],
    *,
    backward: Callable[..., Sequence[Array]] | None = None,
    name: str | None = None,
    contract: Contract | Callable[[Problem], Contract] | None = None,
    supports: tuple[str, ...] = ("fp16", "bf16", "fp32"),
    layout: Literal["bshd", "bhsd"] = "bshd",
) -> AttentionKernel:
    """A kernel that runs `function` on a problem's arrays, and rounds results as its contract says.

    Parameters
    ----------
    function : (q, k, v, **keywords) -> out, or (out, lse)
        q, k, v are float32 (float64 for fp64), their values exact in the problem's format, shaped
        as `layout` says; packed problems give (total, heads, head_dim). lse is (batch, heads_q,
        seqlen_q), packed (heads_q, total_q). It receives those of KEYWORDS that its signature
        names.
    backward : (q, k, v, out, lse, dout, **keywords) -> (dq, dk, dv), optional
        The gradients, from the function's own out and lse or from those that the suite gives; after
        dv comes dbias where the problem has a bias, and dsink where it has a sink.
    name : str, optional
        Default: the function's own name.
    contract : Contract, or a function of the problem, optional
        Where the function rounds. Default: ``Contract()``.
    supports : tuple of words of reference.problem.features.FEATURES
        All that the function can do. With `backward`, "backward" is added.
    layout : "bshd" or "bhsd"
        The order of axes of q, k, v, out, dout and their gradients; packed tensors have one order.

    Raises
    ------
    ValueError
        If `supports` has a word that is no feature, "backward" without a `backward`, or a feature
        that the function takes no keyword for.

    Examples
    --------
    >>> import numpy as np
    >>> from conformance import from_numpy, judge
    >>> def attention(q, k, v, *, scale, mask):
    ...     s = np.where(mask, scale * np.einsum("bihd,bjhd->bhij", q, k), -np.inf)
    ...     p = np.exp(s - s.max(-1, keepdims=True))
    ...     return np.einsum("bhij,bjhd->bihd", p / p.sum(-1, keepdims=True), v)
    >>> kernel = from_numpy(attention, supports=("fp32", "causal"))
    """
    label = name or name_of(function)
    if backward is None and "backward" in supports:
        raise ValueError(
            f"{label} supports backward but there is none: give from_numpy a backward, "
            "or leave the word out of supports"
        )
    require_carriers(function, label, supports, KEYWORDS)
    swap = layout == "bhsd"

    def forward(problem: Problem) -> Result:
        answer = function(*_inputs(problem, swap), **_keywords(function, problem))
        out, lse = answer if isinstance(answer, tuple) else (answer, None)
        result = Result(
            out=_stored(out, _stored_as(contract, problem), swap),
            lse=None if lse is None else _statistic(lse, problem),
        )
        if problem.dout is None:
            return result
        assert result.out is not None
        gradients = _gradients(problem, result.out, result.lse)
        return Result(out=result.out, lse=result.lse, **gradients)

    def alone(problem: Problem, out: Array, lse: Array) -> Result:
        return Result(**_gradients(problem, out, lse))

    def _gradients(problem: Problem, out: Array, lse: Array | None) -> dict[str, Array]:
        assert backward is not None and problem.dout is not None
        given = (_ordered(out, swap), lse, _ordered(problem.dout, swap))
        arrays = backward(*_inputs(problem, swap), *given, **_keywords(backward, problem))
        return _named_gradients(arrays, problem, _stored_as(contract, problem), swap)

    words = (*supports, *(("backward",) if backward and "backward" not in supports else ()))
    declare = attention_kernel(
        supports=words,
        contract=contract,
        backward=alone if backward else None,
        name=label,
    )
    return declare(forward)


def _inputs(problem: Problem, swap: bool) -> tuple[Array, ...]:
    return tuple(_ordered(tensor, swap) for tensor in (problem.q, problem.k, problem.v))


def _keywords(function: Callable[..., Any], problem: Problem) -> dict[str, Any]:
    return {name: KEYWORDS[name](problem) for name in named(function, KEYWORDS)}


def _named_gradients(
    arrays: Sequence[Array], problem: Problem, format: Format, swap: bool
) -> dict[str, Array]:
    """What a backward returns, by name, in the formats and layouts of a Result."""
    names = ["dq", "dk", "dv"]
    names += ["dbias"] if problem.bias is not None else []
    names += ["dsink"] if problem.sink is not None else []
    if len(arrays) != len(names):
        raise BadAnswer(f"its backward returns {len(arrays)} arrays: give {', '.join(names)}")
    gradients = dict(zip(names, arrays, strict=True))
    return {
        name: _statistic(array, problem)
        if name == "dsink"
        else _stored(array, format, swap and name != "dbias")
        for name, array in gradients.items()
    }


def _ordered(tensor: Array, swap: bool) -> Array:
    """A view with heads outside of positions, or back; a packed tensor as it is."""
    return tensor.swapaxes(1, 2) if swap and tensor.ndim == 4 else tensor


def _stored_as(
    contract: Contract | Callable[[Problem], Contract] | None, problem: Problem
) -> Format:
    """The format in which the kernel promises its results: the problem's by default."""
    promised = contract(problem) if callable(contract) else contract or Contract()
    return promised.resolve(problem.format).out


def _stored(tensor: Array, format: Format, swap: bool) -> Array:
    """A result as the kernel would store it: in its format and the problem's layout."""
    return format.round(_ordered(np.asarray(tensor, format.dtype), swap)).astype(format.dtype)


def _statistic(array: Array, problem: Problem) -> Array:
    return np.asarray(array, np.float64 if problem.format.name == "fp64" else np.float32)
