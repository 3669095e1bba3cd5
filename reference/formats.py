"""Binary floating-point formats: what they can hold, and correct rounding into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rounding = Literal["even", "away"]


_NATIVE = {(11, 15): np.float16, (24, 127): np.float32}


@dataclass(frozen=True)
class Format:
    """A binary floating-point format with subnormals and infinities (IEEE 754-2019, 3.3).

    Attributes
    ----------
    name : str
        "fp16", "bf16", "fp32" or "fp64".
    precision : int
        Bits of the significand, the implicit one included.
    max_exponent : int
        Exponent of the largest finite number, which lies in [2**max_exponent, 2**(max_exponent+1)).
    """

    name: str
    precision: int
    max_exponent: int

    @property
    def min_exponent(self) -> int:
        """Exponent of the smallest normal number."""
        return 1 - self.max_exponent

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of rounding to nearest, in the normal range: 2**-precision."""
        return 2.0**-self.precision

    @property
    def half_subnormal(self) -> float:
        """Largest absolute error of rounding to nearest, below the normal range (0.0 for FP64).

        FP64's own value, 2**-1075, is itself no float64: it underflows to 0.
        """
        return 2.0**self.min_exponent * self.unit_roundoff

    @property
    def largest(self) -> float:
        """Largest finite number of this format."""
        return (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.max_exponent

    @property
    def overflow_threshold(self) -> float:
        """Smallest magnitude that rounds to infinity (infinity itself for FP64)."""
        if self.precision == 53:
            return float("inf")
        return (2.0 - self.unit_roundoff) * 2.0**self.max_exponent

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of the arrays that carry values: float64 for FP64, else float32."""
        return np.dtype(np.float64 if self.precision > 24 else np.float32)

    def round(self, x: Array, *, rounding: Rounding = "even") -> Array:
        """Round `x` to the nearest number of this format, once.

        Ties go to the even significand, or away from zero (Ascend C's CAST_RINT and CAST_ROUND).
        Overflow gives infinity; NaN stays NaN. The result has this format's carrier `dtype`.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN is one all the same
            x = np.asarray(x, np.float64)
            if self.precision == 53:
                return x
            native = _NATIVE.get((self.precision, self.max_exponent))
            if rounding == "even" and native is not None:  # NumPy rounds these correctly
                return x.astype(native).astype(np.float32)
            _, exponent = np.frexp(x)
            quantum = np.ldexp(1.0, np.maximum(exponent, self.min_exponent + 1) - self.precision)
            steps = x / quantum
            if rounding == "even":
                steps = np.rint(steps)
            else:
                whole = np.trunc(steps)
                steps = whole + np.copysign(np.abs(steps - whole) >= 0.5, steps)
            rounded = np.asarray(steps * quantum)
            overflows = np.abs(rounded) > self.largest
            return np.where(overflows, np.copysign(np.inf, x), rounded).astype(np.float32)

    def holds(self, x: Array) -> bool:
        """Whether every element of `x` is a number of this format (NaN and infinity included)."""
        return bool(np.array_equal(self.round(x), x, equal_nan=True))


FP64 = Format("fp64", 53, 1023)
FP32 = Format("fp32", 24, 127)
FP16 = Format("fp16", 11, 15)
BF16 = Format("bf16", 8, 127)

FORMATS = {format.name: format for format in (FP16, BF16, FP32, FP64)}


def describe(argument: object) -> str:
    """What an argument is, in the words of an error message: its type, and an array's shape."""
    if isinstance(argument, np.ndarray):
        return f"a {argument.dtype} array of shape {argument.shape}"
    return "None" if argument is None else f"of type {type(argument).__name__}"
