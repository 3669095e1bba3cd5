"""When a pattern is worth a guess: only if an accident would rarely look like it.

A guess is made where the chance that its pattern arises by accident in this sample, times the
number of patterns that were looked for, is below `CHANCE`. Four rows never get there.
"""

from __future__ import annotations

import math

CHANCE = 1e-3
AGREEMENT = 1 / 8
"""Part of the error that one factor may leave unexplained; see error.proportion."""


def is_evidence(chance: float, *, looks: int = 1) -> bool:
    """Whether a pattern of this chance, the best of `looks`, is no accident (Bonferroni)."""
    return looks * chance < CHANCE


def chance_inside(drawn: int, *, inside: int, among: int) -> float:
    """The chance that all of `drawn` places lie among `inside` marked ones of `among`.

    Places are drawn without replacement, each set of them as likely as any other:
    C(inside, drawn) / C(among, drawn), the hypergeometric tail.
    """
    if drawn > inside:
        return 0.0
    return math.exp(_log_choose(inside, drawn) - _log_choose(among, drawn))


def chance_of_factor(elements: int) -> float:
    """The chance that one factor explains `elements` errors which have none in common.

    The first element sets the factor. Each other error, of any size up to its own, is then within
    `AGREEMENT` of what the factor says with that chance.
    """
    return float(AGREEMENT ** max(elements - 1, 0))


def _log_choose(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)
