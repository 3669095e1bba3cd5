"""Head: one query head of one sequence, as two-dimensional views. Algorithms see nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType

from reference.dropout import HeadDropout
from reference.formats import Array
from reference.mask import HeadMask

Index = tuple[int | slice | EllipsisType, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Head:
    """One query head of one sequence.

    Attributes
    ----------
    sequence, head_q, head_k : int
    q, k, v : (seqlen_q, head_dim), (seqlen_k, head_dim), (seqlen_k, head_dim_v)
    dout : (seqlen_q, head_dim_v), or None
    dlse : (seqlen_q,), or None
    scale : float
    softcap : float, or None
    bias : (seqlen_q, seqlen_k), or None
        A broadcast view. Where it is -inf, `mask` hides the pair.
    slope, sink : float, or None
    shift : int
        Query i stands at key position ``i + shift``: ALiBi's distance is ``|i + shift - j|``.
    mask : HeadMask
    dropout : HeadDropout, or None
    at_q, at_k, at_lse, at_bias : index
        Where this head stands in tensors shaped like out and q, like k and v, like lse, and like
        the four-dimensional bias: ``result.out[head.at_q]`` is (seqlen_q, head_dim_v).
    """

    sequence: int
    head_q: int
    head_k: int
    q: Array
    k: Array
    v: Array
    dout: Array | None
    dlse: Array | None
    scale: float
    softcap: float | None
    bias: Array | None
    slope: float | None
    sink: float | None
    shift: int
    mask: HeadMask
    dropout: HeadDropout | None
    at_q: Index
    at_k: Index
    at_lse: Index
    at_bias: Index

    @property
    def seqlen_q(self) -> int:
        """Queries of this sequence."""
        return len(self.q)

    @property
    def seqlen_k(self) -> int:
        """Keys of this sequence."""
        return len(self.k)
