"""Patterns of keep, bias, slopes and sink, and the layouts in which tensors may lie in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.cases.inputs import Stream
from reference.formats import FP32, Array, Format

Shape = tuple[int, ...]


def keep(text: str, shape_scores: Shape, stream: Stream) -> Array:
    """A bool array from its name and axes, such as "random bhqk" or "padding b11k".

    Parameters
    ----------
    text : str
        A pattern of KEEPS, and the axes that are not broadcast.
    shape_scores : (batch, heads_q, seqlen_q, seqlen_k)
    """
    name, shape = _parse(text, shape_scores, KEEPS)
    return np.ascontiguousarray(np.broadcast_to(KEEPS[name](shape, stream), shape))


def bias(text: str, shape_scores: Shape, stream: Stream, format: Format) -> Array:
    """A bias exact in `format` from its name and axes, such as "normal 1h1k"."""
    name, shape = _parse(text, shape_scores, BIASES)
    return format.round(np.broadcast_to(BIASES[name](shape, stream), shape))


def slopes(axes: str, batch: int, heads: int) -> Array:
    """ALiBi slopes 1/2, 1/4, ... over heads ("h"); with "bh" each sequence has its own, too."""
    each = 2.0 ** -(1.0 + np.arange(heads) % 8)
    rise = 1.0 + np.arange(batch)[:, None] / 4
    return FP32.round(each if axes == "h" else each * rise)


def sink(text: str, heads: int, stream: Stream) -> Array:
    """Sink logits: "zero", "random", or "large" (far above ordinary logits)."""
    zero = {"zero": 0.0, "random": 2.0, "large": 1.0}[text] * stream.normal("sink", (heads,))
    return FP32.round(zero + (12.0 if text == "large" else 0.0))


def bits(p: float, count: int, stream: Stream, *, padded: bool) -> Array:
    """Packed dropout decisions, LSB first; `padded` fills whole 128-bit words, with noise."""
    size = -(-count // 128) * 128 if padded else count
    return np.packbits(stream.uniform("bits", (size,)) < 1.0 - p, bitorder="little")


def lay_out(tensors: dict[str, Array], layout: str) -> dict[str, Array]:
    """The same values as views with other strides; unused memory holds NaN.

    Raises
    ------
    ValueError
        If there is no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}: give one of {', '.join(LAYOUTS)}")
    return LAYOUTS[layout](tensors)


def _parse(text: str, full: Shape, patterns: dict[str, Pattern]) -> tuple[str, Shape]:
    name, axes = text.split()
    if name not in patterns:
        raise ValueError(f"no pattern {name!r}: give one of {', '.join(patterns)}")
    return name, tuple(1 if axis == "1" else n for axis, n in zip(axes, full, strict=True))


Pattern = Callable[[Shape, Stream], Array]


def _random(shape: Shape, stream: Stream) -> Array:
    return stream.uniform("keep", shape) < 0.6


def _blocks(shape: Shape, stream: Stream) -> Array:
    rows, keys = -(-shape[2] // 32), -(-shape[3] // 32)
    coarse = stream.uniform("keep", (*shape[:2], rows, keys)) < 0.5
    return coarse.repeat(32, axis=2).repeat(32, axis=3)[..., : shape[2], : shape[3]]


def _dead_rows(shape: Shape, stream: Stream) -> Array:
    alive = np.arange(shape[2]) % 3 != 1
    return np.asarray(_random(shape, stream) & alive[:, None])


def _late(shape: Shape, stream: Stream) -> Array:
    return np.arange(shape[3]) >= 2 * shape[3] // 3


def _padding(shape: Shape, stream: Stream) -> Array:
    lengths = shape[3] * (2 + np.arange(shape[0])) // (shape[0] + 2)
    return np.arange(shape[3]) < lengths[:, None, None, None]


def _single(shape: Shape, stream: Stream) -> Array:
    seen = (7 * np.arange(shape[2])[:, None] + 3) % max(shape[3], 1)
    return np.asarray(np.arange(shape[3]) == seen)


KEEPS: dict[str, Pattern] = {
    "random": _random,
    "blocks": _blocks,  # 32 x 32, half of them hidden
    "dead-rows": _dead_rows,  # every third row sees nothing
    "late": _late,  # only the last third of the keys: the first tiles are empty
    "padding": _padding,  # each sequence ends earlier than the next
    "single": _single,  # each row sees one key
}


def _normal(shape: Shape, stream: Stream) -> Array:
    return 2.0 * stream.normal("bias", shape)


def _inf_prefix(shape: Shape, stream: Stream) -> Array:
    return np.where(_late(shape, stream), _normal(shape, stream), -np.inf)


def _inf_rows(shape: Shape, stream: Stream) -> Array:
    return np.where((np.arange(shape[2]) % 5 == 2)[:, None], -np.inf, _normal(shape, stream))


def _soft_mask(shape: Shape, stream: Stream) -> Array:
    masked = (stream.uniform("keep", shape) < 0.4) | (np.arange(shape[2]) % 7 == 3)[:, None]
    return np.where(masked, -10000.0, 0.0)


BIASES: dict[str, Pattern] = {
    "normal": _normal,
    "inf-prefix": _inf_prefix,  # -inf on the first two thirds of the keys
    "inf-rows": _inf_rows,  # some rows are -inf throughout
    "soft-mask": _soft_mask,  # -1e4 stands for a mask; where all keys have it, it hides none
}


def _contiguous(tensors: dict[str, Array]) -> dict[str, Array]:
    return tensors


def _heads_first(x: Array) -> Array:
    return np.ascontiguousarray(x.swapaxes(-3, -2)).swapaxes(-3, -2)


def _gapped(x: Array) -> Array:
    room = np.full((*x.shape[:-3], x.shape[-3] + 3, x.shape[-2] + 1, x.shape[-1] + 5), np.nan)
    view = room.astype(x.dtype)[..., 1 : 1 + x.shape[-3], : x.shape[-2], 2 : 2 + x.shape[-1]]
    view[...] = x
    return view


def _every_other(x: Array) -> Array:
    view = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan, x.dtype)[..., ::2]
    view[...] = x
    return view


def _interleaved(tensors: dict[str, Array]) -> dict[str, Array]:
    qkv = np.stack([tensors[name] for name in "qkv"], axis=-3)
    return tensors | {name: qkv[..., at, :, :] for at, name in enumerate("qkv")}


def _expanded(tensors: dict[str, Array]) -> dict[str, Array]:
    one = {name: np.broadcast_to(tensors[name][..., :1, :], tensors[name].shape) for name in "kv"}
    return tensors | one


def _each(view: Callable[[Array], Array]) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda tensors: {name: view(tensor) for name, tensor in tensors.items()}


LAYOUTS: dict[str, Callable[[dict[str, Array]], dict[str, Array]]] = {
    "contiguous": _contiguous,
    "bnsd": _each(_heads_first),  # memory has heads before rows
    "gapped": _each(_gapped),  # slices of a larger tensor
    "every-other": _each(_every_other),  # the innermost stride is 2
    "qkv": _interleaved,  # q, k and v share one tensor (..., 3, heads, head_dim)
    "expanded": _expanded,  # all heads of k and v are one, with stride 0
}
