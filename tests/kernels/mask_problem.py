"""What the mask kernel is asked in tests, and what it must answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from npu_kernels.ascend_c import dropout_bits, tile_bits
from npu_kernels.emulator.options import EmulatorOptions
from reference.dropout import Dropout, HeadDropout, philox4x32
from reference.formats import FP32
from reference.mask import Mask
from reference.problem import Problem


@dataclass(frozen=True, kw_only=True)
class MaskProblem:
    """Lengths of each sequence, heads, and the stream."""

    seqlens_q: tuple[int, ...]
    seqlens_k: tuple[int, ...]
    heads_q: int = 1
    packed: bool = False
    mask: Mask | None = None
    dropout: Dropout = field(
        default_factory=lambda: Dropout(p=0.4, seed=0x0123456789ABCDEF, offset=0xFEDCBA9876543210)
    )

    def ask(self, library, options: EmulatorOptions | None = None) -> dropout_bits.DropoutBits:
        """The kernel's answer."""
        return dropout_bits.keep_bits(
            library,
            self.dropout,
            seqlens_q=self.seqlens_q,
            seqlens_k=self.seqlens_k,
            heads_q=self.heads_q,
            packed=self.packed,
            mask=self.mask,
            options=options or EmulatorOptions(cores=3),
        )

    def want(self):
        """The reference's decisions, in tiles."""
        heads, first = [], 0
        for seqlen_q, seqlen_k in zip(self.seqlens_q, self.seqlens_k, strict=True):
            for _ in range(self.heads_q):
                head = HeadDropout(dropout=self.dropout, first=first, seqlen_k=seqlen_k)
                heads.append(head.keep(range(seqlen_q), range(seqlen_k)))
                first += seqlen_q * seqlen_k
        return tile_bits.of_heads(heads).tiles

    def shown(self):
        """Whether the mask shows a pair of a tile, tile after tile."""
        zeros = [
            np.zeros((1, n, self.heads_q, 1), np.float32)
            for n in (*self.seqlens_q[:1], *self.seqlens_k[:1])
        ]
        problem = Problem(q=zeros[0], k=zeros[1], v=zeros[1], mask=self.mask, format=FP32)
        tiles = [
            tile_bits.of_heads(
                [head.mask.visible(range(head.mask.seqlen_q), range(head.mask.seqlen_k))]
            )
            for head in problem.heads()
        ]
        of_sequence = np.concatenate([one.tiles for one in tiles]).any(axis=(1, 2))
        return np.tile(of_sequence, len(self.seqlens_q))

    def words(self):
        """The word of every element, flat."""
        pairs = np.dot(self.seqlens_q, self.seqlens_k) * self.heads_q
        counter = np.zeros((-(-pairs // 4), 4), np.uint32)
        counter[:, 0] = np.arange(len(counter))
        counter[:, 2:] = self.dropout.offset & 0xFFFFFFFF, self.dropout.offset >> 32
        key = (self.dropout.seed & 0xFFFFFFFF, self.dropout.seed >> 32)
        return philox4x32(counter, key).reshape(-1)[:pairs]

    def keeping_below(self, word: int) -> MaskProblem:
        """The same with a p that keeps exactly the words below `word`.

        Up to 2^22, (word + 1/2) 2^-32 is exact in float32, and so is 1 - p in float64.
        """
        assert word < 2**22
        return self.replace(p=1 - (word + 0.5) * 2.0**-32)

    def replace(self, **changes: object) -> MaskProblem:
        """The same with another p, seed or offset."""
        return replace(self, dropout=replace(self.dropout, **changes))
