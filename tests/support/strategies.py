"""Hypothesis strategies: small problems in which every feature may meet every other."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from reference.dropout import Dropout
from reference.formats import FP32, FP64, Array, Format
from reference.mask import ANCHORS, HeadMask, Mask
from reference.problem import Problem

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no finding."""

SEEDS = st.integers(0, 2**32 - 1)
EDGES = st.none() | st.integers(-4, 9)
WINDOWS = st.just((None, 0)) | st.tuples(EDGES, EDGES)


def numbers(rng: np.random.Generator, format: Format, *shape: int, spread: float = 1.0) -> Array:
    """Normal numbers of some standard deviation, rounded into `format`."""
    return format.round(spread * rng.standard_normal(shape))


def side_format(format: Format) -> Format:
    """The format of slopes, sink and dlse in problems of `format`."""
    return FP64 if format == FP64 else FP32


@st.composite
def shapes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`: some axes are 1, and leading ones may be absent."""
    kept = tuple(draw(st.sampled_from((1, size))) for size in shape)
    return kept[draw(st.integers(0, len(shape))) :]


@st.composite
def masks(draw: st.DrawFn, scores: tuple[int, ...]) -> Mask:
    """Masks of a problem whose scores have shape (batch, heads_q, max_seqlen_q, max_seqlen_k)."""
    lengths = st.integers(0, 6)
    keep = None
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(SEEDS))
        keep = np.asarray(rng.random(draw(shapes(scores))) < draw(st.sampled_from((0.0, 0.5, 0.9))))
    return Mask(
        window=draw(WINDOWS),
        anchor=draw(st.sampled_from(ANCHORS)),
        prefix=draw(st.none() | lengths | st.tuples(*[lengths] * scores[0])),
        keep=keep,
    )


@st.composite
def head_masks(draw: st.DrawFn, max_seqlen: int = 9) -> HeadMask:
    """Masks of one head."""
    seqlen_q, seqlen_k = draw(st.integers(0, max_seqlen)), draw(st.integers(0, max_seqlen))
    keep = None
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(SEEDS))
        keep = rng.random((seqlen_q, seqlen_k)) < draw(st.sampled_from((0.1, 0.5, 0.9)))
    edges = st.none() | st.integers(-max_seqlen - 2, max_seqlen + 2)
    return HeadMask(
        seqlen_q=seqlen_q,
        seqlen_k=seqlen_k,
        left=draw(edges),
        right=draw(edges),
        prefix=draw(st.sampled_from((0, 0, 1, 3, max_seqlen + 3))),
        keep=keep,
    )


@st.composite
def dropouts(draw: st.DrawFn, elements: int) -> Dropout:
    """Dropout of a problem with so many elements, from the stream or from packed bits."""
    p = draw(st.sampled_from((0.0, 0.1, 0.5, 0.9)))
    if draw(st.booleans()):
        words = st.integers(0, 2**64 - 1)
        return Dropout(p=p, seed=draw(words), offset=draw(words))
    rng = np.random.default_rng(draw(SEEDS))
    size = draw(st.sampled_from((-(-elements // 8), -(-elements // 128) * 16)))
    return Dropout(p=p, bits=rng.integers(0, 256, size, dtype=np.uint8))


@st.composite
def problems(
    draw: st.DrawFn, *, format: Format = FP64, max_seqlen: int = 7, max_heads: int = 6
) -> Problem:
    """Dense and packed problems with any features; half of them ask for gradients."""
    rng = np.random.default_rng(draw(SEEDS))
    lengths = st.sampled_from((*range(1, max_seqlen + 1), 0))
    batch = draw(st.sampled_from((1, 2, 3, 0)))
    heads_k = draw(st.integers(1, 2))
    heads_q = heads_k * draw(st.integers(1, max(max_heads // heads_k, 1)))
    head_dim, head_dim_v = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    if packed := draw(st.booleans()):
        seqlens_q = draw(st.tuples(*[lengths] * batch))
        seqlens_k = draw(st.tuples(*[lengths] * batch))
        lead_q, lead_k = (sum(seqlens_q),), (sum(seqlens_k),)
        scores = (batch, heads_q, max(seqlens_q, default=0), max(seqlens_k, default=0))
    else:
        lead_q, lead_k = (batch, draw(lengths)), (batch, draw(lengths))
        seqlens_q, seqlens_k = (lead_q[1],) * batch, (lead_k[1],) * batch
        scores = (batch, heads_q, lead_q[1], lead_k[1])

    maybe, side = st.booleans(), side_format(format)
    spread = draw(st.sampled_from((1.0, 1.0, 6.0)))
    bias = None
    if draw(maybe):
        bias = numbers(rng, format, *draw(shapes(scores)))
        bias = np.where(rng.random(bias.shape) < draw(st.sampled_from((0.0, 0.3))), -np.inf, bias)
        bias = bias.astype(format.dtype)
    elements = heads_q * sum(a * b for a, b in zip(seqlens_q, seqlens_k, strict=True))
    shape_lse = (heads_q, *lead_q) if packed else (batch, heads_q, lead_q[1])
    slopes = (heads_q,) if draw(maybe) else (batch, heads_q)
    dout = numbers(rng, format, *lead_q, heads_q, head_dim_v) if draw(maybe) else None
    return Problem(
        q=numbers(rng, format, *lead_q, heads_q, head_dim, spread=spread),
        k=numbers(rng, format, *lead_k, heads_k, head_dim),
        v=numbers(rng, format, *lead_k, heads_k, head_dim_v),
        format=format,
        mask=draw(masks(scores)),
        scale=draw(st.sampled_from((None, 1.0, -0.3))),
        bias=bias,
        slopes=side.round(rng.random(slopes)) if draw(maybe) else None,
        softcap=draw(st.sampled_from((None, 2.0, 30.0))),
        sink=numbers(rng, side, heads_q, spread=3.0) if draw(maybe) else None,
        dropout=draw(dropouts(elements)) if draw(maybe) else None,
        cu_seqlens_q=np.cumsum((0, *seqlens_q)) if packed else None,
        cu_seqlens_k=np.cumsum((0, *seqlens_k)) if packed else None,
        dout=dout,
        dlse=numbers(rng, side, *shape_lse) if dout is not None and draw(maybe) else None,
    )
