"""Masks: the keep decisions of one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Masks:
    """The keep decisions of one call.

    Attributes
    ----------
    keep : (batch, heads, seqlen_q, seqlen_k) bool
        True = kept.
    p : float
        Nominal probability of dropping.
    """

    keep: NDArray[np.bool_]
    p: float
