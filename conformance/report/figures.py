"""The report's pictures, as SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import NullLocator

from conformance.report.spread import LEAST, MOST
from conformance.run.record import Benchmark, ErrorMap

INK = "#010203"  # stands for the page's own text colour
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LEGEND = {"fontsize": 7, "handlelength": 1, "columnspacing": 1, "borderpad": 0.1}
COLOURS = ("#3b82c4", "#d9772b", "#2a9d6f", "#a96bb5", "#8a8a2f", "#c44e6a")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a kernel's name may have dollars
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
}

EDGES = (*(2.0**power for power in range(-6, 0)), np.nextafter(1.0, 2.0), 2.0, 4.0, 8.0, 16.0)
"""Where a map's colours change, in error / allowed; 1 itself is allowed, and still calm."""

CALM = ("#eef3f8", "#dbe7f1", "#c6d9ea", "#aecae1", "#93b8d6", "#76a5ca", "#5991bd")
RED = ("#f4a582", "#e4694f", "#c9302f", "#a01322", "#6b0018")
SHARES = ListedColormap([*CALM, *RED])
"""Below the first edge, between edges, and beyond the last."""


@contextmanager
def drawn(width: float, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """A figure of so many inches; its SVG file's text is in the list afterwards."""
    svg: list[str] = []
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, svg
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg.append(text.getvalue())


def inlined(svg: str, *, mark: str) -> str:
    """An SVG file's picture for use inside a page: no prologue, ids that begin with `mark`."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{mark}', svg)
    svg = re.sub(r"url\(#", f"url(#{mark}", svg)
    svg = re.sub(r'(xlink:href|href)="#', rf'\1="#{mark}', svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace(INK, "currentColor")


def labelled(name: str) -> str:
    """A kernel's name as a label; matplotlib leaves those that begin with "_" out of legends."""
    return f"\u200b{name}" if name.startswith("_") else name


def powers(axis: Axis, base: int, *, step: int = 1) -> None:
    """Ticks at powers of the base, in plain text: MathText is most of the time of a small plot."""
    least, most = (round(math.log(limit, base)) for limit in sorted(axis.get_view_interval()))
    exponents = range(least, most + 1, step)
    axis.set_ticks(
        [float(base) ** exponent for exponent in exponents],
        [f"{base}{str(exponent).translate(SUPERSCRIPT)}" for exponent in exponents],
    )
    axis.set_minor_locator(NullLocator())


def spread(counts: Mapping[str, Sequence[int]], *, title: str, limit: float, unit: str) -> str:
    """How many elements have which size, by powers of two; a line for each format."""
    with drawn(2.8, 1.9) as (figure, svg):
        axes = figure.subplots()
        edges = 2.0 ** np.arange(LEAST - 1, MOST + 1)
        for colour, (name, number) in zip(cycle(COLOURS), counts.items(), strict=False):
            share = 100 * np.asarray(number) / max(sum(number), 1)
            axes.stairs(share, edges, color=colour, label=name, linewidth=1.2)
        axes.set_xscale("log", base=2)
        axes.axvline(limit, color=INK, linewidth=0.8, linestyle=":")
        seen = np.flatnonzero(np.sum(list(counts.values()), axis=0)[1:])
        least = edges[seen[0] + 1] if seen.size else limit / 2
        axes.set_xlim(max(min(least, limit / 16), limit * 2.0**-14), max(edges[-1] / 32, limit * 4))
        powers(axes.xaxis, 2, step=4)
        axes.set_xlabel(unit)
        axes.set_ylabel("% of elements")
        figure.legend(title=title, alignment="left", loc="outside upper left", ncols=3, **LEGEND)
    return svg[0]


def lengths(points: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Error / allowed against seqlen_k; multiples of 128 are full, other lengths hollow."""
    with drawn(6.4, 2.6) as (figure, svg):
        axes = figure.subplots()
        longest = 1
        for colour, (name, each) in zip(cycle(COLOURS), points.items(), strict=False):
            for multiple, face in ((True, colour), (False, "none")):
                chosen = [at for at in each if (at[0] % 128 == 0) == multiple]
                axes.scatter(
                    [at[0] for at in chosen],
                    [at[1] for at in chosen],
                    s=14,
                    linewidths=0.8,
                    edgecolors=colour,
                    facecolors=face,
                    label=f"{labelled(name)}: {'' if multiple else 'no '}multiples of 128",
                )
            longest = max([longest, *(at[0] for at in each)])
        for line in range(128, longest + 1, 128):
            axes.axvline(line, color=INK, linewidth=0.3, alpha=0.5, zorder=0)
        axes.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("seqlen_k")
        axes.set_ylabel("worst error / allowed")
        axes.set_yscale("log", base=2)
        powers(axes.yaxis, 2, step=3)
        figure.legend(loc="outside upper left", ncols=2, **LEGEND)
    return svg[0]


def heat_maps(worst: ErrorMap) -> str:
    """Largest error / allowed for each tile of rows: by head, and by tile of columns.

    All maps have one scale, in powers of two; its colours change from blue to red at 1.
    """
    row = "key" if worst.tensor in ("dk", "dv") else "row"
    column = "key" if worst.tensor == "dbias" else "channel"
    with drawn(6.4, 1.9) as (figure, svg):
        left, right = figure.subplots(1, 2)
        tile = (worst.row_tile, worst.column_tile)
        image = _map(
            left, worst.heads, tile=(worst.row_tile, worst.head_tile), labels=(row, "head")
        )
        _map(right, worst.columns, tile=tile, labels=(row, column))
        ticks = [2.0**power for power in range(-6, 5, 2)]
        bar = figure.colorbar(image, ax=(left, right), ticks=ticks, extend="both")
        bar.ax.set_yticklabels(
            [f"{tick:.2g}" if tick >= 1 else f"1/{1 / tick:g}" for tick in ticks]
        )
        bar.minorticks_off()
    return svg[0]


def _map(
    axes: Axes,
    ratios: Sequence[Sequence[float]],
    *,
    tile: tuple[int, int],
    labels: tuple[str, str],
) -> AxesImage:
    """One map, rows of the tensor from left to right; its axes count rows and columns."""
    extent = (0.0, float(len(ratios[0]) * tile[0]), float(len(ratios) * tile[1]), 0.0)
    image = axes.imshow(
        np.asarray(ratios, float),
        aspect="auto",
        cmap=SHARES,
        norm=BoundaryNorm(EDGES, SHARES.N, extend="both"),
        interpolation="nearest",
        extent=extent,
    )
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.locator_params(integer=True)
    return image


def roofline(timed: Sequence[tuple[str, Benchmark]]) -> str:
    """Achieved GFLOP/s by FLOPs per byte, under what a copy and a matmul reached in the run.

    Parameters
    ----------
    timed : (kernel's name, Benchmark) of each workload
    """
    with drawn(6.4, 3.0) as (figure, svg):
        axes = figure.subplots()
        kernels = sorted({kernel for kernel, _ in timed})
        for colour, kernel in zip(cycle(COLOURS), kernels, strict=False):
            mine = [benchmark for name, benchmark in timed if name == kernel]
            reached = [one.gflops for one in mine]
            axes.scatter(
                [_intensity(one) for one in mine],
                reached,
                s=14,
                color=colour,
                label=labelled(kernel),
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=10)
        _roof(axes, [one for _, one in timed])
        powers(axes.xaxis, 2, step=2)
        powers(axes.yaxis, 10)
        axes.set_xlabel("FLOP per byte of inputs and outputs")
        axes.set_ylabel("GFLOP/s")
        figure.legend(loc="outside upper left", ncols=3, **LEGEND)
    return svg[0]


def _intensity(benchmark: Benchmark) -> float:
    """FLOPs per byte."""
    return benchmark.flops / max(benchmark.bytes, 1)


def _roof(axes: Axes, timed: Sequence[Benchmark]) -> None:
    """The fastest copy and the fastest matmul; nothing where none was measured."""
    copied = max((one.copy_gbytes or 0.0 for one in timed), default=0.0)
    most = max((one.matmul_gflops or 0.0 for one in timed), default=0.0)
    if copied and most:
        least, ridge = 2.0**-2, most / copied
        end = max(2 * ridge, *(2 * _intensity(one) for one in timed))
        roof = ([least, ridge, end], [least * copied, most, most])
        axes.plot(*roof, color=INK, linewidth=0.8, label="what a copy and a matmul reach")
