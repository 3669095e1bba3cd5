"""Masks, biases and layouts are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.cases import patterns
from conformance.cases.inputs import Stream
from reference.formats import BF16, FP32

STREAM = Stream("0/patterns")
SCORES = (2, 4, 96, 129)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("bhqk", (2, 4, 96, 129)),
        ("1hqk", (1, 4, 96, 129)),
        ("b11k", (2, 1, 1, 129)),
        ("b1q1", (2, 1, 96, 1)),
        ("1111", (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("pattern", patterns.KEEPS)
def test_a_pattern_has_the_axes_it_is_given(pattern, axes, shape):
    keep = patterns.keep(f"{pattern} {axes}", SCORES, STREAM)
    assert keep.shape == shape and keep.dtype == np.bool_


def test_random_keeps_differ_by_sequence_and_head():
    keep = patterns.keep("random bhqk", SCORES, STREAM)
    assert len({keep[b, h].tobytes() for b in range(2) for h in range(4)}) == 8


def test_blocks_hide_whole_tiles_and_keep_others_whole():
    keep = patterns.keep("blocks bhqk", SCORES, STREAM)[..., :128]
    tiles = keep.reshape(2, 4, 3, 32, 4, 32).sum(axis=(3, 5))
    assert set(np.unique(tiles)) == {0, 32 * 32}


def test_dead_rows_see_nothing_and_the_others_something():
    alive = patterns.keep("dead-rows bhqk", SCORES, STREAM).any(axis=3)
    np.testing.assert_array_equal(alive, np.broadcast_to(np.arange(96) % 3 != 1, alive.shape))


def test_late_keeps_hide_every_tile_of_the_first_two_thirds():
    keep = patterns.keep("late 111k", SCORES, STREAM)
    assert not keep[..., :86].any() and keep[..., 86:].all()


def test_padding_ends_elsewhere_in_each_sequence():
    lengths = patterns.keep("padding b11k", SCORES, STREAM).sum(axis=3).ravel()
    assert 0 < lengths[0] < lengths[1] < 129


def test_single_keeps_show_one_key_to_each_row():
    assert (patterns.keep("single 11qk", SCORES, STREAM).sum(axis=3) == 1).all()


@pytest.mark.parametrize("pattern", patterns.BIASES)
def test_a_bias_is_exact_in_its_format_and_never_plus_infinity(pattern):
    bias = patterns.bias(f"{pattern} bhqk", SCORES, STREAM, BF16)
    assert bias.shape == SCORES and BF16.holds(bias) and (bias < np.inf).all()


@pytest.mark.parametrize(("axes", "shape"), [("h", (4,)), ("bh", (2, 4))])
def test_every_head_has_a_slope_of_its_own(axes, shape):
    slopes = patterns.slopes(axes, 2, 4)
    assert slopes.shape == shape and FP32.holds(slopes)
    assert len(np.unique(slopes)) == slopes.size


@pytest.mark.parametrize("layout", sorted(set(patterns.LAYOUTS) - {"expanded"}))
def test_a_layout_moves_the_values_and_changes_none(layout):
    tensors = {name: STREAM.normal(name, (2, 9, 3, 8)) for name in ("q", "k", "v", "dout")}
    for name, view in patterns.lay_out(tensors, layout).items():
        np.testing.assert_array_equal(view, tensors[name])


@pytest.mark.parametrize(
    ("layout", "strides"),
    [
        ("contiguous", (216, 24, 8, 1)),
        ("bnsd", (216, 8, 72, 1)),
        ("gapped", (12 * 4 * 13, 4 * 13, 13, 1)),
        ("every-other", (432, 48, 16, 2)),
        ("qkv", (648, 72, 8, 1)),
        ("expanded", (216, 24, 0, 1)),
    ],
)
def test_a_layout_has_the_strides_it_names(layout, strides):
    tensors = {name: STREAM.normal(name, (2, 9, 3, 8)) for name in ("q", "k", "v", "dout")}
    view = patterns.lay_out(tensors, layout)["v"]
    assert tuple(np.array(view.strides) // view.itemsize) == strides


@pytest.mark.parametrize("layout", ["gapped", "every-other"])
def test_gaps_hold_nan(layout):
    tensors = {name: STREAM.normal(name, (2, 9, 3, 8)) for name in ("q", "k", "v", "dout")}
    base = patterns.lay_out(tensors, layout)["k"].base
    assert np.isnan(base).sum() == base.size - tensors["k"].size > 0


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: patterns.keep("randum bhqk", SCORES, STREAM), "no pattern 'randum': give one of"),
        (lambda: patterns.lay_out({}, "bhsd"), "no layout 'bhsd': give one of contiguous"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(act, text):
    with pytest.raises(ValueError, match=text):
        act()
