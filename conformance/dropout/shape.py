"""Shape: the lengths, heads and mask of a problem whose tensors are all 0."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reference.dropout import Dropout
from reference.formats import Array, Format
from reference.mask import Mask
from reference.problem import Problem


@dataclass(frozen=True, eq=False, kw_only=True)
class Shape:
    """Everything about a problem but what its tensors hold.

    Attributes
    ----------
    seqlens_q, seqlens_k : lengths of each sequence; all alike unless packed
    heads_q, heads_k, head_dim : int
    mask : Mask
    packed : bool
    """

    seqlens_q: tuple[int, ...]
    seqlens_k: tuple[int, ...]
    heads_q: int = 2
    heads_k: int = 2
    head_dim: int = 64
    mask: Mask = field(default_factory=Mask)
    packed: bool = False

    @property
    def pairs(self) -> int:
        """Pairs of a query and a key, over all heads and sequences."""
        return self.heads_q * int(np.dot(self.seqlens_q, self.seqlens_k))

    def zeros(self, format: Format, dropout: Dropout, *, backward: bool) -> Problem:
        """The problem of this shape, all tensors 0; with a dout if `backward`."""
        q = self._tensor(self.seqlens_q, self.heads_q, format)
        k = self._tensor(self.seqlens_k, self.heads_k, format)
        ends_q, ends_k = (np.cumsum((0, *lens)) for lens in (self.seqlens_q, self.seqlens_k))
        return Problem(
            q=q,
            k=k,
            v=k,
            format=format,
            mask=self.mask,
            dropout=dropout,
            cu_seqlens_q=ends_q if self.packed else None,
            cu_seqlens_k=ends_k if self.packed else None,
            dout=q if backward else None,
        )

    def _tensor(self, seqlens: tuple[int, ...], heads: int, format: Format) -> Array:
        if self.packed:
            return np.zeros((sum(seqlens), heads, self.head_dim), format.dtype)
        return np.zeros((len(seqlens), seqlens[0], heads, self.head_dim), format.dtype)
