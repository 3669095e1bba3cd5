"""The vendor's layouts: where a tensor's axes lie in a raw file.

B batch, S sequence, N heads, D channels, H = N D, T = all rows of all sequences.
"""

from __future__ import annotations

import numpy as np

from reference.formats import Array
from reference.problem import Problem

LAYOUTS = ("BSND", "BNSD", "BSH", "SBH", "TND")
ROWS = ("q", "k", "v", "dout", "out", "dq", "dk", "dv")
STATISTICS = ("lse", "dlse", "softmax_max", "softmax_sum")


def default(problem: Problem) -> str:
    """The layout that is ours: TND for packed sequences, else BSND."""
    return "TND" if problem.is_packed else "BSND"


def fits(problem: Problem, layout: str) -> bool:
    """Whether the layout can hold the problem: packed sequences have no batch axis."""
    return layout == "TND" or not problem.is_packed


def arranged(name: str, tensor: Array, layout: str) -> Array:
    """Our tensor as it lies in `layout`, contiguous.

    Statistics are (B, N, S), in TND (T, N). What has neither rows nor statistics stays as it is.
    """
    if name in STATISTICS and layout == "TND":
        tensor = np.moveaxis(tensor, -2, -1)  # (T, N), or (B, S, N)
        tensor = tensor.reshape(-1, tensor.shape[-1])
    elif name in ROWS:
        tensor = _rows(tensor, layout)
    return np.ascontiguousarray(tensor)


def shape_in(name: str, shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The shape of a tensor of ours in `layout`."""
    return arranged(name, np.broadcast_to(np.int8(0), shape), layout).shape


def restored(name: str, flat: Array, shape: tuple[int, ...], layout: str) -> Array:
    """Our tensor of `shape` from the elements of a file in `layout`: the inverse of `arranged`."""
    place = arranged(name, np.arange(flat.size).reshape(shape), layout)
    tensor = np.empty(flat.size, flat.dtype)
    tensor[place.ravel()] = flat.ravel()
    return tensor.reshape(shape)


def _rows(tensor: Array, layout: str) -> Array:
    if tensor.ndim == 3:  # packed: only TND fits
        return tensor
    batch, seqlen, heads, channels = tensor.shape
    if layout == "TND":
        return tensor.reshape(batch * seqlen, heads, channels)
    if layout == "BNSD":
        return tensor.swapaxes(1, 2)
    if layout == "BSH":
        return tensor.reshape(batch, seqlen, heads * channels)
    if layout == "SBH":
        return tensor.reshape(batch, seqlen, heads * channels).swapaxes(0, 1)
    return tensor
