"""The README's picture shows what it says, and is small."""

from __future__ import annotations

import pytest

from faults import picture

LARGEST = 200_000  # bytes; a page that people open on a phone


@pytest.mark.parametrize(("name", "passes"), [*zip(picture.KERNELS, (False, True), strict=True)])
def test_the_broken_kernel_of_the_picture_is_beyond_1_and_the_right_one_is_not(name, passes):
    verdict = picture.out_of(picture.KERNELS[name]())
    assert (verdict.ratio <= 1) == passes


def test_the_picture_is_drawn_and_small():
    assert len(picture.draw().axes) == len(picture.KERNELS) + 1
    assert picture.PICTURE.stat().st_size < LARGEST
