"""Dropout decisions are Random123's words, counted as the definition counts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.strategies import UNHURRIED, problems

from oracle.exact import element, keeps, lengths, philox
from oracle.random123 import KNOWN_ANSWERS
from reference.dropout import Dropout, philox4x32
from reference.formats import FP64
from reference.problem import Problem

WORDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(0, 7)
LONG_WORDS = st.integers(0, 2**64 - 1)
STREAMS = st.builds(
    Dropout, p=st.sampled_from((0.0, 0.1, 0.5, 0.999)), seed=LONG_WORDS, offset=LONG_WORDS
)


@pytest.mark.parametrize(
    ("rounds", "counter", "key", "words"),
    [(rounds, *vector) for rounds, vectors in KNOWN_ANSWERS.items() for vector in vectors],
)
def test_philox_gives_the_known_answers(
    rounds: int, counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    got = philox4x32(np.array(counter, np.uint32), key, rounds=rounds)
    assert tuple(got.tolist()) == words


@UNHURRIED
@given(counter=st.tuples(*[WORDS] * 4), key=st.tuples(WORDS, WORDS))
def test_philox_is_its_definition_in_integers(
    counter: tuple[int, ...], key: tuple[int, int]
) -> None:
    got = philox4x32(np.array([[counter]], np.uint32), key)
    assert got.shape == (1, 1, 4)
    assert tuple(got.ravel().tolist()) == philox(counter, key)


@settings(UNHURRIED, max_examples=100)
@given(dropout=STREAMS, first=st.lists(st.integers(0, 2**40), max_size=3), count=st.integers(0, 9))
def test_decisions_are_those_of_each_element(
    dropout: Dropout, first: list[int], count: int
) -> None:
    got = dropout.keep(np.array(first, np.int64), count)
    assert got.shape == (len(first), count)
    assert got.tolist() == [[keeps(dropout, t + n) for n in range(count)] for t in first]


def test_bits_are_read_from_the_lowest() -> None:
    dropout = Dropout(p=0.5, bits=np.array([0b00000001, 0b10000000], np.uint8))
    got = dropout.keep(np.array([0, 8]), 8)
    assert np.flatnonzero(got).tolist() == [0, 15]
    kept = np.random.default_rng(3).random((2, 8)) < 0.5
    packed = np.packbits(kept.ravel(), bitorder="little")
    assert (Dropout(p=0.5, bits=packed).keep(np.array([0, 8]), 8) == kept).all()


@settings(UNHURRIED, max_examples=100)
@given(problem=problems(max_seqlen=5).filter(lambda problem: problem.drops))
def test_each_pair_of_a_problem_has_its_own_element(problem: Problem) -> None:
    lengths_q, lengths_k = lengths(problem)
    for head in problem.heads():
        b, n = head.sequence, head.head_q
        rows, keys = range(lengths_q[b]), range(lengths_k[b])
        numbers = [[element(problem, b, n, i, j) for j in keys] for i in rows]
        want = [[keeps(problem.dropout, t) for t in row] for row in numbers]
        assert head.dropout.keep(rows, keys).tolist() == want


@settings(UNHURRIED, max_examples=100)
@given(problem=problems().filter(lambda problem: problem.drops), cuts=st.tuples(*[LENGTHS] * 4))
def test_decisions_do_not_depend_on_the_tile(
    problem: Problem, cuts: tuple[int, int, int, int]
) -> None:
    for head in problem.heads():
        whole = head.dropout.keep(range(head.seqlen_q), range(head.seqlen_k))
        rows = range(head.seqlen_q)[min(cuts[:2]) : max(cuts[:2])]
        keys = range(head.seqlen_k)[min(cuts[2:]) : max(cuts[2:])]
        tile = head.dropout.keep(rows, keys)
        assert (tile == whole[rows.start : rows.stop, keys.start : keys.stop]).all()


def test_the_elements_of_a_problem_are_numbered_without_gaps() -> None:
    rng = np.random.default_rng(4)
    q, k = rng.standard_normal((5, 2, 1)), rng.standard_normal((7, 1, 1))
    ends = {"cu_seqlens_q": np.array([0, 2, 2, 5]), "cu_seqlens_k": np.array([0, 1, 3, 7])}
    packed = Problem(q=q, k=k, v=k, format=FP64, dropout=Dropout(p=0.5), **ends)
    dense = Problem(q=q[None], k=k[None], v=k[None], format=FP64, dropout=Dropout(p=0.5))
    for problem in (packed, dense):
        numbers = [
            head.dropout.first + np.arange(head.seqlen_q * head.seqlen_k)
            for head in problem.heads()
        ]
        assert (np.concatenate(numbers) == np.arange(sum(map(len, numbers)))).all()


@UNHURRIED
@given(p=st.floats(0, 1, exclude_max=True) | st.integers(1, 2**26).map(lambda n: 1 - n / 2**34))
def test_the_threshold_is_rounded_to_float32(p: float) -> None:
    middle = int((1 - p) * 2**32)
    for step in (1, 150):  # words beside the threshold, and float32's neighbours of it
        for word in range(max(middle - 3 * step, 0), min(middle + 4 * step, 2**32), step):
            with mp.workprec(24):
                kept = mpf(word) * mpf(2) ** -32 + mpf(2) ** -33 < mpf(1 - p) + 0
            assert decide(word, np.float64(p)) == kept


def decide(word: int, p: float) -> bool:
    """What Dropout makes of one random word."""
    with pytest.MonkeyPatch.context() as patch:
        words = (np.full((1, 1), word, np.uint64),) * 4
        patch.setattr("reference.dropout.philox_rounds", lambda *counter_and_key: words)
        return bool(Dropout(p=p).keep(np.array([0]), 1)[0, 0])


def test_the_first_decisions_follow_from_the_first_known_answer() -> None:
    """Words 6627e8d5 e169c58d bc57ac4c 9b00dbd8, as parts of 2**32: 0.40 0.88 0.74 0.61."""
    first = [Dropout(p=p).keep(np.array([0]), 4)[0].tolist() for p in (0.5, 0.35, 0.2)]
    assert first == [
        [True, False, False, False],
        [True, False, False, True],
        [True, False, True, True],
    ]


def test_kept_weights_are_scaled_by_one_over_one_minus_p() -> None:
    assert Dropout(p=0.75).scale == 4.0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"p": 1.0}, "dropout p is 1.0: give a probability in [0, 1)"),
        ({"p": -0.1}, "dropout p is -0.1: give a probability in [0, 1)"),
        ({"p": float("nan")}, "dropout p is nan: give a probability in [0, 1)"),
        ({"p": 0.5, "seed": -1}, "dropout seed is -1: give an unsigned 64-bit integer"),
        ({"p": 0.5, "offset": 2**64}, "dropout offset is 18446744073709551616: give an unsigned"),
        ({"p": 0.5, "bits": np.zeros(3)}, "bits are a float64 array of shape (3,): give a flat"),
        ({"p": 0.5, "bits": np.zeros((1, 2), np.uint8)}, "shape (1, 2): give a flat uint8 array"),
        ({"p": 0.5, "bits": b"\x01"}, "dropout bits are of type bytes: give a flat uint8 array"),
    ],
)
def test_wrong_dropout_is_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are compared below)
        Dropout(**fields)
    assert words in str(caught.value) and "\n" not in str(caught.value)
