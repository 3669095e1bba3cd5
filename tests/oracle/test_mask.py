"""Tiles say of the mask what the predicate says of each pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import UNHURRIED, head_masks, problems

from oracle.exact import lengths, sees
from reference.mask import HeadMask, Mask
from reference.problem import Problem

BOUNDS = {n: list(itertools.combinations(range(n + 1), 2)) for n in (3, 4)}


def predicate(mask: HeadMask, i: int, j: int, *, band_only: bool = False) -> bool:
    """Whether query i sees key j, as the docstring of HeadMask says it."""
    inside = (mask.left is None or i + mask.left <= j) and (
        mask.right is None or j <= i + mask.right
    )
    if band_only or mask.keep is None:
        return inside or j < mask.prefix
    return (inside or j < mask.prefix) and bool(mask.keep[i, j])


@st.composite
def tiles(draw: st.DrawFn) -> tuple[HeadMask, range, range]:
    """A mask and a tile of it that is not empty."""
    mask = draw(head_masks().filter(lambda mask: mask.seqlen_q and mask.seqlen_k))
    rows, keys = (
        range(start := draw(st.integers(0, n - 1)), draw(st.integers(start + 1, n)))
        for n in (mask.seqlen_q, mask.seqlen_k)
    )
    return mask, rows, keys


@settings(UNHURRIED, max_examples=300)
@given(tile=tiles())
def test_visible_is_the_predicate_on_each_pair(tile: tuple[HeadMask, range, range]) -> None:
    mask, rows, keys = tile
    want = [[predicate(mask, i, j) for j in keys] for i in rows]
    assert mask.visible(rows, keys).tolist() == want


@settings(UNHURRIED, max_examples=300)
@given(tile=tiles())
def test_a_tile_is_empty_full_or_partial(tile: tuple[HeadMask, range, range]) -> None:
    mask, rows, keys = tile
    seen = [predicate(mask, i, j) for i in rows for j in keys]
    want = "full" if all(seen) else "partial" if any(seen) else "empty"
    assert mask.tile(rows, keys) == want


def test_every_tile_of_every_small_band_is_empty_full_or_partial() -> None:
    """Boundaries are few, so that examples drawn at random may miss them: here is each."""
    edges = (None, *range(-4, 6))
    for left, right, prefix in itertools.product(edges, edges, (0, 1, 3)):
        band = HeadMask(seqlen_q=3, seqlen_k=4, left=left, right=right, prefix=prefix, keep=None)
        seen = np.array([[predicate(band, i, j) for j in range(4)] for i in range(3)])
        assert band.hides() == (not seen.all())
        for (a, b), (c, d) in itertools.product(BOUNDS[3], BOUNDS[4]):
            part = seen[a:b, c:d]
            want = "full" if part.all() else "partial" if part.any() else "empty"
            assert band.tile(range(a, b), range(c, d)) == want


@settings(UNHURRIED, max_examples=300)
@given(mask=head_masks(), data=st.data())
def test_no_key_outside_the_span_is_seen(mask: HeadMask, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, mask.seqlen_q))
    rows = range(start, data.draw(st.integers(start, mask.seqlen_q)))
    span = mask.span(rows)
    outside = set(range(mask.seqlen_k)) - set(span)
    assert not any(predicate(mask, i, j, band_only=True) for i in rows for j in outside)
    assert set(span) <= set(range(mask.seqlen_k)) and span.start >= 0


@settings(UNHURRIED, max_examples=300)
@given(mask=head_masks(), row=st.integers(0, 8))
def test_the_span_of_one_row_without_prefix_is_what_it_sees(mask: HeadMask, row: int) -> None:
    if row < mask.seqlen_q and mask.prefix == 0:
        want = [j for j in range(mask.seqlen_k) if predicate(mask, row, j, band_only=True)]
        assert list(mask.span(range(row, row + 1))) == want


@settings(UNHURRIED, max_examples=300)
@given(mask=head_masks())
def test_rows_that_see_and_masks_that_hide(mask: HeadMask) -> None:
    rows, keys = range(mask.seqlen_q), range(mask.seqlen_k)
    assert mask.sees().tolist() == [any(predicate(mask, i, j) for j in keys) for i in rows]
    hidden = [not predicate(mask, i, j, band_only=True) for i in rows for j in keys]
    assert mask.hides() == any(hidden)


@settings(UNHURRIED, max_examples=100)
@given(problem=problems(max_seqlen=5))
def test_heads_see_what_the_definition_lets_them(problem: Problem) -> None:
    lengths_q, lengths_k = lengths(problem)
    for head in problem.heads():
        b, n = head.sequence, head.head_q
        rows, keys = range(lengths_q[b]), range(lengths_k[b])
        want = [[sees(problem, b, n, i, j) for j in keys] for i in rows]
        assert head.mask.visible(rows, keys).tolist() == want


def test_many_rows_with_a_keep_array_are_asked_in_blocks() -> None:
    keep = np.zeros((600, 2), np.bool_)
    keep[[0, 255, 256, 599]] = True
    mask = HeadMask(seqlen_q=600, seqlen_k=2, left=None, right=None, prefix=0, keep=keep)
    assert (mask.sees() == keep[:, 0]).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"window": (1,)}, "mask window is (1,): give (left, right), each an integer or None"),
        ({"window": 4}, "mask window is 4: give (left, right)"),
        ({"window": (0.5, None)}, "mask window is (0.5, None): give (left, right)"),
        ({"anchor": "center"}, "mask anchor is 'center': give one of bottom-right, top-left"),
        ({"keep": np.ones((2, 2))}, "mask keep is a float64 array of shape (2, 2): give a bool"),
        ({"keep": np.ones((1,) * 5, np.bool_)}, "shape (1, 1, 1, 1, 1): give a bool array"),
        ({"keep": [True]}, "mask keep is of type list: give a bool array"),
        ({"prefix": -1}, "mask prefix is -1: give lengths that are not negative"),
        ({"prefix": (2, -1)}, "mask prefix is (2, -1): give lengths that are not negative"),
        ({"prefix": 1.5}, "mask prefix is 1.5: give lengths that are not negative"),
    ],
)
def test_a_wrong_mask_is_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the words are compared below)
        Mask(**fields)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prefix", [[1, 2], np.array([1, 2]), (1, 2)], ids=["list", "array", "tuple"]
)
def test_prefixes_may_be_any_sequence(prefix: object) -> None:
    assert Mask(prefix=prefix).prefix == (1, 2)
