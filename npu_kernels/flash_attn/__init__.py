"""What a model calls: attention on torch tensors, forward and backward, by our kernels.

Tensors on the CPU go to the emulator, those on an NPU to the device. float16 and bfloat16; under
torch.autocast other floating types are cast first. Names, parameters and layouts are those that
users of the flash-attn package know: (batch, seqlen, heads, head_dim), causal from the bottom
right, a window side of -1 is unbounded. A query that sees no key gives out = 0 and lse = -inf.

Results and gradients are the same bits in every run, whatever `deterministic` says. Dropout draws
its seed from torch's generator of the CPU: torch.manual_seed repeats it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from npu_kernels.flash_attn.attend import Options, Stream, attend
from npu_kernels.flash_attn.checks import (
    check_dropout,
    check_head_dim,
    check_longest,
    sides,
)
from npu_kernels.flash_attn.offsets import Offsets, host_offsets

Window = tuple[int, int]
UNBOUNDED = (-1, -1)


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Window = UNBOUNDED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    *,
    sink: Tensor | None = None,
    stream: Stream | None = None,
) -> Tensor:
    """Attention of each sequence of a batch.

    Parameters
    ----------
    q : (batch, seqlen_q, heads_q, head_dim)
    k : (batch, seqlen_k, heads_k, head_dim)
    v : (batch, seqlen_k, heads_k, head_dim_v)
        heads_q is a multiple of heads_k.
    dropout_p : float in [0, 1)
    softmax_scale : float, optional
        Default: head_dim ** -0.5.
    causal : bool
        Query i sees keys up to i + seqlen_k - seqlen_q.
    window_size : (left, right)
        It sees `left` keys before that one and `right` behind it; -1: all.
    softcap : float
        Scores become softcap * tanh(score / softcap); 0: they stay.
    alibi_slopes : (heads_q,) or (batch, heads_q), float32
        Scores lose slope * |i + seqlen_k - seqlen_q - j|.
    deterministic : bool
        Accepted for its users: every result here is.
    sink : (heads_q,), float32
        A logit of each row that has no value; gradients arrive at it. Zeros: smooth softmax.
    stream : (seed, offset), optional
        Of dropout's Philox numbers, docs/architecture.md says which. Default: drawn anew.

    Returns
    -------
    (batch, seqlen_q, heads_q, head_dim_v)

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be; the text names it.
    """
    out, _ = flash_attn_with_lse(
        q,
        k,
        v,
        dropout_p,
        softmax_scale,
        causal,
        window_size,
        softcap,
        alibi_slopes,
        deterministic,
        sink=sink,
        stream=stream,
    )
    return out


def flash_attn_with_lse(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Window = UNBOUNDED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    *,
    sink: Tensor | None = None,
    stream: Stream | None = None,
) -> tuple[Tensor, Tensor]:
    """`flash_attn_func`, with the logarithm of each row's sum; gradients flow through both.

    Returns
    -------
    out : (batch, seqlen_q, heads_q, head_dim_v)
    lse : (batch, heads_q, seqlen_q), float32
    """
    return attend(
        q,
        k,
        v,
        None,
        Options(
            dropout_p=dropout_p,
            softmax_scale=softmax_scale,
            window=sides(window_size, causal),
            softcap=softcap,
            slopes=alibi_slopes,
            sink=sink,
            stream=stream,
        ),
    )


def flash_attn_qkvpacked_func(
    qkv: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Window = UNBOUNDED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    *,
    sink: Tensor | None = None,
    stream: Stream | None = None,
) -> Tensor:
    """`flash_attn_func` of queries, keys and values that lie side by side.

    Parameters
    ----------
    qkv : (batch, seqlen, 3, heads, head_dim)
    """
    if qkv.ndim != 5 or qkv.shape[2] != 3:
        raise ValueError(f"qkv: shape {tuple(qkv.shape)}: give (batch, seqlen, 3, heads, head_dim)")
    q, k, v = qkv.unbind(2)
    return flash_attn_func(
        q,
        k,
        v,
        dropout_p,
        softmax_scale,
        causal,
        window_size,
        softcap,
        alibi_slopes,
        deterministic,
        sink=sink,
        stream=stream,
    )


def flash_attn_varlen_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Offsets,
    cu_seqlens_k: Offsets,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: Window = UNBOUNDED,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    deterministic: bool = False,
    *,
    sink: Tensor | None = None,
    stream: Stream | None = None,
    return_lse: bool = False,
) -> Any:
    """Attention of sequences that lie end to end.

    Parameters
    ----------
    q : (total_q, heads_q, head_dim)
    k : (total_k, heads_k, head_dim)
    v : (total_k, heads_k, head_dim_v)
    cu_seqlens_q, cu_seqlens_k : (sequences + 1,) int32, or lists of so many integers
        Where each sequence begins, and the total. The host needs them: on an NPU they cost one
        copy, and a wait for what has been launched; as lists or on the CPU they cost neither.
    max_seqlen_q, max_seqlen_k : int, optional
        The longest sequences' lengths, at least; the offsets say them already.
    alibi_slopes : (heads_q,) or (sequences, heads_q), float32
    return_lse : bool

    Returns
    -------
    (total_q, heads_q, head_dim_v); with return_lse also lse, (heads_q, total_q) float32
    """
    cu_seqlens = host_offsets(q, k, cu_seqlens_q, cu_seqlens_k)
    check_longest("max_seqlen_q", max_seqlen_q, cu_seqlens[0])
    check_longest("max_seqlen_k", max_seqlen_k, cu_seqlens[1])
    out, lse = attend(
        q,
        k,
        v,
        cu_seqlens,
        Options(
            dropout_p=dropout_p,
            softmax_scale=softmax_scale,
            window=sides(window_size, causal),
            softcap=softcap,
            slopes=alibi_slopes,
            sink=sink,
            stream=stream,
        ),
    )
    return (out, lse) if return_lse else out


class FlashAttention(torch.nn.Module):  # type: ignore[misc]  # mypy sees no torch
    """Attention as a layer without weights of its own.

    Parameters
    ----------
    head_dim : int
    dropout : float in [0, 1)
        In training mode only.
    causal : bool
    use_smooth_softmax : bool
        Adds a logit of 0 to every row's denominator: weights then sum up to less than 1, and a
        query may attend to nothing.
    softmax_scale, window_size, softcap, alibi_slopes
        As in `flash_attn_func`.
    """

    alibi_slopes: Tensor | None

    def __init__(
        self,
        head_dim: int,
        dropout: float = 0.0,
        causal: bool = False,
        use_smooth_softmax: bool = False,
        *,
        softmax_scale: float | None = None,
        window_size: Window = UNBOUNDED,
        softcap: float = 0.0,
        alibi_slopes: Tensor | None = None,
    ) -> None:
        super().__init__()
        check_dropout("dropout", dropout)
        sides(window_size, causal)
        self.head_dim = head_dim
        self.dropout = dropout
        self.causal = causal
        self.use_smooth_softmax = use_smooth_softmax
        self.softmax_scale = softmax_scale
        self.window_size = window_size
        self.softcap = softcap
        self.register_buffer("alibi_slopes", alibi_slopes, persistent=False)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(batch, seqlen_q, heads_q, head_dim_v), from tensors as `flash_attn_func` takes them."""
        check_head_dim(query, key, self.head_dim)
        sink = None
        if self.use_smooth_softmax:
            sink = query.new_zeros(query.shape[2], dtype=torch.float32)
        return flash_attn_func(
            query,
            key,
            value,
            self.dropout if self.training else 0.0,
            self.softmax_scale,
            self.causal,
            self.window_size,
            self.softcap,
            self.alibi_slopes,
            sink=sink,
        )

    def extra_repr(self) -> str:
        """What is not the default."""
        fields = [f"head_dim={self.head_dim}", f"dropout={self.dropout}", f"causal={self.causal}"]
        return ", ".join([*fields, *(["smooth_softmax"] if self.use_smooth_softmax else [])])
