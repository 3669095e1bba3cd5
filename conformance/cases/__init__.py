"""The cases, by theme: each says what it would show."""

from __future__ import annotations

from conformance.cases.case import Case
from conformance.cases.themes import (
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
    pairwise,
    scores,
)

THEMES = {
    theme.__name__.rpartition(".")[2]: theme.CASES
    for theme in (
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
        pairwise,
        long,
    )
}
"""The cases by name of their theme, which is a marker of pytest, too: ``-m lengths``."""


def all_cases() -> tuple[Case, ...]:
    """Every case of every tier, in the order in which they run."""
    return tuple(case for cases in THEMES.values() for case in cases)


def theme_of(id: str) -> str | None:
    """The theme of the case with this id; None if there is no such case."""
    return next((name for name, cases in THEMES.items() if any(c.id == id for c in cases)), None)
