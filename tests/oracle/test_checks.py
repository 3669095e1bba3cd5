"""A problem that does not fit together is refused in one line that says how to mend it."""

from __future__ import annotations

import numpy as np
import pytest

from reference.dropout import Dropout
from reference.formats import BF16, FP16, FP32, FP64, Array
from reference.mask import Mask
from reference.problem import Problem


def ones(*shape: int, dtype: type = np.float32) -> Array:
    """An array of ones, which every format holds."""
    return np.ones(shape, dtype)


DENSE = {"q": ones(2, 3, 4, 8), "k": ones(2, 5, 2, 8), "v": ones(2, 5, 2, 6), "format": FP16}
PACKED = {
    "q": ones(5, 4, 8),
    "k": ones(6, 2, 8),
    "v": ones(6, 2, 6),
    "format": BF16,
    "cu_seqlens_q": np.array([0, 2, 2, 5]),
    "cu_seqlens_k": np.array([0, 1, 4, 6], np.int32),
}
DOUT = ones(2, 3, 4, 6)


def with_one(array: Array, value: float) -> Array:
    """A copy whose last element is `value`."""
    array = array.copy()
    array.flat[-1] = value
    return array


WRONG = {
    "q is a list": (
        {"q": [[1.0]]},
        "q is of type list: a fp16 problem takes float32 arrays",
    ),
    "k is missing": ({"k": None}, "k is None: a fp16 problem takes float32 arrays"),
    "the format is a name": ({"format": "fp16"}, "format is 'fp16': give one of reference.formats"),
    "k has another format than q": (
        {"k": ones(2, 5, 2, 8, dtype=np.float16)},
        "k is a float16 array of shape (2, 5, 2, 8): a fp16 problem takes float32 arrays "
        "(q, k, v, dout and bias alike) whose values are exact in fp16",
    ),
    "all are float32 in an FP64 problem": (
        {"format": FP64},
        "q is a float32 array of shape (2, 3, 4, 8): a fp64 problem takes float64 arrays",
    ),
    "the bias has another type": ({"bias": ones(5, dtype=float)}, "bias is a float64 array"),
    "dout has another type": ({"dout": DOUT.astype(float)}, "dout is a float64 array"),
    "the sink has the type of another problem": (
        {"sink": ones(4, dtype=float)},
        "sink is a float64 array of shape (4,): give a float32 array",
    ),
    "the slopes are a list": ({"slopes": [1.0]}, "slopes is of type list: give a float32 array"),
    "dlse has another type": (
        {"dout": DOUT, "dlse": ones(2, 4, 3, dtype=np.float16)},
        "dlse is a float16 array of shape (2, 4, 3): give a float32 array",
    ),
    "values are not exact in fp16": (
        {"q": with_one(DENSE["q"], 1 + 2.0**-12)},
        "q has values that are not exact in fp16: round it first, with reference.formats.FP16.",
    ),
    "values overflow fp16": (
        {"v": with_one(DENSE["v"], 65520.0)},
        "v has values that are not exact",
    ),
    "values are not exact in bf16": (
        {"format": BF16, "dout": with_one(DOUT, 1 + 2.0**-9)},
        "dout has values that are not exact in bf16: round it first",
    ),
    "a bias is not exact": ({"bias": ones(5) / 3}, "bias has values that are not exact in fp16"),
    "q has NaN": (
        {"q": with_one(DENSE["q"], np.nan)},
        "q has 1 values that are NaN or infinite: give finite ones (-inf is allowed in bias only)",
    ),
    "v is infinite": (
        {"v": with_one(DENSE["v"], np.inf)},
        "v has 1 values that are NaN or infinite",
    ),
    "v is infinite in a poisoned problem": (
        {"v": with_one(DENSE["v"], np.inf), "poisoned": True},
        "v has 1 values that are NaN or infinite",
    ),
    "a bias of +inf": (
        {"bias": with_one(ones(5), np.inf)},
        "bias has 1 values that are NaN or inf",
    ),
    "a bias of NaN in a poisoned problem": (
        {"bias": with_one(ones(5), np.nan), "poisoned": True},
        "bias has 1 values that are NaN",
    ),
    "a sink of -inf": (
        {"sink": with_one(ones(4), -np.inf)},
        "sink has 1 values that are NaN or inf",
    ),
    "slopes have NaN": ({"slopes": with_one(ones(4), np.nan)}, "slopes has 1 values that are NaN"),
    "q without batch": ({"q": ones(3, 4, 8)}, "q has shape (3, 4, 8): give (batch, seqlen, heads,"),
    "q without any axis": ({"q": np.float32(1) * ones()}, "q is of type float32: a fp16 problem"),
    "q of no axis": ({"q": np.array(1, np.float32)}, "q has shape (): give (batch, seqlen, heads,"),
    "k and v of other lengths": (
        {"v": ones(2, 4, 2, 6)},
        "k has shape (2, 5, 2, 8) and v (2, 4, 2, 6): they differ only in their last axis",
    ),
    "q and k of other batches": (
        {"q": ones(3, 3, 4, 8)},
        "q has batch 3 and k has 2: give the same",
    ),
    "q and k of other head_dims": (
        {"q": ones(2, 3, 4, 7)},
        "q has head_dim 7, k 8, v 6: q and k share one, and none is 0",
    ),
    "head_dim is 0": (
        {"q": ones(2, 3, 4, 0), "k": ones(2, 5, 2, 0)},
        "q has head_dim 0, k 0, v 6: q and k share one, and none is 0",
    ),
    "head_dim_v is 0": ({"v": ones(2, 5, 2, 0)}, "q has head_dim 8, k 8, v 0: q and k share one"),
    "heads_q is no multiple": (
        {"q": ones(2, 3, 3, 8)},
        "3 query heads and 2 key heads: heads_q must be a multiple of heads_k",
    ),
    "no query heads": ({"q": ones(2, 3, 0, 8)}, "0 query heads and 2 key heads: heads_q must be"),
    "no key heads": (
        {"k": ones(2, 5, 0, 8), "v": ones(2, 5, 0, 6)},
        "4 query heads and 0 key heads: heads_q must be a multiple",
    ),
    "dout like q": (
        {"dout": ones(2, 3, 4, 8)},
        "dout has shape (2, 3, 4, 8): give (2, 3, 4, 6)",
    ),
    "dlse with the layout of q": (
        {"dout": DOUT, "dlse": ones(2, 3, 4)},
        "dlse has shape (2, 3, 4): give (2, 4, 3)",
    ),
    "dlse without dout": (
        {"dlse": ones(2, 4, 3)},
        "dlse is given without dout: give dout too (zeros, if nothing arrives at out)",
    ),
    "a sink to each key head": ({"sink": ones(2)}, "sink has shape (2,): give (4,)"),
    "slopes of another batch": (
        {"slopes": ones(3, 4)},
        "slopes has shape (3, 4): give (4,) or (2, 4)",
    ),
    "a bias that does not broadcast": (
        {"bias": ones(2, 1, 3, 4)},
        "bias has shape (2, 1, 3, 4): it must broadcast to (2, 4, 3, 5)",
    ),
    "a bias of five axes": (
        {"bias": ones(1, 2, 4, 3, 5)},
        "bias has shape (1, 2, 4, 3, 5): it must",
    ),
    "a keep array that does not broadcast": (
        {"mask": Mask(keep=np.ones((3, 3), np.bool_))},
        "mask keep has shape (3, 3): it must broadcast to (2, 4, 3, 5)",
    ),
    "a prefix to each of three sequences": (
        {"mask": Mask(prefix=(1, 2, 3))},
        "mask prefix is (1, 2, 3): give one length, or one to each of 2 sequences",
    ),
    "a scale of NaN": ({"scale": float("nan")}, "scale is nan: give a finite number"),
    "an infinite scale": ({"scale": float("inf")}, "scale is inf: give a finite number"),
    "a softcap of 0": ({"softcap": 0.0}, "softcap is 0.0: give a positive number, or None"),
    "an infinite softcap": ({"softcap": float("inf")}, "softcap is inf: give a positive number"),
    "a softcap of NaN": ({"softcap": float("nan")}, "softcap is nan: give a positive number"),
    "too few dropout bits": (
        {"dropout": Dropout(p=0.5, bits=np.zeros(14, np.uint8))},
        "dropout has 14 bytes of bits for 120 elements: give 15, or 16 (whole 128-bit words)",
    ),
}

WRONG_PACKING = {
    "only one of the offsets": (
        {"cu_seqlens_k": None},
        "only one of cu_seqlens_q and cu_seqlens_k is given: give both (packed) or none (dense)",
    ),
    "q with a batch": (
        {"q": ones(1, 5, 4, 8)},
        "q has shape (1, 5, 4, 8): give (total, heads, head_dim)",
    ),
    "offsets that go back": (
        {"cu_seqlens_q": np.array([0, 3, 2, 5])},
        "cu_seqlens_q is [0, 3, 2, 5]: offsets begin at 0 and never go back",
    ),
    "unsigned offsets that go back": (
        {"cu_seqlens_q": np.array([0, 3, 2, 5], np.uint32)},
        "cu_seqlens_q is [0, 3, 2, 5]: offsets begin at 0 and never go back",
    ),
    "offsets that begin late": (
        {"cu_seqlens_k": np.array([1, 1, 4, 6])},
        "cu_seqlens_k is [1, 1, 4, 6]: offsets begin at 0 and never go back",
    ),
    "many offsets that go back": (
        {"cu_seqlens_q": np.arange(10**9, 10**9 - 40, -1)},
        "[1000000000,  999999999,  999999998,  999999997, ...,  999999964,",
    ),
    "offsets that end early": (
        {"cu_seqlens_q": np.array([0, 2, 2, 4])},
        "cu_seqlens_q ends at 4 but q has 5 rows: give the total as the last offset",
    ),
    "offsets that end late": (
        {"cu_seqlens_k": np.array([0, 1, 4, 7])},
        "cu_seqlens_k ends at 7 but k has 6 rows: give the total as the last offset",
    ),
    "lengths that are no integers": (
        {"cu_seqlens_q": np.array([0.0, 2.0, 2.0, 5.0])},
        "cu_seqlens_q is float64 (4,): give a flat integer array of offsets",
    ),
    "no offsets": (
        {"cu_seqlens_q": np.array([], np.int64)},
        "cu_seqlens_q is int64 (0,): give a flat integer array of offsets",
    ),
    "offsets in two axes": (
        {"cu_seqlens_q": np.array([[0, 5]])},
        "cu_seqlens_q is int64 (1, 2): give a flat integer array of offsets",
    ),
    "other numbers of sequences": (
        {"cu_seqlens_q": np.array([0, 5])},
        "cu_seqlens_q has 2 offsets and cu_seqlens_k 4: give one more than there are sequences",
    ),
    "dlse like that of a dense problem": (
        {"dout": ones(5, 4, 6), "dlse": ones(5, 4)},
        "dlse has shape (5, 4): give (4, 5)",
    ),
    "a bias of another longest sequence": (
        {"bias": ones(3, 4, 3, 4)},
        "bias has shape (3, 4, 3, 4): it must broadcast to (3, 4, 3, 3)",
    ),
    "bits for the padded problem": (
        {"dropout": Dropout(p=0.5, bits=np.zeros(14, np.uint8))},
        "dropout has 14 bytes of bits for 32 elements: give 4, or 16 (whole 128-bit words)",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_problem_is_refused_in_one_line(what: str) -> None:
    fields, words = WRONG[what]
    assert_refused(DENSE | fields, words)


@pytest.mark.parametrize("what", WRONG_PACKING)
def test_a_wrong_packed_problem_is_refused_in_one_line(what: str) -> None:
    fields, words = WRONG_PACKING[what]
    assert_refused(PACKED | fields, words)


def assert_refused(fields: dict[str, object], words: str) -> None:
    """ValueError, with these words and in one line."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are compared below)
        Problem(**fields)
    assert words in str(caught.value) and "\n" not in str(caught.value)


RIGHT = {
    "lists of offsets": PACKED | {"cu_seqlens_q": [0, 2, 2, 5], "cu_seqlens_k": (0, 1, 4, 6)},
    "no sequence": PACKED
    | {"q": ones(0, 4, 8), "k": ones(0, 2, 8), "v": ones(0, 2, 6)}
    | {"cu_seqlens_q": [0], "cu_seqlens_k": [0]},
    "no batch": {
        "q": ones(0, 3, 4, 8),
        "k": ones(0, 5, 2, 8),
        "v": ones(0, 5, 2, 6),
        "format": FP32,
    },
    "bits to the byte": DENSE | {"dropout": Dropout(p=0.5, bits=np.zeros(15, np.uint8))},
    "bits to 128": DENSE | {"dropout": Dropout(p=0.5, bits=np.zeros(16, np.uint8))},
    "a bias of -inf": DENSE | {"bias": with_one(ones(5), -np.inf)},
    "declared NaN": DENSE | {"q": with_one(DENSE["q"], np.nan), "poisoned": True},
    "one bias": DENSE | {"bias": np.array(0.5, np.float32)},
    "slopes to each sequence": DENSE | {"slopes": ones(2, 4)},
    "no queries": DENSE | {"q": ones(2, 0, 4, 8)},
}


@pytest.mark.parametrize("what", RIGHT)
def test_an_unusual_problem_is_accepted(what: str) -> None:
    assert Problem(**RIGHT[what]).zeros().out is not None
