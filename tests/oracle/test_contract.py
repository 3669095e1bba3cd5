"""What a contract leaves open, the problem's format decides."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from reference.contract import Contract
from reference.formats import BF16, FORMATS, FP16, FP32, FP64


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_by_default_results_and_weights_are_in_the_format_of_the_problem(format) -> None:
    terms = Contract().terms(format)
    assert (terms.out, terms.P, terms.dS) == (format, format, format)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_sums_are_in_fp32_and_those_of_fp64_in_fp64(format) -> None:
    terms, compute = Contract().terms(format), FP64 if format is FP64 else FP32
    assert terms.compute is compute
    assert terms.u_acc == 2 * compute.unit_roundoff
    assert terms.eta_exp == 2.0**compute.min_exponent > 0


def test_what_a_contract_says_goes_before_the_format() -> None:
    contract = Contract(out=FP32, P=BF16, dS=FP16, u_acc=0.0, eta_exp=0.0)
    terms = contract.terms(FP16)
    assert (terms.out, terms.P, terms.dS, terms.u_acc, terms.eta_exp) == (FP32, BF16, FP16, 0, 0)


def test_a_changed_copy_leaves_the_contract_as_it_was() -> None:
    contract = Contract()
    assert contract.replace(lse_base=2.0) == Contract(lse_base=2.0) != contract
    with pytest.raises(FrozenInstanceError):
        contract.h = 3
