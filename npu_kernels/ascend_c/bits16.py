"""Values of 16 bits: fp16 and bf16 as the kernels read them, from and to float32 carriers."""

from __future__ import annotations

import numpy as np

from reference.formats import FP16, Array, Format

QUIET = np.uint32(1 << 22)  # without it, the upper half of a NaN may be an infinity


def encode(values: Array, format: Format) -> Array:
    """Bits of float32 values that are exact in `format`, uint16.

    Steps between elements are kept, and with them what lies in the gaps; values whose innermost
    step is not 1, or which lie backwards, are packed.
    """
    steps = [stride // values.itemsize for stride in values.strides]
    kept = all(stride % values.itemsize == 0 and stride >= 0 for stride in values.strides)
    if values.size == 0 or not kept or (values.shape[-1] > 1 and steps[-1] != 1):
        return _encode(np.ascontiguousarray(values), format)
    span = 1 + sum(step * (size - 1) for step, size in zip(steps, values.shape, strict=True))
    whole = np.lib.stride_tricks.as_strided(values, (span,), (values.itemsize,))
    return np.lib.stride_tricks.as_strided(
        _encode(whole, format), values.shape, [2 * step for step in steps]
    )


def decode(bits: Array, format: Format) -> Array:
    """The values of `bits`, float32."""
    if format == FP16:
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _encode(values: Array, format: Format) -> Array:
    if format == FP16:
        with np.errstate(invalid="ignore", over="ignore"):  # a gap may hold anything
            return values.astype(np.float16).view(np.uint16)
    quiet = np.where(np.isnan(values), QUIET, np.uint32(0))
    return ((values.view(np.uint32) | quiet) >> 16).astype(np.uint16)
