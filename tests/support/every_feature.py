"""A problem for each forward feature of our kernel, and one with all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.laws.assertions import make_problem
from reference.dropout import Dropout
from reference.formats import FORMATS
from reference.mask import Mask
from reference.problem import Problem

SHAPE = {"seqlen_q": 150, "seqlen_k": 290, "heads_q": 2, "heads_k": 2, "head_dim": 40}
PAIRS = (2, 2, 150, 290)
LENGTHS_Q, LENGTHS_K = (130, 0, 1, 40), (290, 5, 0, 129)  # of packed sequences


def normal(*shape: int) -> np.ndarray:
    """Multiples of 1/8: exact in both formats."""
    values = np.random.default_rng(0).normal(size=shape) * 8
    return (np.round(values) / 8).astype(np.float32)


def kept(*shape: int) -> np.ndarray:
    """Half of the pairs, and one query that sees none."""
    keep = np.random.default_rng(1).random(shape) < 0.5
    keep[..., 3, :] = False
    return keep


def hiding(*shape: int) -> np.ndarray:
    """A bias that hides some pairs, and all of one query."""
    bias = normal(*shape)
    bias[..., ::3, ::2] = bias[..., 5, :] = -np.inf
    return bias


FEATURES: dict[str, dict[str, Any]] = {
    "window": {"mask": Mask(window=(70, 10))},
    "window-left": {"mask": Mask(window=(20, None))},
    "window-of-none": {"mask": Mask(window=(-5, 2))},
    "window-turned-round": {"mask": Mask(window=(3, -4))},
    "window-beyond-everything": {"mask": Mask(window=(10**15, -100))},
    "top-left": {"mask": Mask(window=(None, 0), anchor="top-left")},
    "prefix": {"mask": Mask(window=(10, 0), prefix=37)},
    "prefix-and-gap": {"mask": Mask(window=(3, -2), prefix=(130, 10**15))},
    "keep": {"mask": Mask(keep=kept(2, 1, 150, 290))},
    "keep-of-keys": {"mask": Mask(window=(50, 5), keep=kept(4, 290)[0])},
    "bias": {"bias": normal(*PAIRS)},
    "bias-of-queries": {"bias": normal(150, 1)},
    "bias-of-keys": {"bias": normal(2, 1, 1, 290)},
    "bias-of-heads": {"bias": normal(2, 1, 1)},
    "bias-that-hides": {"bias": hiding(*PAIRS)},
    "alibi": {"slopes": np.array([0.5, 0.25], np.float32), "mask": Mask(window=(None, 0))},
    "alibi-top-left": {"slopes": normal(2, 2), "mask": Mask(window=(99, 50), anchor="top-left")},
    "softcap": {"softcap": 2.0},
    "sink": {"sink": np.array([1, -2], np.float32), "mask": Mask(window=(4, -3))},
    "sink-that-rules": {"sink": np.array([30, -200], np.float32)},
    "dropout": {"dropout": Dropout(p=0.3, seed=5)},
    "dropout-bits": {"dropout": Dropout(p=0.5, bits=np.arange(21750).astype(np.uint8))},
}
STEPS = {
    "batch": 1,
    "seqlen_q": 270,
    "seqlen_k": 1200,
    "heads_q": 2,
    "heads_k": 1,
    "head_dim": 40,
}
"""Blocks of queries that share their keys, which they see in several steps."""
OVER_STEPS: dict[str, dict[str, Any]] = {
    "causal": {"mask": Mask(window=(None, 0))},
    "window": {"mask": Mask(window=(600, -300))},
    "prefix-and-gap": {"mask": Mask(window=(30, 0), prefix=640)},
    "keep": {"mask": Mask(keep=kept(1, 2, 270, 1200))},
    "bias": {"bias": normal(1, 2, 270, 1200), "softcap": 2.0},
    "alibi": {"slopes": np.array([0.5, 0.25], np.float32), "sink": np.array([1, 30], np.float32)},
    "dropout": {"dropout": Dropout(p=0.3, seed=5), "mask": Mask(window=(200, 0))},
}
HEAD_DIMS = ((40, 72), (72, 40), (256, 1), (1, 256), (136, 256))


def featured(name: str, format: str) -> Problem:
    """The problem with this one of FEATURES."""
    return make_problem(format, **SHAPE, **FEATURES[name]).replace(dout=None)


def wide(head_dim: int, head_dim_v: int, format: str) -> Problem:
    """Values of another length than queries and keys."""
    problem = make_problem(format, seqlen_q=70, seqlen_k=140, head_dim=head_dim)
    v = make_problem(format, seqlen_q=70, seqlen_k=140, head_dim=head_dim_v).v
    return problem.replace(v=v, dout=None)


def everything(format: str, *, packed: bool = True, head_dim: int = 40) -> Problem:
    """All features in one problem, of values that round."""
    lengths = (LENGTHS_Q, LENGTHS_K) if packed else ((150, 150), (290, 290))
    totals = [(sum(side),) if packed else (len(side), side[0]) for side in lengths]
    random, carrier = np.random.default_rng(2), FORMATS[format]
    shapes = {"q": (*totals[0], 4, head_dim), "k": (*totals[1], 2, head_dim)}
    shapes["v"] = (*totals[1], 2, 24)
    offsets = {f"cu_seqlens_{s}": np.cumsum((0, *n)) for s, n in zip("qk", lengths, strict=True)}
    batch, pairs = len(lengths[0]), (max(lengths[0]), max(lengths[1]))
    return Problem(
        **{name: carrier.round(random.normal(size=shape)) for name, shape in shapes.items()},
        **(offsets if packed else {}),
        format=carrier,
        scale=0.3,
        softcap=3.0,
        slopes=normal(batch, 4),
        sink=normal(4),
        bias=hiding(batch, 1, *pairs),
        dropout=Dropout(p=0.1, seed=3, offset=9),
        mask=Mask(window=(120, 33), prefix=tuple(range(20, 20 + batch)), keep=kept(1, 4, *pairs)),
    )
