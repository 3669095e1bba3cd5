"""Problem: everything an attention kernel is asked, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from reference.dropout import Dropout, HeadDropout
from reference.formats import Array, Format
from reference.mask import HeadMask, Mask
from reference.problem.checks import check
from reference.problem.features import features_of
from reference.problem.head import Head, Index
from reference.problem.result import Result, Unsupported
from reference.problem.tiling import four_axes


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """Softmax attention over dense or packed sequences, with the gradient that arrives at it.

    Scores are ``x = softcap(scale * q k) + bias - slope * |i + shift - j|`` with ``softcap(s) =
    softcap * tanh(s / softcap)``, over the visible keys and the sink; shift is ``seqlen_k -
    seqlen_q`` or, with the top-left anchor, 0. Arrays are float32 (float64 for FP64) and exact
    in `format`.

    Attributes
    ----------
    q : (batch, seqlen_q, heads_q, head_dim), packed (total_q, heads_q, head_dim)
    k : (batch, seqlen_k, heads_k, head_dim), packed (total_k, heads_k, head_dim)
    v : (batch, seqlen_k, heads_k, head_dim_v), packed (total_k, heads_k, head_dim_v)
        Query head n reads key head ``n // (heads_q // heads_k)``.
    format : Format
    mask : Mask
    scale : float
        Default ``head_dim ** -0.5``.
    bias : broadcastable to (batch, heads_q, seqlen_q, seqlen_k), or None
        Added after scaling; -inf hides the pair. Packed: see Mask.keep.
    slopes : (heads_q,) or (batch, heads_q), FP32, or None
    softcap : float > 0, or None
    sink : (heads_q,), FP32, or None
        A logit of each row with no value, unscaled; 0 is "smooth softmax".
    dropout : Dropout, or None
    cu_seqlens_q, cu_seqlens_k : (sequences + 1,) int, or None
        Offsets of the packed sequences, from 0 to the total.
    dout : like out, or None
        Gradient at out; with it the problem asks for gradients.
    dlse : like lse, FP32, or None
        Gradient at lse.
    poisoned : bool
        Allows NaN in q, k, v and dout, for the laws about what a kernel must not read.

    Raises
    ------
    ValueError
        If shapes, types or values do not fit together; the text says what and how to mend it.
    """

    q: Array
    k: Array
    v: Array
    format: Format
    mask: Mask = field(default_factory=Mask)
    scale: float = None  # type: ignore[assignment]  # __post_init__ fills it in
    bias: Array | None = None
    slopes: Array | None = None
    softcap: float | None = None
    sink: Array | None = None
    dropout: Dropout | None = None
    cu_seqlens_q: Array | None = None
    cu_seqlens_k: Array | None = None
    dout: Array | None = None
    dlse: Array | None = None
    poisoned: bool = False

    def __post_init__(self) -> None:
        if self.scale is None and isinstance(self.q, np.ndarray) and self.q.ndim:
            object.__setattr__(self, "scale", float(max(self.q.shape[-1], 1) ** -0.5))
        check(self)

    @property
    def is_packed(self) -> bool:
        """Whether sequences of different lengths lie end to end ("thd"), not in a batch."""
        return self.cu_seqlens_q is not None

    @cached_property
    def offsets_q(self) -> tuple[int, ...]:
        """Where each sequence's queries begin, counted over the whole batch, and the total."""
        return _offsets(self.q, self.cu_seqlens_q)

    @cached_property
    def offsets_k(self) -> tuple[int, ...]:
        """Where each sequence's keys begin, counted over the whole batch, and the total."""
        return _offsets(self.k, self.cu_seqlens_k)

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self.offsets_q) - 1

    @property
    def seqlens_q(self) -> tuple[int, ...]:
        """Queries of each sequence."""
        return tuple(np.diff(self.offsets_q).tolist())

    @property
    def seqlens_k(self) -> tuple[int, ...]:
        """Keys of each sequence."""
        return tuple(np.diff(self.offsets_k).tolist())

    @property
    def max_seqlen_q(self) -> int:
        """Queries of the longest sequence."""
        return max(self.seqlens_q, default=0) if self.is_packed else self.q.shape[1]

    @property
    def max_seqlen_k(self) -> int:
        """Keys of the longest sequence."""
        return max(self.seqlens_k, default=0) if self.is_packed else self.k.shape[1]

    @property
    def heads_q(self) -> int:
        """Query heads."""
        return int(self.q.shape[-2])

    @property
    def heads_k(self) -> int:
        """Key and value heads."""
        return int(self.k.shape[-2])

    @property
    def group(self) -> int:
        """Query heads to a key head."""
        return self.heads_q // self.heads_k if self.heads_k else 1

    @property
    def head_dim(self) -> int:
        """Length of a query or key vector."""
        return int(self.q.shape[-1])

    @property
    def head_dim_v(self) -> int:
        """Length of a value vector."""
        return int(self.v.shape[-1])

    @property
    def shape_lse(self) -> tuple[int, ...]:
        """Shape of lse: (batch, heads_q, seqlen_q), packed (heads_q, total_q)."""
        if self.is_packed:
            return (self.heads_q, self.offsets_q[-1])
        return (self.batch, self.heads_q, self.q.shape[1])

    @property
    def shape_scores(self) -> tuple[int, int, int, int]:
        """What bias and keep broadcast to: (batch, heads_q, max_seqlen_q, max_seqlen_k)."""
        return (self.batch, self.heads_q, self.max_seqlen_q, self.max_seqlen_k)

    @property
    def drops(self) -> bool:
        """Whether dropout does anything."""
        return self.dropout is not None and self.dropout.p > 0

    @cached_property
    def features(self) -> frozenset[str]:
        """What a kernel must support to answer, by effect; features.FEATURES lists the words."""
        return features_of(self)

    @property
    def hides_by_head(self) -> bool:
        """Whether the heads of a sequence may see different keys."""
        arrays = (self.mask.keep, self.bias if self._bias_hides else None)
        return any(array is not None and four_axes(array).shape[1] > 1 for array in arrays)

    def require_only(self, *supported: str) -> None:
        """Raise Unsupported if the problem needs any feature beyond those named."""
        if missing := sorted(self.features - set(supported)):
            raise Unsupported(", ".join(missing))

    def replace(self, **changes: Any) -> Problem:
        """A copy with some fields changed, checked anew."""
        return replace(self, **changes)

    def zeros(self) -> Result:
        """A Result of float64 zeros with the shape of every tensor that the problem asks for."""
        out = np.zeros((*self.q.shape[:-1], self.head_dim_v))
        lse = np.zeros(self.shape_lse)
        if self.dout is None:
            return Result(out=out, lse=lse)
        return Result(
            out=out,
            lse=lse,
            dq=np.zeros(self.q.shape),
            dk=np.zeros(self.k.shape),
            dv=np.zeros(self.v.shape),
            dbias=None if self.bias is None else np.zeros(self.bias.shape),
            dsink=None if self.sink is None else np.zeros(self.heads_q),
        )

    def head_mask(self, sequence: int, head_q: int) -> HeadMask:
        """The mask of one head, with the pairs hidden that a bias of -inf hides."""
        seqlen_q, seqlen_k = self.seqlens_q[sequence], self.seqlens_k[sequence]
        shift = seqlen_k - seqlen_q if self.mask.anchor == "bottom-right" else 0
        left, right = self.mask.window
        prefix = self.mask.prefix
        keep = self._pairs(self.mask.keep, sequence, head_q)
        if self._bias_hides:
            seen = self._pairs(self._bias_is_finite, sequence, head_q)
            keep = seen if keep is None else keep & seen
        return HeadMask(
            seqlen_q=seqlen_q,
            seqlen_k=seqlen_k,
            left=None if left is None else shift - left,
            right=None if right is None else shift + right,
            prefix=prefix[sequence] if isinstance(prefix, tuple) else prefix or 0,
            keep=keep,
        )

    def heads(self) -> Iterator[Head]:
        """Every (sequence, query head), by sequence: the heads of a group are neighbours."""
        first = 0
        for sequence in range(self.batch):
            pairs = self.seqlens_q[sequence] * self.seqlens_k[sequence]
            for head_q in range(self.heads_q):
                yield self._head(sequence, head_q, first)
                first += pairs

    def _head(self, sequence: int, head_q: int, first: int) -> Head:
        head_k = head_q // self.group
        at_q, at_k = self._at(sequence, head_q, "q"), self._at(sequence, head_k, "k")
        at_lse: Index = (head_q, at_q[0]) if self.is_packed else (sequence, head_q)
        mask = self.head_mask(sequence, head_q)
        slope = None
        if self.slopes is not None:
            slope = float(
                np.broadcast_to(self.slopes, (self.batch, self.heads_q))[sequence, head_q]
            )
        shift = mask.seqlen_k - mask.seqlen_q if self.mask.anchor == "bottom-right" else 0
        dropout = None
        if self.dropout is not None and self.drops:
            dropout = HeadDropout(dropout=self.dropout, first=first, seqlen_k=mask.seqlen_k)
        return Head(
            sequence=sequence,
            head_q=head_q,
            head_k=head_k,
            q=self.q[at_q],
            k=self.k[at_k],
            v=self.v[at_k],
            dout=None if self.dout is None else self.dout[at_q],
            dlse=None if self.dlse is None else self.dlse[at_lse],
            scale=self.scale,
            softcap=self.softcap,
            bias=self._pairs(self.bias, sequence, head_q),
            slope=slope,
            sink=None if self.sink is None else float(self.sink[head_q]),
            shift=shift,
            mask=mask,
            dropout=dropout,
            at_q=at_q,
            at_k=at_k,
            at_lse=at_lse,
            at_bias=self._at_bias(sequence, head_q),
        )

    def _at(self, sequence: int, head: int, side: str) -> Index:
        if not self.is_packed:
            return (sequence, slice(None), head)
        offsets = self.offsets_q if side == "q" else self.offsets_k
        return (slice(offsets[sequence], offsets[sequence + 1]), head)

    def _at_bias(self, sequence: int, head_q: int) -> Index:
        if self.bias is None:
            return ()
        shape = four_axes(self.bias).shape
        lengths = (self.seqlens_q[sequence], self.seqlens_k[sequence])
        return (
            sequence if shape[0] > 1 else 0,
            head_q if shape[1] > 1 else 0,
            *(slice(n if size > 1 else 1) for size, n in zip(shape[2:], lengths, strict=True)),
        )

    def _pairs(self, array: Array | None, sequence: int, head_q: int) -> Array | None:
        if array is None:
            return None
        shape = (self.seqlens_q[sequence], self.seqlens_k[sequence])
        whole = np.broadcast_to(four_axes(array), self.shape_scores)
        return whole[sequence, head_q, : shape[0], : shape[1]]

    @cached_property
    def _bias_is_finite(self) -> Array:
        assert self.bias is not None
        return np.isfinite(self.bias)

    @cached_property
    def _bias_hides(self) -> bool:
        return self.bias is not None and not bool(self._bias_is_finite.all())


def _offsets(tensor: Array, cu_seqlens: Array | None) -> tuple[int, ...]:
    if cu_seqlens is not None:
        return tuple(int(offset) for offset in cu_seqlens)
    batch, seqlen = tensor.shape[:2]
    return tuple(range(0, batch * seqlen + 1, seqlen)) if seqlen else (0,) * (batch + 1)
