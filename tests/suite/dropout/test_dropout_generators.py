"""Generators of masks are what their descriptions say."""

from __future__ import annotations

import numpy as np
import pytest
from oracle.random123 import KNOWN_ANSWERS

from conformance.dropout.battery_power.faulty import FAULTY
from conformance.dropout.generators import aicpu
from conformance.dropout.generators.known import (
    GENERATORS,
    PER_CALL,
    PIECE,
    ascend950,
    stream,
    torch_mem_efficient,
)
from conformance.dropout.statistics.masks import Masks
from reference.dropout import Dropout
from reference.formats import BF16

KNOWN = {**GENERATORS, **FAULTY}
SMALL = (1, 2, 33, 65)


def test_packed_decisions_are_those_that_a_problem_reads() -> None:
    keep = np.random.default_rng(0).random(300) < 0.5
    bits = np.packbits(keep, bitorder="little")
    assert (Dropout(p=0.5, bits=bits).keep(np.array([0]), 300)[0] == keep).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"keep": np.zeros((2, 2, 2), bool)}, r"give a bool array \(batch, heads"),
        ({"keep": np.zeros((1, 1, 2, 2), np.uint8)}, "give a bool array"),
        ({"keep": np.zeros((1, 1, 0, 2), bool)}, "there is no decision in it"),
        ({"p": 1.0}, r"p is 1.0: give a probability of dropping in \[0, 1\)"),
    ],
)
def test_masks_that_are_none_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Masks(**{"keep": np.ones((1, 1, 2, 2), bool), "p": 0.1, **fields})


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (2**63 + 5, 2**40 + 10)])
def test_the_ascend950_operator_draws_what_this_project_draws(
    p: float, seed: int, offset: int
) -> None:
    operator = ascend950(1001, keep_prob=1 - p, seed=seed, offset=offset)
    ours = Dropout(p=p, seed=seed, offset=offset).keep(np.array([0]), 1001)[0]
    assert (operator == ours).all()


def test_the_ascend950_operator_rounds_the_keep_rate_to_its_tensor() -> None:
    rounded = ascend950(10**5, keep_prob=0.9, seed=1, offset=0, prob_format=BF16)
    ours = Dropout(p=0.1015625, seed=1).keep(np.array([0]), 10**5)[0]
    assert (rounded == ours).all()


def test_a_stream_does_not_depend_on_its_pieces() -> None:
    dropout = Dropout(p=0.3, seed=7, offset=2)
    count = 2 * PIECE + 5
    whole = dropout.keep(np.array([3]), count)[0]
    assert (stream(dropout, 3, count) == whole).all()


def test_memory_efficient_attention_keeps_words_above_p() -> None:
    """Words 6627e8d5 e169c58d bc57ac4c 9b00dbd8, as parts of 2**32: 0.40 0.88 0.74 0.61."""
    (counter, key, words) = KNOWN_ANSWERS[10][0]
    assert counter == (0,) * 4 and key == (0, 0) and words[0] == 0x6627E8D5
    for p, kept in ((0.5, [False, True, True, True]), (0.7, [False, True, True, False])):
        assert torch_mem_efficient((1, 1, 1, 4), p=p, seed=0, call=0).tolist() == kept


def test_memory_efficient_attention_goes_on_where_the_last_call_ended() -> None:
    both = torch_mem_efficient((1, 1, 2, 64), p=0.1, seed=3, call=0)
    second = torch_mem_efficient((1, 1, 1, 64), p=0.1, seed=3, call=1)
    assert (both[64:] == second).all()


def test_an_aes_round_is_the_first_of_the_standards_example() -> None:
    """FIPS 197, appendix B: the state of round 1 before SubBytes, and after MixColumns."""
    begin = np.frombuffer(bytes.fromhex("193de3bea0f4e22b9ac68d2ae9f84808"), np.uint8)
    end = aicpu.aes_round(begin, np.zeros(16, np.uint8))
    assert end.tobytes().hex() == "046681e5e0cb199a48f8d37a2806264c"


def test_the_ai_cpu_operator_repeats_its_shards_and_its_calls() -> None:
    first, second = (next(GENERATORS["aicpu"].calls(1, p=0.1, seed=s)).keep for s in (0, 1))
    shards = first.reshape(-1, aicpu.SHARD)
    assert (shards == shards[0]).all() and (first != second).any()
    again, later = GENERATORS["aicpu"].calls(2, p=0.1)
    assert (again.keep == later.keep).all()


@pytest.mark.parametrize("name", KNOWN)
def test_a_generator_repeats_with_its_seed(name: str) -> None:
    one, other = (list(KNOWN[name].calls(2, p=0.1, shape=SMALL, seed=5)) for _ in range(2))
    assert all(
        (a.keep == b.keep).all() and a.keep.shape == SMALL for a, b in zip(one, other, strict=True)
    )
    assert name == "aicpu" or (one[0].keep != one[1].keep).any()


def test_an_offset_that_counts_blocks_makes_calls_overlap() -> None:
    first, second = (masks.keep.ravel() for masks in FAULTY["overlap"].calls(2, p=0.1, shape=SMALL))
    assert (first[4 * PER_CALL :] == second[: -4 * PER_CALL]).all()
