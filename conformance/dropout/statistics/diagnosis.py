"""What is likely wrong, in one sentence, from which tests are rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.dropout.statistics.masks import Totals
from conformance.dropout.statistics.rates import readings
from conformance.dropout.statistics.z_scores import Test

COPY = 0.7  # correlation from which decisions are called the same
UNLIKELY = 1e-3  # chance of the observed rate below which a reading of p is not named

WORDS = {
    "fp16": "p is rounded to fp16",
    "bf16": "p is rounded to bf16",
    "8 bits": "p is quantised to 8 bits",
    "8 bits (cut)": "1 - p is cut to 8 bits",
    "1 - p in fp16": "1 - p is rounded to fp16",
    "1 - p in bf16": "1 - p is rounded to bf16",
}


def likely(rejected: Sequence[Test], totals: Totals, fits: Mapping[str, float]) -> str:
    """The fault that explains the most, looked for from the plainest on.

    Parameters
    ----------
    rejected : tests, at least one
    fits : mapping
        Chance of the observed rate for each reading of p.
    """
    return (
        _copied({test.name: test for test in rejected if _is_copy(test, totals)}, totals)
        or ("keep rate" in {test.name for test in rejected} and _rate(totals, fits))
        or _elsewhere(rejected)
    )


def _is_copy(test: Test, totals: Totals) -> bool:
    """Whether decisions are the same, but for those pairs of the test that are none."""
    share = 1.0
    if test.name in ("any lag", "any shift"):  # they go around the end
        share = 1 - int(test.at.split()[1]) / totals.leading
    elif "call" in test.name:  # one of the calls is enough
        share = 1 / (totals.calls - 1)
    return test.effect > COPY * share


def _copied(copies: Mapping[str, Test], totals: Totals) -> str:
    """Which decisions are those of another place."""
    serial = [test for name, test in copies.items() if name.startswith("serial")]
    around = [test for name, test in copies.items() if name == "any lag"]  # it wraps: less sure
    period = min((int(test.at.split()[1]) for test in serial or around), default=0)
    if period % (totals.shape[2] * totals.shape[3]):  # else planes are the same
        return f"the stream begins again every {period} elements"
    for name, plural in (("head", "heads"), ("batch", "batches")):
        for test in (f"{name} pairs", f"{name} pairs, worst"):
            if test in copies:
                return f"masks are shared by {plural}: {copies[test].at} have the same decisions"
    if "consecutive calls" in copies:
        return "calls have the masks of the call before: is the offset advanced, and is it used?"
    if "calls and the first" in copies:
        return "later calls have the masks of the first one: is the offset advanced?"
    if "any shift" in copies:
        return (
            f"each call begins {copies['any shift'].at.split()[1]} elements into the one before: "
            "the offset is advanced too little, so consecutive calls overlap"
        )
    return ""


def _elsewhere(rejected: Sequence[Test]) -> str:
    """Which places have another rate, or which decisions know of each other."""
    if places := [test for test in rejected if " rates" in test.name]:
        worst = min(places, key=lambda test: test.p_value)
        return f"the keep rate depends on the {worst.name.split(' rates')[0]}: worst {worst.at}"
    if lags := [test for test in rejected if test.at.startswith("lag ")]:
        worst = max(lags, key=lambda test: abs(test.effect))
        return f"decisions know of those before them: correlation {worst.effect:.2g} at {worst.at}"
    worst = min(rejected, key=lambda test: test.p_value)
    at = f" (worst at {worst.at})" if worst.at else ""
    return f"decisions know of each other: {worst.name}, {worst.compares}{at}"


def _rate(totals: Totals, fits: Mapping[str, float]) -> str:
    """The reading of p that fits best, if one fits; or that kept and dropped changed places."""
    values = readings(totals.p)
    best = max(WORDS, key=fits.__getitem__)
    if fits[best] >= UNLIKELY and values[best] != totals.p:
        same = [words for name, words in WORDS.items() if values[name] == values[best]]
        others = f" (or {', or '.join(same[1:])})" if same[1:] else ""
        return f"{same[0]}{others}: {totals.p} -> {values[best]:.7g}; {_measured(totals)}"
    sigma = (totals.chance * (1 - totals.chance) / totals.bits) ** 0.5
    if abs(totals.rate - (1 - totals.chance)) < 4 * sigma:
        return "kept and dropped are exchanged"
    return f"the keep rate is not 1 - p: {_measured(totals)}"


def _measured(totals: Totals) -> str:
    dropped = totals.rate if totals.p <= 0.5 else 1 - totals.rate
    if dropped in (0, 1):
        return f"{'everything' if dropped else 'nothing'} is dropped, p is {totals.p}"
    sigma = (totals.rate * (1 - totals.rate) / totals.bits) ** 0.5
    return f"a share of {dropped:.6f} +- {2 * sigma:.1g} is dropped, p is {totals.p}"
