"""Transformations of problems: dense attention confirms what each says, and misuse is refused."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.laws import transform
from conformance.laws.assertions import CAUSAL, grid, make_problem
from reference import dense
from reference.dropout import Dropout
from reference.formats import FP64
from reference.mask import Mask
from reference.problem import Problem, Result

KEEP = np.asarray(grid("keep", (2, 1, 12, 12)) < 0.5)
BIAS = grid("bias", (4, 1, 12)).astype(np.float32)
FULL = {
    "seqlen_q": 12,
    "seqlen_k": 12,
    "heads_q": 4,
    "heads_k": 2,
    "bias": BIAS,
    "slopes": np.float32([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]),
    "sink": np.float32([0.0, 1.0, 2.0, 3.0]),
    "mask": Mask(window=(5, 2), prefix=(2, 4), keep=KEEP),
}


def full() -> Problem:
    problem = make_problem("fp32", **FULL)
    return problem.replace(dlse=grid("dlse", problem.shape_lse).astype(np.float32))


def assert_same(got: Result, want: Result, *names: str) -> None:
    """Equal but for the order of float64 sums, none of which has more terms than the tensor."""
    for name in names:
        a, b = getattr(got, name), getattr(want, name)
        assert a.shape == b.shape, name
        seen = np.isfinite(b)
        rounding = a.size * FP64.unit_roundoff * np.max(abs(b[seen]), initial=1.0)
        assert (abs(a[seen] - b[seen]) <= rounding).all(), name
        assert np.array_equal(a[~seen], b[~seen]), name


@pytest.mark.parametrize(("axis", "index"), [("batch", [1, 0]), ("heads", [1, 0]), ("heads", [1])])
def test_taking_sequences_or_heads_takes_their_answers(axis, index):
    problem = full()
    got = dense.attention(transform.take(problem, axis, index))
    want = transform.take_result(dense.attention(problem), axis, index, group=problem.group)
    assert_same(got, want, "out", "lse", "dq", "dk", "dv")
    if axis == "heads":
        assert_same(got, want, "dsink")


def test_taking_keys_that_are_all_that_is_seen_changes_nothing():
    problem = make_problem("fp32", mask=Mask(keep=np.arange(65) < 40))
    kept = transform.take(problem, "keys", range(40))
    assert_same(dense.attention(kept), dense.attention(problem), "out", "lse", "dq")


def test_a_keep_array_says_what_window_prefix_and_keep_say():
    problem = full()
    explicit = transform.with_keep(problem)
    assert explicit.mask.window == (None, None)
    names = ("out", "lse", "dq", "dk", "dv", "dbias", "dsink")
    assert_same(dense.attention(explicit), dense.attention(problem), *names)


def test_packed_and_back_are_the_sequences_themselves():
    alone = [
        make_problem("fp32", batch=1, seqlen_q=a, seqlen_k=b, mask=CAUSAL, seed=a)
        for a, b in ((3, 4), (0, 2), (7, 1))
    ]
    alone = [one.replace(dlse=grid("dlse", one.shape_lse).astype(np.float32)) for one in alone]
    packed = transform.pack(alone)
    for one, part in zip(alone, transform.unpack(dense.attention(packed), packed), strict=True):
        assert_same(part, dense.attention(one), "out", "lse", "dq", "dk", "dv")


def test_the_others_are_changed_and_the_one_is_not():
    for problem in (
        make_problem("fp32", batch=3),
        transform.pack([make_problem("fp32", batch=1)] * 3),
    ):
        for change in (transform.poison_others, transform.negate_others):
            differs = change(problem, 1).k != problem.k
            sequence = slice(65, 130) if problem.is_packed else 1
            assert not differs[sequence].any()
            assert differs.any()


def test_only_keys_that_nobody_sees_are_poisoned():
    problem = make_problem("fp32", mask=Mask(window=(2, -1)), seqlen_q=4, seqlen_k=9)
    poisoned = np.isnan(transform.poison_unseen(problem).k).all(axis=(0, 2, 3))
    assert poisoned.tolist() == [True] * 3 + [False] * 5 + [True]


DROPPING = {"dropout": Dropout(p=0.5)}

REFUSED = {
    "take-dropout": (lambda p: transform.take(p, "batch", [0]), DROPPING, "without dropout"),
    "take-window": (lambda p: transform.take(p, "keys", [0]), {"mask": CAUSAL}, "with_keep first"),
    "truncate-dropout": (lambda p: transform.truncate(p, 3), DROPPING, "without dropout"),
    "truncate-diagonal": (lambda p: transform.truncate(p, 3), {"seqlen_k": 9}, "the diagonal"),
    "pack-batch": (lambda p: transform.pack([p]), {}, "of one sequence"),
    "pack-bias": (lambda p: transform.pack([p]), {"batch": 1, "bias": BIAS[:1, :, :1]}, "keep"),
    "no-dout": (lambda p: transform.with_dout(p.replace(dout=None), abs), {}, "no dout"),
}


@pytest.mark.parametrize(("change", "asked", "words"), REFUSED.values(), ids=REFUSED)
def test_what_would_not_mean_the_same_is_refused(change, asked, words):
    with pytest.raises(ValueError, match=words):
        change(make_problem("fp32", **asked))
