"""FlashAttention by tiles: read rounding and tile first, then forward, gradient and oracle."""

from __future__ import annotations

from reference.blockwise.oracle import BLOCK_K, BLOCK_Q, attention, backward

__all__ = ["BLOCK_K", "BLOCK_Q", "attention", "backward"]
