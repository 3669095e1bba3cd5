"""The chance of a pattern by accident, against a count of every way it can arise."""

from __future__ import annotations

from itertools import combinations

import pytest

from conformance.verdict.evidence import CHANCE, chance_inside, chance_of_factor, is_evidence


@pytest.mark.parametrize("drawn", range(1, 8))
@pytest.mark.parametrize("inside", range(8))
def test_the_chance_inside_is_the_part_of_all_draws_that_lie_inside(drawn, inside):
    draws = list(combinations(range(7), drawn))
    count = sum(max(draw) < inside for draw in draws)
    assert round(chance_inside(drawn, inside=inside, among=7) * len(draws), 6) == count


def test_no_pattern_of_four_rows_is_evidence():
    chances = [
        chance_inside(n, inside=inside, among=4) for n in (1, 2, 3) for inside in range(n, 4)
    ]
    assert not any(is_evidence(chance) for chance in chances)


def test_more_looks_need_a_smaller_chance():
    assert is_evidence(CHANCE / 3) and not is_evidence(CHANCE / 3, looks=4)


def test_each_further_element_makes_an_accidental_factor_less_likely():
    chances = [chance_of_factor(elements) for elements in range(1, 9)]
    assert chances[0] == 1 and chances == sorted(set(chances), reverse=True)
