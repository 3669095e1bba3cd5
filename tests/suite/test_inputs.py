"""Inputs are the same bits everywhere, and each family is what it says."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from conformance.cases.inputs import FAMILIES, Sizes, Stream, draw
from reference.formats import BF16, FORMATS, FP16, FP32

SIZES = Sizes(
    seqlens_q=(65, 33),
    seqlens_k=(129, 64),
    heads_q=4,
    heads_k=2,
    head_dim=64,
    head_dim_v=48,
    scale=0.125,
    format=BF16,
)
STREAM = Stream("0/test")
MANY = 1 << 16
SIGMAS = 6  # how many standard errors a sample of MANY may lie from what is expected

RECORDED = {
    "normal": "ab49680c5e277929",
    "heavy": "b64571e384f015c5",
    "uniform": "f4f791de5e4eac44",
    "grow": "fe72c0fd6db67b16",
}


def fill(family, *, format=BF16, scale=0.125, stream=STREAM):
    return draw(family, replaced(format=format, scale=scale), stream)


def replaced(**changes):
    return Sizes(**{**vars(SIZES), **changes})


def logits(tensors, *, scale, sequence=0):
    """(heads_q, seqlen_q, seqlen_k) of one sequence of SIZES."""
    at_q, at_k = (slice(65), slice(65, None))[sequence], (slice(129), slice(129, None))[sequence]
    q = tensors["q"][at_q].astype(np.float64)
    k = np.repeat(tensors["k"][at_k].astype(np.float64), 2, axis=1)
    return scale * np.einsum("ihd,jhd->hij", q, k)


def digest(tensors):
    return sha256(b"".join(tensors[name].tobytes() for name in sorted(tensors))).hexdigest()[:16]


@pytest.mark.parametrize("family", RECORDED)
def test_a_family_is_the_same_bits_on_every_machine(family):
    assert digest(fill(family)) == RECORDED[family]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_a_family_is_finite_and_exact_in_its_format(family, format):
    scale = 1.0 if family == "neg6e4" else 0.125
    for name, tensor in fill(family, format=format, scale=scale).items():
        assert tensor.shape == SIZES.shapes[name]
        assert tensor.dtype == format.dtype
        assert np.isfinite(tensor).all() and format.holds(tensor)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_heads_and_no_two_sequences_hold_the_same(family):
    for name, tensor in fill(family).items():
        at = (
            (slice(65), slice(65, None))
            if name in ("q", "dout")
            else (slice(129), slice(129, None))
        )
        blocks = [tensor[rows][:33, head] for rows in at for head in range(tensor.shape[1])]
        assert len({block.tobytes() for block in blocks}) == len(blocks)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"constant"}))
def test_no_two_rows_hold_the_same(family):
    for tensor in fill(family).values():
        rows = tensor.swapaxes(0, 1).reshape(-1, tensor.shape[2])
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_streams_differ_by_name_and_by_key():
    drawn = [Stream(key).words(name, 8).tobytes() for key in ("0/a", "1/a", "0/b") for name in "qk"]
    assert len(set(drawn)) == len(drawn)


def test_a_longer_stream_begins_like_a_shorter_one():
    np.testing.assert_array_equal(STREAM.words("q", 100)[:10], STREAM.words("q", 10))


@pytest.mark.parametrize(
    ("method", "mean", "variance", "fourth"),
    [
        ("uniform", 1 / 2, 1 / 12, 1 / 80),
        ("normal", 0.0, 1.0, 3 - 1.2 / 8),  # eight uniforms: their excess, -1.2, over 8
    ],
)
def test_moments_are_those_of_the_distribution(method, mean, variance, fourth):
    x = getattr(STREAM, method)("moments", (MANY,))
    assert abs(x.mean() - mean) < SIGMAS * np.sqrt(variance / MANY)
    error = np.sqrt((fourth - variance**2) / MANY)
    assert abs(((x - mean) ** 2).mean() - variance) < SIGMAS * error


def test_uniform_numbers_never_reach_0_or_1():
    x = STREAM.uniform("edges", (MANY,))
    assert x.min() > 0 and x.max() < 1


def test_heavy_tails_have_the_quartiles_of_students_t_with_2_degrees():
    inside = np.abs(STREAM.heavy("quartiles", (MANY,))) < np.sqrt(2 / 3)
    assert abs(inside.mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(MANY)


@pytest.mark.parametrize(("family", "spread"), [("normal", 1), ("peaked", 18), ("huge", 300)])
def test_logits_have_the_spread_that_the_family_names(family, spread):
    s = logits(fill(family), scale=0.125)
    independent = 65 + 129  # rows and keys, not pairs, are independent
    assert abs(s.std() / spread - 1) < SIGMAS / np.sqrt(independent)


@pytest.mark.parametrize(
    ("family", "level", "scale"), [("neg300", -300, 0.125), ("neg6e4", -6e4, 1)]
)
@pytest.mark.parametrize("format", [FP16, BF16, FP32], ids=lambda format: format.name)
def test_all_logits_are_near_the_level(family, level, scale, format):
    tensors = fill(family, format=format, scale=scale)
    s = logits(tensors, scale=scale)
    products_of_the_rest = SIGMAS  # their standard deviation is about 1
    assert np.abs(s - level).max() < 2 * products_of_the_rest + abs(level) * format.unit_roundoff
    assert np.abs(s / scale).max() < FP16.largest


def test_growing_logits_span_300_along_the_keys_and_odd_heads_fall():
    s = logits(fill("grow", format=FP32), scale=0.125).mean(axis=1)  # over rows
    rise = s[:, -1] - s[:, 0]
    np.testing.assert_array_equal(np.sign(rise), [1, 1, -1, -1])
    assert (np.abs(np.abs(rise) - 300) < 2 * SIGMAS).all()


def test_outliers_stand_where_the_family_says():
    channel, key = fill("outlier-channel"), fill("outlier-key")
    assert np.abs(channel["k"]).mean(axis=(0, 1)).argmax() == 64 // 3
    assert np.abs(channel["v"]).mean(axis=(0, 1)).argmax() == 48 // 3
    assert np.abs(key["k"][:129]).mean(axis=(1, 2)).argmax() == 2 * 129 // 3
    assert np.abs(key["k"][129:]).mean(axis=(1, 2)).argmax() == 2 * 64 // 3


def test_values_have_the_mean_that_the_family_names():
    mean, cancel = fill("mean-v")["v"], fill("cancel-v")["v"]
    assert (np.abs(mean - 16) <= 4.9 / 4 + 16 * BF16.unit_roundoff).all()
    assert (np.abs(np.abs(cancel) - 50) <= 4.9 + 64 * BF16.unit_roundoff).all()
    assert (np.sign(cancel[1:128]) == -np.sign(cancel[:127])).all()


@pytest.mark.parametrize("format", [FP16, BF16], ids=lambda format: format.name)
def test_tiny_values_average_to_subnormal_numbers(format):
    v = fill("tiny", format=format)["v"]
    average = np.abs(v[:129].astype(np.float64).mean(axis=0))
    assert format.half_subnormal < np.median(average) < 2.0**format.min_exponent


def test_constant_keys_give_equal_logits_and_equal_values():
    tensors = fill("constant")
    s = logits(tensors, scale=0.125)
    np.testing.assert_array_equal(s, np.broadcast_to(s[:, :1, :1], s.shape))
    np.testing.assert_array_equal(np.ptp(tensors["v"][:129], axis=0), 0)


def test_a_family_has_room_for_empty_sequences():
    for family in FAMILIES:
        sizes = replaced(seqlens_q=(0, 3), seqlens_k=(2, 0), format=FORMATS["fp32"])
        assert draw(family, sizes, STREAM)["k"].shape == (2, 2, 64)


def test_an_unknown_family_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="no input family 'noraml': give one of normal, peaked"):
        fill("noraml")
