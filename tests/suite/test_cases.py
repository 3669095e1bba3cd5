"""The cases reach every feature, length and width, pair by pair, within their budgets."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from conformance.cases import THEMES, all_cases
from conformance.cases.case import Case
from conformance.cases.inputs import FAMILIES
from conformance.cases.themes import pairwise
from conformance.verdict.verdict import UNBOUNDED_LIMIT
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import FORMATS
from reference.problem.features import FEATURES

CASES = all_cases()
RUN_BY_DEFAULT = [case for case in CASES if case.tier != "full"]
SMOKE = [case for case in CASES if case.tier == "smoke"]
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 383, 513)
LONG = (1000, 1023, 1024, 1025)
HEAD_DIMS = (8, 40, 59, 64, 72, 80, 96, 100, 128, 192, 256)
SMALL = 150_000  # pairs of a query and a key: what a test of a hundred faults can afford
ASKED = set(FEATURES) - {"fp64"}


def named(id):
    return next(case for case in CASES if case.id == id)


def length(case):
    return max((*case.seqlens_q, *case.seqlens_k), default=0)


@cache
def features(case, name):
    """Words of the small variant, which is built once for all tests here."""
    return case.variant().problem(FORMATS[name]).features


def reached(cases, *, backward):
    runs = [(case, name) for case in cases if case.backward == backward for name in case.formats]
    return set().union(*(features(case, name) for case, name in runs))


def test_ids_are_unique_and_plain():
    counts = Counter(name for case in CASES for name in {case.id, case.variant().id})
    assert [name for name, count in counts.items() if count > 1] == []
    assert [
        name for name in counts if set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    ] == []


def test_every_case_says_why():
    assert [case.id for case in CASES if not case.why] == []


@pytest.mark.parametrize("theme", sorted({case.id.split("-")[0] for case in CASES}))
def test_every_problem_builds_in_each_of_its_formats(theme):
    for case in CASES:
        if case.id.split("-")[0] == theme:
            for name in case.formats:
                assert name in features(case, name)


def test_every_feature_is_asked_forward_and_backward():
    assert reached(RUN_BY_DEFAULT, backward=True) == ASKED
    assert reached(RUN_BY_DEFAULT, backward=False) == ASKED - {"backward", "dlse"}


def test_smoke_touches_every_feature():
    assert reached(SMOKE, backward=True) == ASKED


def test_a_small_variant_asks_for_the_same_features():
    def asked(case):
        return case.problem(FORMATS[case.formats[0]]).features

    grown = [case for case in RUN_BY_DEFAULT if case.small is not None]
    assert [case.id for case in grown if asked(case) != asked(case.variant())] == []


def test_small_variants_are_small():
    assert [case.id for case in RUN_BY_DEFAULT if case.variant().work > SMALL] == []


def test_smoke_is_at_most_60_short_runs():
    assert sum(len(case.formats) for case in SMOKE) <= 60
    pairs_of = [(case, zip(case.seqlens_q, case.seqlens_k, strict=True)) for case in SMOKE]
    assert [
        case.id for case, lengths in pairs_of if any(q * k > 128 * 257 for q, k in lengths)
    ] == []


def test_the_default_tier_keeps_to_its_budget():
    assert sum(case.work * len(case.formats) for case in RUN_BY_DEFAULT) <= 6e8
    long = [case for case in RUN_BY_DEFAULT if length(case) > 1000]
    assert len(long) <= 20
    assert [case.id for case in long if len(case.seqlens_q) * case.heads_q > 4] == []


@pytest.mark.parametrize("side", ["seqlens_q", "seqlens_k"])
def test_every_length_is_asked_of_queries_and_of_keys(side):
    assert set(LENGTHS + LONG) <= {n for case in RUN_BY_DEFAULT for n in getattr(case, side)}


@pytest.mark.parametrize("odd", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_lengths_are_even_and_odd_in_every_combination(odd):
    found = [
        case.id
        for case in RUN_BY_DEFAULT
        for q, k in zip(case.seqlens_q, case.seqlens_k, strict=True)
        if (q % 2, k % 2) == odd and min(q, k) > 64
    ]
    assert found


def test_every_width_is_asked():
    assert {case.head_dim for case in RUN_BY_DEFAULT} >= set(HEAD_DIMS)


def test_every_family_is_asked_with_gradients_in_every_format():
    asked = {
        (case.family, name) for case in RUN_BY_DEFAULT if case.backward for name in case.formats
    }
    assert asked >= {(family, name) for family in FAMILIES for name in ("fp16", "bf16", "fp32")}


@pytest.mark.parametrize("family", FAMILIES)
def test_almost_every_element_of_every_family_has_a_finite_bound(family):
    case = next(case for case in RUN_BY_DEFAULT if case.family == family)
    for name in case.formats:
        problem = case.variant().problem(FORMATS[name])
        allowed = error_bound(problem, Contract(), result=blockwise.attention(problem))
        for _, worst in allowed.worst.tensors():
            assert np.count_nonzero(~np.isfinite(worst)) <= UNBOUNDED_LIMIT * worst.size


def test_groups_of_3_5_7_and_one_key_head_are_asked():
    groups = {case.heads_q // case.heads_k for case in RUN_BY_DEFAULT if case.heads_k}
    assert {3, 5, 7} <= groups
    assert any(case.heads_k == 1 < case.heads_q for case in RUN_BY_DEFAULT)


@pytest.mark.parametrize("anchor", ["bottom-right", "top-left"])
@pytest.mark.parametrize("more", [False, True])
def test_windows_of_either_anchor_meet_fewer_and_more_queries(anchor, more):
    asked = {
        case.window
        for case in RUN_BY_DEFAULT
        if case.anchor == anchor and case.lens_q is None and case.seqlens_q
        if case.seqlens_q[0] != case.seqlens_k[0]
        and (case.seqlens_q[0] > case.seqlens_k[0]) == more
    }
    assert (None, 0) in asked
    assert any(left is not None and right is not None for left, right in asked)


def test_every_two_features_meet():
    met = pairs_met(pairwise.ROWS)
    assert pairs_of(pairwise.FACTORS) - met == set()


def test_every_two_common_features_meet_without_a_rare_one():
    common = [[word for word in factor if word not in pairwise.RARE] for factor in pairwise.FACTORS]
    rows = [row for row in pairwise.ROWS.splitlines() if not set(row.split()) & pairwise.RARE]
    assert pairs_of(common) - pairs_met("\n".join(rows)) == set()


def pairs_of(factors):
    return {frozenset((a, b)) for one, two in combinations(factors, 2) for a in one for b in two}


def pairs_met(rows):
    met = set()
    for row in rows.strip().splitlines():
        words = row.split()
        named = [[word for word in factor if word in words] for factor in pairwise.FACTORS]
        whole = [
            word[0] if word else next(iter(factor))
            for word, factor in zip(named, pairwise.FACTORS, strict=True)
        ]
        assert sum(map(len, named)) == len(words), row
        met |= {frozenset(pair) for pair in combinations(whole, 2)}
    return met


def test_another_seed_has_other_values_and_the_same_shapes():
    case, format = named("packed-causal"), FORMATS["bf16"]
    one, two = case.problem(format, seed=1), case.problem(format, seed=2)
    assert one.features == two.features and one.q.shape == two.q.shape
    assert not np.array_equal(one.q, two.q)


def test_a_case_is_the_same_problem_each_time():
    one, two = (named("dropout-0.5").problem(FORMATS["fp16"]) for _ in range(2))
    assert one.q.tobytes() == two.q.tobytes()
    assert (one.dropout.seed, one.dropout.offset) == (two.dropout.seed, two.dropout.offset)


@pytest.mark.parametrize("bits", ["exact", "padded"])
def test_packed_bits_keep_about_1_minus_p(bits):
    case = Case("bits", "for this test", dropout=0.25, bits=bits)
    kept = np.unpackbits(case.problem(FORMATS["fp32"]).dropout.bits).mean()
    standard_error = np.sqrt(0.25 * 0.75 / case.work)
    assert abs(kept - 0.75) < 6 * standard_error


PITFALLS = {
    "lengths": {
        *("key-tail-dropped", "key-tail-not-hidden", "query-tail-not-written"),
        *("keys-counted-in-sixteens", "dq-tail-not-written"),
    },
    "dropout": {"dropout-differs-in-backward", "dropout-unscaled", "dropout-offset-ignored"},
}


@pytest.mark.parametrize("theme", PITFALLS)
def test_a_known_pitfall_has_a_group_of_cases_that_catch_it(theme):
    caught = {fault for case in THEMES[theme] for fault in case.catches}
    assert caught >= PITFALLS[theme]


def test_most_lengths_are_no_multiple_of_a_tile():
    odd = [case for case in THEMES["lengths"] if length(case) % 128]
    assert len(odd) > len(THEMES["lengths"]) / 2
