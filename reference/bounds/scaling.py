"""Units: blocks of a head's tensors, scaled by powers of two so that squares stay in range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.bounds.roundoffs import Roundoffs
from reference.formats import Array, Format
from reference.problem.head import Head

LARGEST_SCORE = 22.0  # then weights are above 2**-80, and float32 holds their squares, scaled
LARGEST_ERROR = 2.0**-7  # then exp of an error is linear, to a part in 256
SMALLEST = 2.0**-30  # of a tensor's largest element: its square is a normal float32 number
SMALLEST_GRADIENT = 2.0**-80  # then nothing that underflows matters


@dataclass(frozen=True, kw_only=True)
class Units:
    """The unit of each scaled tensor of a head, and the type that it is computed in.

    Attributes
    ----------
    dtype : numpy type
    k, v, dout : float
        Powers of two; a scaled tensor times its unit is the tensor. q is multiplied by the scale
        and by the unit of k, so that scores have unit 1.
    error : float
        The largest worst error of an exponent of the head.
    k_row : float
        The largest Euclidean norm of a row of the scaled k.
    k_fourth, v_fourth : float
        The largest square root of a row's sum of fourth powers, in the scaled k and v.
    """

    dtype: np.dtype[Any]
    k: float = 1.0
    v: float = 1.0
    dout: float = 1.0
    error: float = math.inf
    k_row: float = math.inf
    k_fourth: float = math.inf
    v_fourth: float = math.inf

    @property
    def gradient(self) -> float:
        """The unit of dP, D, dX and dS: that of ``dout v``."""
        return self.dout * self.v

    def scaled_q(self, head: Head, rows: range) -> Array:
        """``scale * q`` of some rows, times the unit of k: (rows, head_dim)."""
        return self._block(head.q, rows, head.scale * self.k)

    def scaled_k(self, head: Head, keys: range) -> Array:
        """Some keys over their unit, (keys, head_dim)."""
        return self._block(head.k, keys, 1 / self.k)

    def scaled_v(self, head: Head, keys: range) -> Array:
        """Some values over their unit, (keys, head_dim_v)."""
        return self._block(head.v, keys, 1 / self.v)

    def scaled_dout(self, head: Head, rows: range) -> Array:
        """Some rows of dout over its unit, (rows, head_dim_v)."""
        assert head.dout is not None
        return self._block(head.dout, rows, 1 / self.dout)

    def _block(self, tensor: Array, steps: range, factor: float) -> Array:
        block = tensor[steps.start : steps.stop].astype(self.dtype)
        block *= factor
        return block


FLOAT64 = Units(dtype=np.dtype(np.float64))


@dataclass(frozen=True)
class _Size:
    """Magnitudes of a tensor: its largest and smallest elements other than 0, its rows' norms."""

    largest: float
    smallest: float
    row: float
    fourth: float

    @property
    def fits(self) -> bool:
        return self.smallest >= SMALLEST * self.largest

    @property
    def unit(self) -> float:
        return 2.0 ** math.frexp(self.largest)[1] if self.largest else 1.0


def units_of(head: Head, r: Roundoffs, format: Format) -> Units:
    """Units in which float32 is exact enough for a bound on this head, or else FLOAT64.

    Source: docs/numerics.md, section 8.
    """
    extras = (head.softcap, head.bias, head.slope, head.dropout)
    if format.precision > 24 or any(extra is not None for extra in extras):
        return FLOAT64
    if r.u_s or r.u_pre or r.u_l or r.u_dp or r.u_p != r.u_ds or r.eta_exp > 2.0**-100:
        return FLOAT64
    q, k, v = _size(head.q), _size(head.k), _size(head.v)
    dout = _Size(0.0, 0.0, 0.0, 0.0) if head.dout is None else _size(head.dout)
    largest = abs(head.scale) * q.row * k.row
    error = (r.gamma(head.q.shape[1] + 2) + 8 * r.u) * largest + 8 * r.u * 16 + r.exp
    units = Units(
        dtype=np.dtype(np.float32),
        k=k.unit,
        v=v.unit,
        dout=dout.unit,
        error=2 * error,
        k_row=k.row / k.unit,
        k_fourth=k.fourth / k.unit**2,
        v_fourth=v.fourth / v.unit**2,
    )
    sink = abs(head.sink or 0.0)
    gradient = 2 * dout.row * v.row * 1.1
    if head.dlse is not None:
        gradient += float(np.abs(head.dlse).max(initial=0.0))
    if (
        all(size.fits for size in (q, k, v, dout))
        and max(largest, sink) <= LARGEST_SCORE
        and units.error <= LARGEST_ERROR
        and gradient < min(r.limit_ds, units.gradient / SMALLEST)
        and units.gradient >= SMALLEST_GRADIENT
    ):
        return units
    return FLOAT64


def _size(tensor: Array, rows: int = 512) -> _Size:
    largest, smallest, row, fourth = 0.0, math.inf, 0.0, 0.0
    for start in range(0, len(tensor), rows):
        block = np.abs(tensor[start : start + rows])
        largest = max(largest, float(block.max(initial=0.0)))
        smallest = min(smallest, float(block.min(initial=math.inf, where=block > 0)))
        square = np.square(block, dtype=np.float64)
        row = max(row, float(square.sum(axis=1).max(initial=0.0)) ** 0.5)
        fourth = max(fourth, float(np.square(square).sum(axis=1).max(initial=0.0)) ** 0.5)
    return _Size(largest, min(smallest, largest), row, fourth)
