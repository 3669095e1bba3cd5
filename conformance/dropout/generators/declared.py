"""Masks against those of a declared generator, decision by decision.

Decisions in another order are as random as they were: only this tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from conformance.dropout.statistics.masks import Masks

Bits = NDArray[np.bool_]


def _turned(keep: Bits) -> Bits:
    batch, heads, seqlen_q, seqlen_k = keep.shape
    return keep.reshape(batch, heads, seqlen_k, seqlen_q).swapaxes(2, 3)


def _highest_first(keep: Bits) -> Bits:
    turned = np.unpackbits(np.packbits(keep, bitorder="little"), count=keep.size)
    return turned.astype(np.bool_).reshape(keep.shape)


READINGS: dict[str, Callable[[Bits], Bits]] = {
    "kept and dropped are exchanged": np.logical_not,
    "its planes are transposed: elements are numbered along columns": _turned,
    "its bits are packed with the highest of each byte first": _highest_first,
    "all heads have the mask of head 0": lambda keep: np.broadcast_to(keep[:, :1], keep.shape),
    "all batches have the mask of batch 0": lambda keep: np.broadcast_to(keep[:1], keep.shape),
}


def difference(masks: Masks, declared: Masks) -> str | None:
    """How masks differ from those that were declared, in words; None if they do not."""
    if masks.keep.shape != declared.keep.shape:
        return f"the masks have shape {masks.keep.shape}, those declared {declared.keep.shape}"
    unlike = masks.keep != declared.keep
    if not unlike.any():
        return None
    for words, reading in READINGS.items():
        if (reading(declared.keep) == masks.keep).all():
            return f"the mask is the declared generator's, but {words}"
    first = tuple(int(n) for n in np.argwhere(unlike)[0])
    return (
        f"{np.count_nonzero(unlike)} of {unlike.size} decisions are not the declared generator's, "
        "the first at batch {}, head {}, row {}, column {}".format(*first)
    )


def compared(
    calls: Iterable[Masks], declared: Iterable[Masks], differences: list[str]
) -> Iterator[Masks]:
    """The calls as they come; the first difference from those declared is left in `found`."""
    for number, (masks, other) in enumerate(zip(calls, declared, strict=False)):
        if not differences and (words := difference(masks, other)):
            differences.append(f"call {number}: {words}")
        yield masks
