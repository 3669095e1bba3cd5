"""Masks: the keep decisions of one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference.formats import describe


class Refused(ValueError):
    """Masks of which nothing can be said; the text says why, and what to give."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Masks:
    """The keep decisions of one call of a kernel or a generator.

    Attributes
    ----------
    keep : (batch, heads, seqlen_q, seqlen_k) bool
        True where the weight is kept. Element t of the flat array is element t of the stream.
    p : float in [0, 1)
        Nominal probability of dropping.

    Raises
    ------
    ValueError
        If keep is no such array or has no elements, or p is outside [0, 1).
    """

    keep: NDArray[np.bool_]
    p: float

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise ValueError(f"p is {self.p}: give a probability of dropping in [0, 1)")
        keep = self.keep
        if not isinstance(keep, np.ndarray) or keep.dtype != np.bool_ or keep.ndim != 4:
            raise ValueError(
                f"keep is {describe(keep)}: give a bool array (batch, heads, seqlen_q, seqlen_k)"
            )
        if not keep.size:
            raise ValueError(f"keep has shape {keep.shape}: there is no decision in it")
