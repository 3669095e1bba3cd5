"""The cases, by theme: each says what it would show."""

from __future__ import annotations

from conformance.case import Case
from conformance.cases import (
    dims,
    dropout,
    families,
    forward,
    heads,
    keeps,
    layouts,
    lengths,
    long,
    masks,
    packed,
    pairs,
    scores,
)

_THEMES = (
    families,
    masks,
    keeps,
    lengths,
    dims,
    heads,
    packed,
    scores,
    dropout,
    layouts,
    forward,
    pairs,
    long,
)


def all_cases() -> tuple[Case, ...]:
    """Every case of every tier, in the order in which they run."""
    return tuple(case for theme in _THEMES for case in theme.CASES)
