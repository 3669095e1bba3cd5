"""One problem with every feature at once, and how two answers to it are compared."""

from __future__ import annotations

import numpy as np

from reference.dropout import Dropout
from reference.formats import BF16, FP64, Format
from reference.mask import Mask
from reference.problem import Problem, Result
from support.strategies import numbers, side_format


def crossed_problem(
    format: Format = FP64, lengths: tuple[int, int] = (9, 13), **changes: object
) -> Problem:
    """Two sequences, four query heads on two key heads, with gradients and every feature.

    Parameters
    ----------
    lengths : seqlen_q and seqlen_k
    changes : fields of Problem that differ; PLAIN takes the features away
    """
    rng = np.random.default_rng(1)
    side = side_format(format)
    given = {
        "q": numbers(rng, format, 2, lengths[0], 4, 5),
        "k": numbers(rng, format, 2, lengths[1], 2, 5),
        "v": numbers(rng, format, 2, lengths[1], 2, 3),
        "dout": numbers(rng, format, 2, lengths[0], 4, 3),
        "format": format,
        "bias": numbers(rng, format, 2, 4, *lengths),
        "sink": numbers(rng, side, 4),
        "slopes": side.round(rng.random(4)),
        "dlse": numbers(rng, side, 2, 4, lengths[0]),
        "softcap": 3.0,
        "dropout": Dropout(p=0.25, seed=5),
        "mask": Mask(window=(6, 2)),
    }
    return Problem(**(given | changes))


PLAIN = dict.fromkeys(("bias", "sink", "slopes", "dlse", "softcap", "dropout"))
"""Changes of crossed_problem that leave plain attention with a window."""

BIAS = numbers(np.random.default_rng(4), BF16, 2, 4, 9, 13)  # exact in every format that is tried


def assert_same_bits(a: Result, b: Result) -> None:
    """Every tensor of two answers is equal, element by element; NaN equals NaN."""
    for (name, x), (_, y) in zip(a.tensors(), b.tensors(), strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)


def assert_within(got: Result, want: Result, allowed: Result) -> None:
    """No element of `got` is farther from `want` than allowed; what is infinite is the same."""
    got_tensors, allowed_tensors = dict(got.tensors()), dict(allowed.tensors())
    for name, x in want.tensors():
        y, room = got_tensors[name], allowed_tensors[name]
        finite = np.isfinite(x)
        np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=name)
        error = np.abs(y[finite].astype(np.float64) - x[finite])
        assert (error <= room[finite]).all(), f"{name}: {error.max()}, allowed {room.max()}"
