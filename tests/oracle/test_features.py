"""A problem needs the features that have an effect, and a kernel declines what it did not name."""

from __future__ import annotations

import numpy as np
import pytest

from reference.dropout import Dropout
from reference.formats import FORMATS, FP16, Array
from reference.mask import Mask
from reference.problem import Problem, Unsupported
from reference.problem.features import FEATURES


def ones(*shape: int, dtype: type = np.float32) -> Array:
    """An array of ones, which every format holds."""
    return np.ones(shape, dtype)


SQUARE = {"q": ones(1, 4, 1, 2), "k": ones(1, 4, 1, 2), "v": ones(1, 4, 1, 2), "format": FP16}
ONE_QUERY = SQUARE | {"q": ones(1, 1, 1, 2)}
TALL = SQUARE | {"k": ones(1, 2, 1, 2), "v": ones(1, 2, 1, 2)}
CAUSAL = Mask(window=(None, 0))
TOP_LEFT = Mask(window=(None, 0), anchor="top-left")
ENDS = {"cu_seqlens_q": [0, 4], "cu_seqlens_k": [0, 4]}
THREE = {"q": ones(4, 1, 2), "k": ones(4, 1, 2), "v": ones(4, 1, 2)}

CASES = {
    "plain": (SQUARE, ""),
    "causal": (SQUARE | {"mask": CAUSAL}, "causal"),
    "causal, one query: it sees every key": (ONE_QUERY | {"mask": CAUSAL}, "cross_length"),
    "causal, one query, top-left": (
        ONE_QUERY | {"mask": TOP_LEFT},
        "cross_length causal top_left",
    ),
    "top-left where it changes nothing": (SQUARE | {"mask": TOP_LEFT}, "causal"),
    "top-left without a window": (ONE_QUERY | {"mask": Mask(anchor="top-left")}, "cross_length"),
    "causal with more queries than keys": (
        TALL | {"mask": CAUSAL},
        "cross_length causal dead_rows",
    ),
    "window": (SQUARE | {"mask": Mask(window=(1, 1))}, "window"),
    "a window too wide to hide": (SQUARE | {"mask": Mask(window=(3, 3))}, ""),
    "a window beside the diagonal": (
        SQUARE | {"mask": Mask(window=(2, -1))},
        "window dead_rows",
    ),
    "prefix": (SQUARE | {"mask": Mask(window=(None, 0), prefix=2)}, "causal prefix"),
    "a prefix that the window shows anyway": (
        SQUARE | {"mask": Mask(window=(None, 0), prefix=1)},
        "causal",
    ),
    "a prefix over everything": (SQUARE | {"mask": Mask(window=(None, 0), prefix=9)}, ""),
    "a prefix without a window": (SQUARE | {"mask": Mask(prefix=2)}, ""),
    "keep": (SQUARE | {"mask": Mask(keep=np.arange(4) > 0)}, "keep"),
    "a keep array that hides nothing": (SQUARE | {"mask": Mask(keep=np.ones(4, np.bool_))}, ""),
    "keep and a dead row": (
        SQUARE | {"mask": Mask(keep=np.arange(4)[:, None] > 0)},
        "keep dead_rows",
    ),
    "a bias that hides a row of one head": (
        SQUARE
        | {
            "q": ones(1, 4, 2, 2),
            "bias": np.where(np.eye(2, 4)[:, :, None], -np.inf, 0).astype("f"),
        },
        "bias dead_rows mqa",
    ),
    "bias": (SQUARE | {"bias": ones(4)}, "bias"),
    "alibi": (SQUARE | {"slopes": ones(1)}, "alibi"),
    "softcap": (SQUARE | {"softcap": 5.0}, "softcap"),
    "sink": (SQUARE | {"sink": ones(1)}, "sink"),
    "dropout": (SQUARE | {"dropout": Dropout(p=0.5)}, "dropout"),
    "dropout bits": (
        SQUARE | {"dropout": Dropout(p=0.5, bits=np.zeros(2, np.uint8))},
        "dropout_bits",
    ),
    "dropout that drops nothing": (SQUARE | {"dropout": Dropout(p=0.0)}, ""),
    "several query heads, one key head": (SQUARE | {"q": ones(1, 4, 3, 2)}, "mqa"),
    "several query heads to each key head": (
        SQUARE | {"q": ones(1, 4, 4, 2), "k": ones(1, 4, 2, 2), "v": ones(1, 4, 2, 2)},
        "gqa",
    ),
    "heads of their own": (
        {name: ones(1, 4, 3, 2) for name in "qkv"} | {"format": FP16},
        "",
    ),
    "packed": (SQUARE | THREE | ENDS, "varlen"),
    "packed, other lengths": (
        SQUARE | THREE | {"cu_seqlens_q": [0, 1, 4], "cu_seqlens_k": [0, 2, 4]},
        "varlen cross_length",
    ),
    "packed, no queries somewhere": (
        SQUARE | THREE | {"cu_seqlens_q": [0, 0, 4], "cu_seqlens_k": [0, 0, 4]},
        "varlen empty",
    ),
    "no keys": (
        SQUARE | {"k": ones(1, 0, 1, 2), "v": ones(1, 0, 1, 2)},
        "cross_length dead_rows empty",
    ),
    "no batch": ({name: ones(0, 4, 1, 2) for name in "qkv"} | {"format": FP16}, "empty"),
    "head_dim_v": (SQUARE | {"v": ones(1, 4, 1, 3)}, "head_dim_v"),
    "scale": (SQUARE | {"scale": 1.0}, "scale"),
    "the default scale, written out": (SQUARE | {"scale": 2**-0.5}, ""),
    "strided": (SQUARE | {"v": ones(1, 4, 2, 2)[:, :, :1]}, "strided"),
    "backward": (SQUARE | {"dout": ones(1, 4, 1, 2)}, "backward"),
    "dlse": (SQUARE | {"dout": ones(1, 4, 1, 2), "dlse": ones(1, 1, 4)}, "backward dlse"),
}


@pytest.mark.parametrize("what", CASES)
def test_features_are_what_has_an_effect(what: str) -> None:
    fields, words = CASES[what]
    assert Problem(**fields).features == {"fp16", *words.split()}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_a_feature(name: str) -> None:
    format = FORMATS[name]
    tensors = {tensor: ones(1, 4, 1, 2, dtype=format.dtype) for tensor in "qkv"}
    assert Problem(**tensors, format=format).features == {name}


def test_every_word_is_a_case_here() -> None:
    asked = {word for _, words in CASES.values() for word in words.split()}
    assert asked | set(FORMATS) == set(FEATURES)


def test_a_kernel_declines_what_it_did_not_name() -> None:
    problem = Problem(**SQUARE, mask=CAUSAL, softcap=5.0)
    problem.require_only("fp16", "causal", "softcap", "backward")
    with pytest.raises(Unsupported, match=r"^causal, softcap$"):
        problem.require_only("fp16", "backward")
