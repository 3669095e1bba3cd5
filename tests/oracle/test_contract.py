"""What a contract leaves open, the problem's format decides."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from reference.contract import FORMER, Contract
from reference.formats import BF16, FORMATS, FP16, FP32, FP64


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_by_default_results_and_weights_are_in_the_format_of_the_problem(format) -> None:
    terms = Contract().resolve(format)
    assert (terms.out, terms.weights, terms.dscores) == (format, format, format)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_sums_are_in_fp32_and_those_of_fp64_in_fp64(format) -> None:
    terms, compute = Contract().resolve(format), FP64 if format is FP64 else FP32
    assert terms.compute is compute
    assert terms.accumulator_roundoff == 2 * compute.unit_roundoff
    assert terms.exp_flush_below == 2.0**compute.min_exponent > 0


def test_what_a_contract_says_goes_before_the_format() -> None:
    contract = Contract(
        out=FP32, weights=BF16, dscores=FP16, accumulator_roundoff=0.0, exp_flush_below=0.0
    )
    terms = contract.resolve(FP16)
    assert (
        terms.out,
        terms.weights,
        terms.dscores,
        terms.accumulator_roundoff,
        terms.exp_flush_below,
    ) == (FP32, BF16, FP16, 0, 0)


def test_a_changed_copy_leaves_the_contract_as_it_was() -> None:
    contract = Contract()
    assert contract.replace(lse_base=2.0) == Contract(lse_base=2.0) != contract
    with pytest.raises(FrozenInstanceError):
        contract.longest_sum = 3


@pytest.mark.parametrize(("letter", "field"), FORMER.items())
def test_a_letter_is_refused_with_the_field_s_name(letter, field) -> None:
    with pytest.raises(TypeError, match=f"no field '{letter}': it is called '{field}'"):
        Contract(**{letter: None})
    assert hasattr(Contract(), field)
