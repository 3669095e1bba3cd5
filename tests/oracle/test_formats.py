"""Rounding is right: for every number of fp16, and against NumPy and ml_dtypes elsewhere."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import UNHURRIED

from reference.formats import BF16, FORMATS, FP16, FP32, FP64, Array, Format, describe

HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)
UP = np.sort(HALVES[(HALVES > 0) & np.isfinite(HALVES)]).astype(np.float64)
WORDS = st.integers(0, 2**32 - 1).map(lambda word: np.array(word, np.uint32).view(np.float32))


def with_signs(x: Array) -> Array:
    """Each number, and its negative."""
    return np.concatenate([x, -x])


def bits(x: Array) -> Array:
    """Bit patterns, so that -0.0 differs from 0.0; one pattern for all NaN."""
    return np.where(np.isnan(x), np.uint32(0x7FC00000), np.asarray(x, np.float32).view(np.uint32))


def as_bfloat16(x: Array) -> Array:
    """What ml_dtypes makes of float32, in silence over signalling NaN."""
    with np.errstate(invalid="ignore"):
        return x.astype(ml_dtypes.bfloat16)


def nearest(format: Format, x: float, *, away: bool) -> float:
    """Round one finite number in exact rational arithmetic, overflow to infinity."""
    exact, spacing = Fraction(abs(x)), Fraction(2) ** (format.min_exponent - format.precision + 1)
    while exact >= spacing * 2**format.precision:
        spacing *= 2
    below = exact // spacing
    rest = exact / spacing - below
    half = Fraction(1, 2)
    raises = rest > half or (rest == half and (away or below % 2 == 1))
    rounded = (below + raises) * spacing
    size = np.inf if rounded >= Fraction(2) ** (format.max_exponent + 1) else float(rounded)
    return float(np.copysign(size, x))


@pytest.mark.parametrize("rounding", ["even", "away"])
def test_every_number_of_fp16_is_where_it_was(rounding: str) -> None:
    assert (bits(FP16.round(HALVES, rounding=rounding)) == bits(HALVES)).all()
    assert FP16.holds(HALVES.astype(np.float32))


def test_every_midpoint_of_fp16_goes_to_the_even_neighbour() -> None:
    below = np.concatenate([[0.0], UP])
    above = np.concatenate([UP, [2.0**16]])  # infinity's place, had the exponent one more step
    even = np.where(np.arange(len(below)) % 2 == 0, below, above)
    even = np.where(even == 2.0**16, np.inf, even)
    midpoints = (below + above) / 2
    assert (FP16.round(with_signs(midpoints)) == with_signs(even)).all()


def test_every_midpoint_of_fp16_goes_away_from_zero() -> None:
    below = np.concatenate([[0.0], UP])
    above = np.concatenate([UP, [np.inf]])
    midpoints = (below + np.concatenate([UP, [2.0**16]])) / 2
    got = FP16.round(with_signs(midpoints), rounding="away")
    assert (got == with_signs(above)).all()


@pytest.mark.parametrize("rounding", ["even", "away"])
def test_beside_every_midpoint_of_fp16_the_nearer_neighbour_wins(rounding: str) -> None:
    below, above = np.concatenate([[0.0], UP]), np.concatenate([UP, [2.0**16]])
    midpoints = (below + above) / 2
    less, more = np.nextafter(midpoints, 0), np.nextafter(midpoints, np.inf)
    above[-1] = np.inf
    assert (FP16.round(with_signs(less), rounding=rounding) == with_signs(below)).all()
    assert (FP16.round(with_signs(more), rounding=rounding) == with_signs(above)).all()


def test_fp16_rounds_every_float64_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**64, 2**16, dtype=np.uint64).view(np.float64)
    x = np.concatenate([x, rng.standard_normal(2**16) * 2.0 ** rng.integers(-26, 17, 2**16)])
    with np.errstate(over="ignore"):
        assert (bits(FP16.round(x)) == bits(x.astype(np.float16))).all()


@UNHURRIED
@given(x=WORDS)
def test_bf16_rounds_every_float32_as_ml_dtypes_does(x: Array) -> None:
    assert (bits(BF16.round(x)) == bits(as_bfloat16(x))).all()


def test_every_number_of_bf16_is_where_it_was_and_every_midpoint_as_in_ml_dtypes() -> None:
    numbers = np.arange(2**16, dtype=np.uint32) << 16
    for offset in (0, 0x7FFF, 0x8000, 0x8001):
        x = (numbers + np.uint32(offset)).view(np.float32)
        assert (bits(BF16.round(x)) == bits(as_bfloat16(x))).all()
    assert BF16.holds(numbers.view(np.float32))


def test_float64_reaches_bf16_in_one_rounding() -> None:
    x = 1 + 2.0**-8 + 2.0**-40
    assert BF16.round(x) == 1 + 2.0**-7
    assert BF16.round(np.float32(x)) == 1.0  # what a detour through float32 makes of it


@pytest.mark.parametrize("rounding", ["even", "away"])
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
@UNHURRIED
@given(data=st.data())
def test_rounding_is_that_of_rational_arithmetic(
    format: Format, rounding: str, data: st.DataObject
) -> None:
    x = data.draw(st.floats(allow_nan=False, allow_infinity=False))
    halfway = Format("", format.precision + 1, format.max_exponent).round(np.float64(x))
    x = data.draw(st.sampled_from((x, float(halfway))))
    x = math.nextafter(x, data.draw(st.sampled_from((x, 0.0, math.copysign(math.inf, x)))))
    if math.isfinite(x):
        want = nearest(format, x, away=rounding == "away")
        assert bits(format.round(np.float64(x), rounding=rounding)) == bits(np.float32(want))


@pytest.mark.parametrize("rounding", ["even", "away"])
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_overflow_begins_at_the_threshold(format: Format, rounding: str) -> None:
    threshold = format.overflow_threshold
    x = with_signs(np.array([threshold, np.nextafter(threshold, 0), format.largest]))
    want = with_signs(np.array([np.inf, format.largest, format.largest]))
    assert (format.round(x, rounding=rounding) == want).all()


@pytest.mark.parametrize("rounding", ["even", "away"])
@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_nan_infinity_and_signed_zeros_stay(format: Format, rounding: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])
    got = format.round(x, rounding=rounding)
    assert np.isnan(got[0]) and (got[1:3] == x[1:3]).all()
    assert (np.signbit(got[3:]) == [False, True]).all()


@pytest.mark.parametrize("rounding", ["even", "away"])
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_half_the_smallest_subnormal_is_the_first_tie(format: Format, rounding: str) -> None:
    half = format.half_subnormal
    got = format.round(np.array([half, np.nextafter(half, 1), -half / 2]), rounding=rounding)
    assert got.tolist() == [2 * half if rounding == "away" else 0, 2 * half, 0]
    assert np.signbit(got[2])


def test_fp64_changes_nothing() -> None:
    x = np.array([1 / 3, 5e-324, 1.7976931348623157e308])
    assert (FP64.round(x) == x).all() and FP64.holds(x)
    assert FP64.half_subnormal == 0.0 and FP64.overflow_threshold == np.inf


PARAMETERS = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp32": np.float32, "fp64": float}


@pytest.mark.parametrize("name", FORMATS)
def test_the_parameters_are_those_of_the_type(name: str) -> None:
    format, info = FORMATS[name], ml_dtypes.finfo(PARAMETERS[name])
    assert format.name == name
    assert format.unit_roundoff == float(info.eps) / 2
    assert format.largest == float(info.max)
    assert 2.0**format.min_exponent == float(info.tiny)
    assert format.half_subnormal == float(info.smallest_subnormal) / 2
    assert format.dtype == (np.float64 if name == "fp64" else np.float32)


@pytest.mark.parametrize("x", [1 + 2.0**-12, 65520.0, 2.0**-26])
def test_a_format_does_not_hold_what_rounding_would_change(x: float) -> None:
    assert not FP16.holds(np.array([0.0, x], np.float32))


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        (None, "None"),
        ("fp16", "of type str"),
        (np.zeros((2, 3), np.float16), "a float16 array of shape (2, 3)"),
    ],
)
def test_an_argument_is_described_in_words(argument: object, words: str) -> None:
    assert describe(argument) == words
