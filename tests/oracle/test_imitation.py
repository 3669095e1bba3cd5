"""The simulated rounding of a kernel rounds where its contract says, and nowhere else."""

from __future__ import annotations

import math

import pytest
from support.crossed import BIAS, PLAIN, assert_same_bits, assert_within, crossed_problem

from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.formats import BF16, FORMATS, FP16, FP32
from reference.mask import Mask
from reference.problem import Result

CONTRACTS = {
    "default": Contract(),
    "scores": Contract(scores=BF16, scaled_q=BF16),
    "weights": Contract(weights=FP16, dscores=FP16, row_sum_rounded=True),
    "dweights": Contract(weights=FP16, dweights=FP16),
    "stored": Contract(out_roundings=8, dkv_roundings=16, out=BF16),
    "narrow": Contract(accumulator_roundoff=BF16.unit_roundoff, rounding="away"),
    "half": Contract(accumulator_roundoff=FP16.unit_roundoff),
    "exp": Contract(exp_rel=2.0**-10, lse_base=2.0),
}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_an_imitation_repeats_its_bits_in_the_declared_formats(format, contract):
    problem = crossed_problem(format)
    one, two = (
        blockwise.attention(problem, block_q=4, block_k=4, contract=contract, threads=threads)
        for threads in (1, 3)
    )
    assert_same_bits(one, two)
    terms = contract.resolve(format)
    for tensor in (one.out, one.dq, one.dk, one.dv, one.dbias):
        assert terms.out.holds(tensor)
    assert one.lse.dtype == terms.compute.dtype


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
@pytest.mark.parametrize(
    "changes",
    [PLAIN, PLAIN | {"bias": BIAS}, {}],
    ids=["plain", "bias", "every feature"],
)
def test_an_imitation_keeps_its_own_contract(format, contract, changes):
    problem = crossed_problem(format, **changes)
    got = blockwise.attention(problem, block_q=4, block_k=4, contract=contract)
    want = blockwise.attention(problem)
    natural = Result(
        **{
            name: tensor * math.log(contract.lse_base) if name == "lse" else tensor
            for name, tensor in got.tensors()
        }
    )
    worst = error_bound(problem, contract, result=want).worst
    answer = {name: tensor for name, tensor in want.tensors() if name in dict(worst.tensors())}
    assert_within(natural, Result(**answer), worst)


SHORTCUTS = {
    "scores": ({"scores": BF16}, "lse"),
    "scaled_q": ({"scaled_q": BF16}, "lse"),
    "weights": ({"weights": BF16}, "out"),
    "dscores": ({"dscores": BF16}, "dq"),
    "dweights": ({"dweights": BF16}, "dq"),
    "out": ({"out": BF16}, "out"),
    "accumulator": ({"accumulator_roundoff": BF16.unit_roundoff}, "out"),
    "half accumulator": ({"accumulator_roundoff": FP16.unit_roundoff}, "dk"),
    "row sum": ({"weights": BF16, "row_sum_rounded": True}, "lse"),
    "stored out": ({"out": BF16, "out_roundings": 4}, "out"),
    "stored dq": ({"out": BF16, "out_roundings": 4}, "dq"),
    "stored dk": ({"out": BF16, "dkv_roundings": 4}, "dk"),
    "exp": ({"exp_rel": 2.0**-10}, "lse"),
    "base": ({"lse_base": 2.0}, "lse"),
    "ties": ({"scaled_q": BF16, "rounding": "away"}, "out"),
}


@pytest.mark.parametrize(("fields", "tensor"), SHORTCUTS.values(), ids=SHORTCUTS)
def test_each_declared_shortcut_is_taken(fields, tensor):
    problem = crossed_problem(
        FP16, lengths=(40, 40), mask=Mask(), scale=1.0, **PLAIN
    )  # q has bf16's ties
    last = list(fields)[-1]
    before = Contract(**{name: value for name, value in fields.items() if name != last})
    taken, not_taken = (
        getattr(blockwise.attention(problem, block_q=8, block_k=8, contract=contract), tensor)
        for contract in (Contract(**fields), before)
    )
    assert (taken != not_taken).any()
