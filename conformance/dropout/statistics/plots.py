"""Plots of what the battery counted: keep rates, autocorrelation, and the (i, j) plane."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from conformance.dropout.statistics import lags, rates, z_scores
from conformance.dropout.statistics.findings import Findings
from conformance.report.figures import drawn

CHANCE = 1e-6  # of any point outside its band, over all points of a plot together
LAGS = 3 * 4096  # shown
INCHES = (6.4, 3.0)


def write(findings: Findings, folder: Path, *, name: str) -> list[Path]:
    """Draw four SVGs from what was counted, and return their paths.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    name : str
        Of the kernel or generator: in the titles and the files' names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Callable[[Any, Findings], None]] = {
        "rows": _rows,
        "heads": _heads,
        "lags": _lags,
        "plane": _plane,
    }
    return [_draw(draw, findings, folder, name, kind) for kind, draw in kinds.items()]


def stem(name: str) -> str:
    """What files of a kernel's begin with: its letters and digits, and a sum if that is not all."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)
    return plain if plain == name else f"{plain}{zlib.crc32(name.encode()):08x}"


def _draw(
    draw: Callable[[Any, Findings], None], findings: Findings, folder: Path, name: str, kind: str
) -> Path:
    path = folder / f"{stem(name)}-{kind}.svg"
    with drawn(*INCHES) as (figure, svg):
        axes = figure.add_subplot()
        draw(axes, findings)
        what, p = axes.get_title(loc="left"), findings.totals.p
        axes.set_title(f"{name}: {what}, {findings.bits:,} bits, p = {p:g}")
    path.write_text(svg[0], encoding="utf-8")
    return path


def _rows(axes: Any, findings: Findings) -> None:
    _rates(axes, findings, "row", "query i")


def _heads(axes: Any, findings: Findings) -> None:
    _rates(axes, findings, "head", "head")


def _rates(axes: Any, findings: Findings, axis: str, label: str) -> None:
    """Keep rate of each place along an axis, in the band of binomial counts around the nominal."""
    totals = findings.totals
    rare = rates.split(findings.sums["rates"], totals.shape)[axis]
    each = totals.bits // rare.size
    low, high = stats.binom.interval(1 - CHANCE / rare.size, each, totals.chance)
    axes.axhspan(*_kept(np.array([low / each, high / each]), totals.p), alpha=0.2, label="chance")
    axes.axhline(1 - totals.p, linewidth=0.8)
    axes.plot(_kept(rare / each, totals.p), ".", label="keep rate", rasterized=True)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(title=f"keep rate of each {axis}", xlabel=label, ylabel="keep rate")
    axes.legend()


def _lags(axes: Any, findings: Findings) -> None:
    """Correlation of each decision with the one so many elements on."""
    totals = findings.totals
    every = lags.covariances(findings.sums["own"], totals)
    pairs = totals.calls * every.size
    shown = z_scores.correlation(every[1 : min(LAGS, every.size // 2) + 1], pairs, totals.rate)
    band = stats.norm.isf(CHANCE / 2 / max(1, shown.size)) / np.sqrt(pairs)
    axes.axhspan(-band, band, alpha=0.2, label="chance")
    axes.plot(
        np.arange(1, shown.size + 1), shown, linewidth=0.8, label="correlation", rasterized=True
    )
    axes.set(title="autocorrelation", xlabel="lag in elements", ylabel="correlation")
    axes.legend()


def _plane(axes: Any, findings: Findings) -> None:
    """Keep rate of each (i, j), over batch, heads and calls."""
    totals = findings.totals
    each = totals.calls * totals.shape[0] * totals.shape[1]
    picture = axes.imshow(_kept(findings.sums["places"] / each, totals.p), aspect="auto")
    axes.figure.colorbar(picture, ax=axes, label="keep rate")
    axes.set(title="keep rate of each (i, j)", xlabel="key j", ylabel="query i")


def _kept(rare: NDArray[np.float64], p: float) -> NDArray[np.float64]:
    return rare if p > 0.5 else 1 - rare
