"""What a model calls refuses an argument that cannot be, by its name and before anything runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from npu_kernels.flash_attn import (
    FlashAttention,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
)

INT32 = torch.tensor([0, 40], dtype=torch.int32)
BACK = torch.tensor([0, 50, 40], dtype=torch.int32)
FLAT = torch.zeros(40, 2, 24).half()
ONE = torch.zeros(1, 40, 2, 24).half()
REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "q: shape (40, 2, 24): give (batch": (lambda: flash_attn_func(FLAT, ONE, ONE), ValueError),
    "k: torch.bfloat16, q is torch.float16": (
        lambda: flash_attn_func(ONE, ONE.bfloat16(), ONE),
        TypeError,
    ),
    "q: torch.float32: give float16 or bfloat16, or call under torch.autocast": (
        lambda: flash_attn_func(ONE.float(), ONE.float(), ONE.float()),
        TypeError,
    ),
    "q: on meta": (lambda: flash_attn_func(*[ONE.to("meta")] * 3), ValueError),
    "k: shape (1, 40, 2, 8) does not fit": (
        lambda: flash_attn_func(ONE, ONE[..., :8], ONE),
        ValueError,
    ),
    "v: shape (1, 9, 2, 24) does not fit": (
        lambda: flash_attn_func(ONE, ONE, ONE[:, :9]),
        ValueError,
    ),
    "k: shape (2, 40, 2, 24) does not fit": (
        lambda: flash_attn_func(ONE, torch.cat([ONE, ONE]), torch.cat([ONE, ONE])),
        ValueError,
    ),
    "k: 0 heads": (lambda: flash_attn_func(ONE, ONE[:, :, :0], ONE[:, :, :0]), ValueError),
    "dropout_p: 1.0": (lambda: flash_attn_func(ONE, ONE, ONE, 1.0), ValueError),
    "dropout: -0.1": (lambda: FlashAttention(24, -0.1), ValueError),
    "window_size: (-2, 0)": (
        lambda: flash_attn_func(ONE, ONE, ONE, window_size=(-2, 0)),
        ValueError,
    ),
    "softcap: -1.0": (lambda: flash_attn_func(ONE, ONE, ONE, softcap=-1.0), ValueError),
    "softcap: 1e-50 rounds to 0 in fp32": (
        lambda: flash_attn_func(ONE, ONE, ONE, softcap=1e-50),
        ValueError,
    ),
    "softmax_scale: inf": (
        lambda: flash_attn_func(ONE, ONE, ONE, softmax_scale=float("inf")),
        ValueError,
    ),
    "query: shape (1, 40, 2, 24): this module takes (batch, seqlen, heads, 32)": (
        lambda: FlashAttention(32)(ONE, ONE, ONE),
        ValueError,
    ),
    "cu_seqlens_q: torch.int64": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32.long(), INT32),
        TypeError,
    ),
    "cu_seqlens_k: on meta": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32, INT32.to("meta")),
        ValueError,
    ),
    "cu_seqlens_k: 1 offsets": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32, INT32[:1]),
        ValueError,
    ),
    "cu_seqlens_q: ends at 39": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32 - INT32.sign(), INT32),
        ValueError,
    ),
    "cu_seqlens_k: ends at 41": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32, INT32 + INT32.sign()),
        ValueError,
    ),
    "cu_seqlens_q: begins at 1": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32 + 1 - INT32.sign(), INT32),
        ValueError,
    ),
    "cu_seqlens_q: goes back at 2": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, BACK, INT32[[0, 0, 1]]),
        ValueError,
    ),
    "q: shape (1, 40, 2, 24): give (total": (
        lambda: flash_attn_varlen_func(ONE, FLAT, FLAT, INT32, INT32),
        ValueError,
    ),
    "max_seqlen_q: 39": (
        lambda: flash_attn_varlen_func(FLAT, FLAT, FLAT, INT32, INT32, 39, 40),
        ValueError,
    ),
    "sink: torch.float16": (
        lambda: flash_attn_func(ONE, ONE, ONE, sink=torch.zeros(2).half()),
        TypeError,
    ),
    "alibi_slopes: shape (3,)": (
        lambda: flash_attn_func(ONE, ONE, ONE, alibi_slopes=torch.zeros(3)),
        ValueError,
    ),
    "qkv: shape (1, 40, 2, 24)": (lambda: flash_attn_qkvpacked_func(ONE), ValueError),
    "stream: (-1, 0)": (lambda: flash_attn_func(ONE, ONE, ONE, 0.5, stream=(-1, 0)), ValueError),
}


@pytest.mark.parametrize("text", REFUSED)
def test_an_argument_that_cannot_be_is_named(text):
    call, error = REFUSED[text]
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        call()
