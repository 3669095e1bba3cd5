"""The performance model against cases worked out by hand, and against published figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.cases.case import Case
from npu_kernels.ascend_c import launch as ascend_launch
from npu_kernels.ascend_c.binding import CoreCounters
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.ascend_c.loading import load
from npu_kernels.ascend_c.structs import PATHS, PIPES
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.performance.chips import CHIPS
from npu_kernels.performance.model import FITTED, NONE, modelled, on_every_chip
from reference.formats import FP16

SCORES = 8 * 40 * 4096**2  # LLaMA-13B, batch 8, seqlen 4096
HEAD_DIM = 128
MEASURED = {1024: 21.0e-6, 2048: 32.5e-6, 4096: 88.9e-6}
"""Seconds on Ascend 910B2: fp16 forward, one head, head_dim 128, no mask, by the best hand-written
tile kernel. Source: hw-native-sys/pto-isa, kernels/manual/common/flash_atten/README.md."""


def core(name: str = "AIC", group: int = 0, **counted: dict[str, int]) -> CoreCounters:
    """Counters of a core that did only what is `counted`."""
    zero = {kind: dict.fromkeys(PIPES, 0) for kind in ("instructions", "repeats", "macs", "waits")}
    zero["bytes"] = dict.fromkeys(PATHS, 0)
    given = {kind: {**zero[kind], **counted.get(kind, {})} for kind in zero}
    return CoreCounters(group=group, core=name, **given)


def everywhere(chip, of_all: int, name: str, kind: str, of: str) -> list[CoreCounters]:
    """The same share of `of_all` on each core of that name, of every group."""
    share = of_all // chip.groups
    return [core(name, group, **{kind: {of: share}}) for group in range(chip.groups)]


@pytest.mark.parametrize(
    ("chip", "forward", "backward"),
    [("910B1", 7.56, 18.9), ("910B2", 7.77, 19.4), ("910B3", 9.32, 23.3), ("910B4", 11.2, 28.0)],
)
def test_the_cube_alone_takes_its_flops_over_its_peak(chip, forward, backward):
    for products, milliseconds in ((2, forward), (5, backward)):
        macs = products * SCORES * HEAD_DIM
        counters = everywhere(CHIPS[chip], macs, "AIC", "macs", "M")
        time = modelled(counters, 0, CHIPS[chip], NONE)
        assert time.seconds == pytest.approx(1e-3 * milliseconds, rel=5e-3)
        assert time.bound_by == "AIC M" and time.utilisation == pytest.approx(1)


@pytest.mark.parametrize(
    ("chip", "milliseconds"), [("910B1", 3.8), ("910B2", 3.9), ("910B3", 4.7), ("910B4", 5.6)]
)
def test_reading_fp32_scores_is_bound_by_the_way_into_ub(chip, milliseconds):
    counters = [
        one
        for name in ("AIV0", "AIV1")
        for one in everywhere(CHIPS[chip], 4 * SCORES // 2, name, "bytes", "GM to UB")
    ]
    time = modelled(sorted(counters, key=lambda one: (one.group, one.core)), 0, CHIPS[chip], NONE)
    assert time.pipe_seconds == pytest.approx(1e-3 * milliseconds, rel=0.02)


@pytest.mark.parametrize(("chip", "milliseconds"), [("910B2", 0.84), ("910B4", 1.7)])
def test_tensors_come_from_hbm_once(chip, milliseconds):
    values = 4 * 8 * 40 * 4096 * HEAD_DIM
    time = modelled([], 2 * values, CHIPS[chip], NONE)
    assert time.seconds == pytest.approx(1e-3 * milliseconds, rel=0.02) and time.bound_by == "HBM"


def test_l2_gives_and_takes_at_once():
    chip = CHIPS["910B2"]
    cycles = chip.groups * chip.hertz
    counters = [core(bytes={"GM to L1": 110_000, "L0C to GM": 86_000})]
    assert modelled(counters, 0, chip, NONE).l2_seconds == pytest.approx(1000 / cycles)


def test_latencies_are_added_where_they_occur():
    chip = CHIPS["910B2"]
    vector = {"instructions": {"V": 3}, "repeats": {"V": 100}, "waits": {"S": 4}}
    time = modelled([core("AIV0", **vector)], 0, chip, FITTED)
    busy = (100 + 3 * FITTED.issue) / chip.hertz + 4 * FITTED.hand_over
    assert time.seconds == pytest.approx(busy + FITTED.launch)
    assert time.unfitted_seconds == pytest.approx(100 / chip.hertz)
    assert time.balance == pytest.approx(1 / 24)  # of 24 groups one works


def test_kernels_of_a_call_run_one_after_the_other():
    chip = CHIPS["910B2"]
    first = [core(group=group, macs={"M": 4096 * 1000}) for group in range(2)]
    both = modelled([*first, *first], 0, chip, FITTED)
    assert both.seconds == pytest.approx(2 * modelled(first, 0, chip, FITTED).seconds)
    assert both.launch_seconds == pytest.approx(2 * FITTED.launch)


@pytest.fixture(scope="module")
def kernel():
    fast = EmulatorOptions(fast=True)
    return AscendKernel(name="", library=load(build.library()), options=fast, digest="")


def tile_by_tile(seqlen: int) -> list[CoreCounters]:
    """What cores count that hand over S, P and P V by tiles of 128 x 128, as the published kernel.

    One head without a mask; blocks of 128 queries are spread over the groups of 910B2. Numbers of
    instructions and repeats are those of our kernel when it did so.
    """
    tiles = seqlen // 128
    groups = min(tiles, CHIPS["910B2"].groups)
    counters = []
    for group in range(groups):
        blocks = len(range(group, tiles, groups))
        each = blocks * tiles
        panel = 128 * 128 * 2  # bytes of a tile of K, V or P, and of a block of Q
        counters.append(
            core(
                group=group,
                instructions={"M": 2 * each, "MTE2": 3 * each + blocks},
                macs={"M": 2 * 128**3 * each},
                waits={"S": each + 1},
                bytes={
                    "GM to L1": panel * (3 * each + blocks),
                    "L1 to L0A": 2 * panel * each,
                    "L1 to L0B": 2 * panel * each,
                    "L0C to GM": 4 * panel * each,
                },
            )
        )
        counters += [
            core(
                name,
                group,
                instructions={
                    "V": 44 * each + 11 * blocks,
                    "MTE2": 4 * each,
                    "MTE3": 3 * each + 5 * blocks,
                },
                repeats={"V": 1068 * each + 137 * blocks},
                waits={"S": 2 * each + 1},
                bytes={
                    "GM to UB": 2 * panel * each,
                    "UB to GM": panel // 2 * (each + blocks) + 3 * 256 * blocks,
                },
            )
            for name in ("AIV0", "AIV1")
        ]
    return counters


@pytest.mark.parametrize("seqlen", MEASURED)
def test_the_fit_meets_published_times_of_such_a_kernel_within_30_percent(seqlen):
    moved = 4 * seqlen * HEAD_DIM * 2 + 3 * seqlen * 4
    time = modelled(tile_by_tile(seqlen), moved, CHIPS["910B2"], FITTED)
    assert time.seconds == pytest.approx(MEASURED[seqlen], rel=0.3)
    assert time.unfitted_seconds < time.seconds


def test_partial_sums_pass_once_for_512_keys_and_keys_once_for_256_queries(kernel):
    case = Case("long", "", batch=1, seqlen_q=1024, heads_q=1, head_dim=128, backward=False)
    one_core = replace(kernel, options=EmulatorOptions(fast=True, cores=1))
    launch = one_core.prepare(case.problem(FP16))
    launch.launch()
    moved = {path: sum(core.bytes[path] for core in launch.counters()) for path in PATHS}
    scores, values = 1024 * 1024, 2 * 1024 * 128  # bytes of each tensor
    assert moved["L0C to GM"] == moved["GM to UB"] == (4 + 4 * 128 / 512) * scores
    assert moved["GM to L1"] == 2 * scores + values + 2 * values * 1024 / 256


def test_a_chip_with_fewer_cores_is_emulated_with_as_many(kernel):
    case = Case("20-tasks", "", batch=1, seqlen_q=128, heads_q=24, head_dim=16, backward=True)
    launch = kernel.prepare(case.problem(FP16))
    launch.launch()
    times = launch.modelled()
    assert set(times) == set(CHIPS) and all(
        one["label"] == "model, not measurement" for one in times.values()
    )
    assert times["910B3"]["pipe_seconds"] == pytest.approx(2 * times["910B2"]["pipe_seconds"])


def test_chips_with_as_many_cores_share_a_launch(kernel, monkeypatch):
    case = Case("small", "", batch=1, seqlen_q=16, heads_q=1, head_dim=16, backward=True)
    launch = kernel.prepare(case.problem(FP16))
    launch.launch()
    again, prepare = [], ascend_launch.prepare_launch
    monkeypatch.setattr(
        ascend_launch, "prepare_launch", lambda *asked: again.append(asked) or prepare(*asked)
    )
    launch.modelled()
    assert len(again) == len({chip.groups for chip in CHIPS.values()} - {kernel.options.cores})


def test_what_is_timed_is_emulated_fast_and_says_so(kernel):
    strict = replace(kernel, name="ascend[emulated,exp=2]", options=EmulatorOptions(exp=2))
    timed = strict.for_benchmarks
    assert timed.name == "ascend[emulated,fast,exp=2]" and timed.digest == strict.digest
    assert timed.options == EmulatorOptions(fast=True, exp=2)
    assert replace(kernel, name="emulated[fast]").for_benchmarks.name == "emulated[fast]"


def test_a_relaunch_gives_the_same_bits(kernel):
    case = Case("again", "", batch=1, seqlen_q=130, heads_q=2, head_dim=32, window=(None, 0))
    problem = case.problem(FP16)
    launch = kernel.prepare(problem)
    launch.launch()
    first = {name: tensor.copy() for name, tensor in launch.result().tensors()}
    launch.launch()
    launch.synchronize()
    again, called = dict(launch.result().tensors()), dict(kernel(problem).tensors())
    assert all((again[name] == x).all() and (called[name] == x).all() for name, x in first.items())


def test_utilisation_is_of_the_cubes_peak():
    chip = replace(CHIPS["910B2"], groups=1)
    time = modelled([core(macs={"M": 4096 * 100}, instructions={"M": 4})], 0, chip, FITTED)
    assert time.utilisation == pytest.approx(100 / chip.hertz / time.seconds)


def test_every_chip_takes_the_counters_of_its_groups():
    counters = {24: [core(macs={"M": 4096})], 20: [core(macs={"M": 8192})]}
    times = on_every_chip(counters, 0)
    assert times["910B2"]["pipe_seconds"] == pytest.approx(1 / 1.8e9)
    assert times["910B3"]["pipe_seconds"] == pytest.approx(2 / 1.8e9)
