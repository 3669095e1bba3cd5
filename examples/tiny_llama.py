"""A LLaMA-style language model small enough for a laptop, whose attention is a parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(batch, seqlen, heads, head_dim) q, and k, v with fewer heads, to out like q; causal."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of a model."""

    vocabulary: int = 32
    layers: int = 2
    heads_q: int = 4
    heads_k: int = 2
    head_dim: int = 16

    @property
    def width(self) -> int:
        """Of a token's vector."""
        return self.heads_q * self.head_dim


class Block(nn.Module):
    """Attention with rotary positions, then SwiGLU, each behind a norm and beside a residual."""

    def __init__(self, size: Size, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        self.size, self.attention, self.dtype = size, attention, dtype
        width, keys = size.width, size.heads_k * size.head_dim
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2))
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * keys, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor, turns: Tensor) -> Tensor:
        """(batch, seqlen, width) to the same."""
        normed = self.norms[0](x)
        q = turned(self._heads(self.q(normed), self.size.heads_q), turns)
        k, v = self._heads(self.kv(normed), 2 * self.size.heads_k).chunk(2, dim=2)
        k = turned(k, turns)
        out = self.attention(*(tensor.to(self.dtype) for tensor in (q, k, v)))
        x = x + self.out(out.to(x.dtype).flatten(2))
        gate, up = self.gate_up(self.norms[1](x)).chunk(2, dim=-1)
        return x + self.down(nn.functional.silu(gate) * up)

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.size.head_dim))


class TinyLlama(nn.Module):
    """Tokens in, logits of the next token out; all in fp32 but the attention."""

    def __init__(
        self, attention: Attention, *, size: Size = Size(), dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(size.vocabulary, size.width)
        self.blocks = nn.ModuleList(Block(size, attention, dtype) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.width)
        self.head = nn.Linear(size.width, size.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, seqlen) int64 to (batch, seqlen, vocabulary)."""
        turns = angles(tokens.shape[1], self.size.head_dim)
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, turns)
        return self.head(self.norm(x))


def angles(seqlen: int, head_dim: int) -> Tensor:
    """Rotary positions, (seqlen, 1, head_dim / 2). Source: Su et al. 2021, RoFormer."""
    speeds = 10000.0 ** -torch.linspace(0, 1, head_dim // 2 + 1)[:-1]
    return torch.arange(seqlen)[:, None, None] * speeds


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Each pair of channels, turned by its angle."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = turns.cos(), turns.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def eager(q: Tensor, k: Tensor, v: Tensor, *, dropout: float = 0.0, smooth: bool = False) -> Tensor:
    """Causal attention as matmul, softmax, matmul, in the tensors' own format."""
    group = q.shape[2] // k.shape[2]
    q, k, v = (
        x.transpose(1, 2) for x in (q, k.repeat_interleave(group, 2), v.repeat_interleave(group, 2))
    )
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -torch.inf)
    if smooth:
        scores = torch.cat([scores, torch.zeros_like(scores[..., :1])], dim=-1)
    weights = scores.softmax(-1)[..., : k.shape[2]]
    return (nn.functional.dropout(weights, dropout) @ v).transpose(1, 2)


def copying(*, batch: int, seqlen: int, vocabulary: int, generator: torch.Generator) -> Tensor:
    """Sequences whose second half repeats the first, (batch, seqlen + 1): what is to be learned."""
    half = torch.randint(vocabulary, (batch, (seqlen + 2) // 2), generator=generator)
    return torch.cat([half, half], dim=1)[:, : seqlen + 1]


def loss_of(model: TinyLlama, tokens: Tensor) -> Tensor:
    """Cross entropy of the second half's tokens, which the first tells; in nats."""
    logits, wanted = model(tokens[:, :-1]), tokens[:, 1:]
    from_here = tokens.shape[1] // 2
    return nn.functional.cross_entropy(
        logits[:, from_here:].flatten(0, 1), wanted[:, from_here:].flatten()
    )
