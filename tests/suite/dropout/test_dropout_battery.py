"""The battery finds each fault with the bits it says it needs, names it, and lets the good pass."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import stats

from conformance.dropout.battery_power import faults
from conformance.dropout.battery_power.calibrate import calibrate
from conformance.dropout.battery_power.faults import CALLS, FAULTS, fewest_bits
from conformance.dropout.battery_power.faulty import FAULTY
from conformance.dropout.battery_power.power import row, shape_of
from conformance.dropout.generators.declared import compared, difference
from conformance.dropout.generators.known import GENERATORS, Generator, philox, stream
from conformance.dropout.statistics import z_scores
from conformance.dropout.statistics.battery import battery
from conformance.dropout.statistics.masks import Masks, Refused
from reference.dropout import Dropout

ALPHA = 1e-6
SHAPE = (2, 3, 64, 125)
FOUND = {
    "p-8bit": "p is quantised to 8 bits (or 1 - p is cut to 8 bits, or 1 - p is rounded to bf16): "
    "0.1 -> 0.1015625",
    "shared-heads": "masks are shared by heads: heads 0 and 1 have the same decisions",
    "lcg16": "decisions know of those before them: correlation",
    "restart-4096": "the stream begins again every 4096 elements",
    "overlap": "each call begins 40 elements into the one before",
}


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found_and_named_with_the_bits_it_takes(name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    shape = shape_of(fault.bits(0.1, ALPHA))
    for seed in range(3):
        findings = battery(fault.generator.calls(CALLS, p=0.1, shape=shape, seed=seed))
        assert not findings.passes and name not in findings.cannot_tell
        assert findings.likely.startswith(FOUND[name])


def test_a_short_period_is_named_where_it_can_be_seen() -> None:
    findings = battery(FAULTY["lcg16"].calls(2, p=0.1, shape=(1, 2, 200, 250)))
    assert findings.likely == "the stream begins again every 65536 elements"


@pytest.mark.parametrize("name", ["p-off-0.001", "p-bf16", "p-8bit"])
def test_a_wrong_p_is_found_in_99_of_100_runs_with_the_bits_it_takes(name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    power = row(fault, p=0.1, alpha=ALPHA, runs=1)
    assert power.rejections / power.runs == pytest.approx(0.99, abs=0.005)


@pytest.mark.parametrize("name", ["transposed", "msb-first"])
def test_other_orders_pass_all_statistics_and_are_told_by_comparison(name: str) -> None:
    declared = GENERATORS["philox"].calls(4, p=0.1, shape=SHAPE)
    words: list[str] = []
    calls = FAULTY[name].calls(4, p=0.1, shape=SHAPE)
    assert battery(compared(calls, declared, words)).passes
    where = {"transposed": "its planes are transposed", "msb-first": "the highest of each byte"}
    assert where[name] in words[0] and words[0].startswith("call 0: the mask is the declared")


@pytest.mark.parametrize("name", ["philox", "ascend950", "torch-mem-efficient", "pcg64"])
@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_a_good_generator_passes(name: str, p: float) -> None:
    findings = battery(GENERATORS[name].calls(4, p=p, shape=SHAPE))
    assert findings.passes and not findings.likely and "nominal" in findings.fits


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 2500), (1, 1, 2500, 1), (3, 1, 7, 131), (1, 5, 25, 20), (1, 1, 2, 1250)]
)
@pytest.mark.parametrize("calls", [1, 3])
def test_any_shape_can_be_judged(shape: tuple[int, ...], calls: int) -> None:
    assert battery(GENERATORS["pcg64"].calls(calls, p=0.1, shape=shape)).passes


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_p_values_of_a_perfect_generator_are_uniform(p: float) -> None:
    found = calibrate(GENERATORS["pcg64"], p=p, runs=100, shape=(2, 2, 35, 80))
    assert found.holds, found.text()


def test_p_values_of_a_bad_generator_are_not_uniform() -> None:
    found = calibrate(FAULTY["p-off-0.001"], p=0.1, runs=20, shape=(2, 4, 125, 250))
    assert not found.holds and found.text().endswith("does not hold")


@pytest.mark.parametrize(("trials", "chance"), [(1, 0.1), (5, 0.5), (40, 0.01)])
def test_the_score_of_a_small_count_is_standard_normal(trials: int, chance: float) -> None:
    draw = np.random.default_rng(0)
    z = z_scores.binomial(draw.binomial(trials, chance, 20000), trials, chance, draw)
    assert stats.kstest(z, "norm").pvalue > 0.001


def altered(change: Callable[[np.ndarray, int], object], p: float = 0.1) -> Iterator[Masks]:
    """Four calls of a good generator, changed in place by `change(keep, call)`."""
    for call in range(4):
        keep = philox(SHAPE, p=p, seed=0, call=call).reshape(SHAPE)
        keep[:] = changed if (changed := change(keep, call)) is not None else keep
        yield Masks(keep=keep, p=p)


def first_call(keep: np.ndarray, call: int) -> np.ndarray:
    return philox(SHAPE, p=0.1, seed=0, call=0).reshape(SHAPE)


def far_overlap(keep: np.ndarray, call: int) -> np.ndarray:
    return stream(Dropout(p=0.1), 40000 * call, keep.size).reshape(SHAPE)


def sticky(keep: np.ndarray, call: int) -> None:
    """One decision in five is the one before it, most of which stay: a correlation of 0.16."""
    copied = np.flatnonzero(np.random.default_rng(call).random(keep.size - 1) < 0.2)
    keep.reshape(-1)[copied + 1] = keep.reshape(-1)[copied]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda keep, call: ~keep, "kept and dropped are exchanged"),
        (
            lambda keep, call: np.ones_like(keep),
            "the keep rate is not 1 - p: nothing is dropped, p is",
        ),
        (lambda keep, call: keep[:1], "masks are shared by batches: batches 0 and 1"),
        (lambda keep, call: keep[:, [0, 1, 1]], "masks are shared by heads: heads 1 and 2"),
        (first_call, "calls have the masks of the call before: is the offset advanced"),
        (lambda keep, call: first_call(keep, 0) if call % 2 == 0 else None, "later calls have the"),
        (
            lambda keep, call: keep[:, :, 7].fill(True),
            "the keep rate depends on the row: worst row 7",
        ),
        (
            lambda keep, call: keep[..., 9].fill(True),
            "the keep rate depends on the column: worst col",
        ),
        (
            lambda keep, call: keep[:, :, 5, 3].fill(False),
            "the keep rate depends on the (i, j): wor",
        ),
        (far_overlap, "each call begins 40000 elements into the one before"),
        (sticky, "decisions know of those before them: correlation 0.1"),
    ],
)
def test_a_fault_in_known_masks_is_named(change: Callable, words: str) -> None:
    findings = battery(altered(change))
    assert not findings.passes
    assert findings.likely.startswith(words), findings.text()


def test_p_of_0_may_drop_nothing() -> None:
    whole = Masks(keep=np.ones(SHAPE, bool), p=0.0)
    findings = battery([whole, whole])
    assert findings.passes and "cannot tell: p-off-0.001" not in findings.text()
    keep = whole.keep.copy()
    keep[0, 0, 3, 4] = False
    assert not battery([whole, Masks(keep=keep, p=0.0)]).passes


def test_the_same_masks_have_the_same_findings_with_any_number_of_threads() -> None:
    one, two = (
        battery(GENERATORS["philox"].calls(5, p=0.1, shape=SHAPE), threads=n) for n in (1, 2)
    )
    assert one.tests == two.tests and one.text() == two.text()


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    def peak(calls: int) -> int:
        tracemalloc.start()
        battery(GENERATORS["pcg64"].calls(calls, p=0.1, shape=SHAPE), threads=1)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(60) < 2 * peak(6)  # 54 calls and their spectra would be 13 MB, four times as much


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([], "there is no call: give at least one"),
        (
            [Masks(keep=np.ones((1, 1, 10, 10), bool), p=0.1)],
            r"100 bits are too few for p = 0.1 and alpha = 1e-06: give at least 2500",
        ),
        (
            [Masks(keep=np.ones((1, 1, 50, n), bool), p=0.1) for n in (50, 51)],
            "a call has shape .* judge them apart",
        ),
    ],
)
def test_calls_that_say_nothing_are_refused(calls: list[Masks], words: str) -> None:
    with pytest.raises(Refused, match=words):
        battery(calls, alpha=ALPHA)


def test_a_fault_that_needs_more_bits_is_one_that_cannot_be_told() -> None:
    generator: Generator = GENERATORS["philox"]
    findings = battery(generator.calls(1, p=0.1, shape=shape_of(fewest_bits(0.1, ALPHA) * 4)))
    assert findings.passes and set(findings.cannot_tell) >= {"p-bf16", "p-off-0.001", "p-8bit"}
    assert findings.cannot_tell["overlap"] == 2 * findings.bits  # another call
    needs = faults.bits_for_rate(0.1, 0.101, ALPHA)
    assert f"p-off-0.001 (p is off by 0.001) needs {needs:,} bits" in findings.text()


def test_a_comparison_says_where_masks_differ() -> None:
    declared = next(GENERATORS["philox"].calls(1, p=0.1, shape=SHAPE))
    keep = declared.keep.copy()
    keep[1, 2, 3, 4] ^= True
    assert difference(declared, declared) is None
    assert "the first at batch 1, head 2, row 3, column 4" in difference(
        Masks(keep=keep, p=0.1), declared
    )
    assert "have shape (2, 3, 64, 120), those declared" in difference(
        Masks(keep=keep[..., 5:], p=0.1), declared
    )
