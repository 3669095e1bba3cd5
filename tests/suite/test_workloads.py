"""The workloads: the table, sizing down, and counting, against counting one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance.benchmark.flops import bytes_moved, flops, pairs
from conformance.benchmark.measure import judged_heads
from conformance.benchmark.options import SHRINK
from conformance.benchmark.scaling import LIMITS, sized
from conformance.benchmark.workloads import WORKLOADS, Workload
from conformance.laws.transform import visible_pairs
from reference.formats import BF16

VARIANTS = [variant for workload in WORKLOADS for variant in workload.variants()]
SMALL = {
    "square": Workload("square", "", batch=2, seqlen_q=5, heads_q=2, head_dim=8),
    "longer": Workload("longer", "", seqlen_q=3, seqlen_k=7, heads_q=4, heads_k=2, head_dim=8),
    "fewer-keys": Workload("fewer-keys", "", seqlen_q=7, seqlen_k=3, heads_q=1, head_dim=8),
    "packed": Workload("packed", "", lens=(4, 1, 6), heads_q=2, head_dim=8),
}
small = pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL)


def problem_of(workload: Workload):
    return workload.case.problem(BF16)


def count_one_by_one(problem) -> int:
    """Multiplications and additions of every visible pair, product by product."""
    shown = visible_pairs(problem)
    done = 0
    for sequence, (queries, keys) in enumerate(
        zip(problem.seqlens_q, problem.seqlens_k, strict=True)
    ):
        seen = np.broadcast_to(shown, problem.shape_scores)[sequence, :, :queries, :keys]
        for _ in np.argwhere(seen):
            done += 2 * problem.head_dim + 2 * problem.head_dim_v  # q k, p v
            if problem.dout is not None:
                done += 3 * 2 * problem.head_dim  # q k again, ds k, ds q
                done += 2 * 2 * problem.head_dim_v  # dout v, p dout
    return done


def test_names_are_unique_and_every_workload_says_why():
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names) and all(len(one.why) > 20 for one in WORKLOADS)


@pytest.mark.parametrize("pass_", ["forward", "forward+backward"])
@pytest.mark.parametrize("causal", [True, False])
@small
def test_flops_are_those_counted_one_by_one(workload, causal, pass_):
    problem = problem_of(replace(workload, causal=causal, pass_=pass_))
    assert flops(problem) == count_one_by_one(problem)


@small
def test_bytes_are_those_of_the_tensors(workload):
    problem = problem_of(replace(workload, pass_="forward+backward"))
    q, k, out, lse = (
        2 * problem.q.size,
        2 * problem.k.size,
        2 * problem.q.size,
        4 * np.prod(problem.shape_lse),
    )
    forward = (q + 2 * k) + (out + lse)
    backward = (q + 2 * k) + (out + lse) + out + (q + 2 * k)
    assert bytes_moved(problem) == forward + backward
    assert bytes_moved(problem.replace(dout=None)) == forward


def test_pairs_of_other_masks_are_not_guessed():
    problem = problem_of(SMALL["square"])
    with pytest.raises(ValueError, match="causal and full"):
        pairs(problem.replace(mask=replace(problem.mask, window=(2, 0))))


@pytest.mark.parametrize("shrink", [1, SHRINK, 1024])
@pytest.mark.parametrize("device", LIMITS)
def test_sizing_down_keeps_what_a_head_is(device, shrink):
    assert [one.name for one in VARIANTS if not is_sized_down(one, device, shrink)] == []


def is_sized_down(workload: Workload, device: str, shrink: int) -> bool:
    """Whether it fits the limits, and batch, heads and lengths were reduced in this order."""
    timed, limit = sized(workload, device, shrink=shrink), LIMITS[device]
    is_one_head = (timed.batch, timed.heads_k or timed.heads_q) == (1, 1)
    group, group_then = (one.heads_q // (one.heads_k or one.heads_q) for one in (workload, timed))
    return (
        (timed.work <= max(limit.layer, limit.head) // shrink or timed.lens is not None)
        and (timed.work <= max(limit.layer, limit.head))
        and timed.scaled_down >= 1
        and group == group_then
        and (timed.lens, timed.head_dim) == (workload.lens, workload.head_dim)
        and (timed.seqlen_q == workload.seqlen_q or is_one_head)
    )


def test_an_accelerator_is_asked_the_whole():
    assert [one for one in VARIANTS if sized(one, "cuda") != one or one.scaled_down != 1] == []


@pytest.mark.parametrize("heads", [1, 3, 40])
def test_the_last_head_is_judged_and_none_twice(heads, monkeypatch):
    monkeypatch.setattr("conformance.benchmark.measure.JUDGED", 2 * 5 * 5 * 8)
    problem = problem_of(Workload("heads", "", seqlen_q=5, heads_q=heads, head_dim=8))
    chosen = judged_heads(problem)
    assert chosen[-1] == heads - 1 and len(set(chosen)) == len(chosen) == min(heads, 2)
