"""Draw docs/rescale.png: error / allowed of a broken kernel beside a right one.

Run it as ``PYTHONPATH=tests python -m faults.picture``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from conformance.cases.case import Case
from conformance.verdict.expected import expect
from conformance.verdict.verdict import TensorVerdict, judge
from faults import MUTANTS
from faults.host_kernel import Host
from reference.contract import Contract

PICTURE = Path(__file__).parents[2] / "docs" / "rescale.png"
FORMAT = "bf16"
CASE = Case(
    "picture",
    "a causal head in the middle of training",
    batch=1,
    seqlen_q=384,
    heads_q=1,
    window=(None, 0),
    backward=False,
)
KERNELS = {
    "Broken: forgets to rescale its accumulator": MUTANTS["accumulator-not-rescaled"],
    "Right: the same kernel without the fault": Host,
}
INK = "#768390"  # as far from white as from the dark pages of code hosts
EDGES = (0, 1 / 16, 1 / 4, 1, 4, 16, 64, 256)
LABELS = ("0", "1/16", "1/4", "1", "4", "16", "64", "256")
CALM, ALARM = ("#dbe7f3", "#b9d0e8", "#8fb4d9"), ("#fdbe85", "#f2803a", "#d7301f", "#7f0000")
"""Colours below 1 and above 1: between the third and the fourth the eye sees the bound."""


def out_of(kernel: Host) -> TensorVerdict:
    """The verdict on the kernel's out."""
    expected, contract = expect(CASE, FORMAT, seed=0), Contract()
    verdict = judge(
        kernel(expected.problem),
        expected.answer,
        expected.allowed(contract),
        problem=expected.problem,
        contract=contract,
    )
    return next(tensor for tensor in verdict.tensors if tensor.name == "out")


def draw() -> Figure:
    """Two maps of one scale, on which 1 is the edge between calm colours and loud ones."""
    figure = Figure(figsize=(8.6, 2.6), layout="constrained")
    panels = figure.subplots(1, len(KERNELS), sharey=True)
    for axes, (name, make) in zip(panels, KERNELS.items(), strict=True):
        image = draw_map(axes, name, out_of(make()))
    panels[0].set_ylabel("channel of out")
    bar = figure.colorbar(image, ax=list(panels), ticks=EDGES, spacing="uniform", aspect=14)
    bar.ax.set_yticklabels(LABELS)
    bar.set_label("error / allowed error")
    bar.ax.axhline(1, color="black", linewidth=2)
    bar.outline.set_visible(False)
    return figure


def draw_map(axes: Axes, name: str, verdict: TensorVerdict) -> AxesImage:
    """The ratio of every element of the only head: channels upwards, rows to the right."""
    assert verdict.compared is not None and verdict.failing is not None
    failing = np.count_nonzero(verdict.failing)
    count = f"{failing:,} of {verdict.elements:,} elements beyond 1, the worst {verdict.ratio:.3g}"
    axes.set_title(f"{name}\n{count}", loc="left")
    axes.set_xlabel("row of out (query)")
    return axes.imshow(
        verdict.compared.ratio[0, :, 0, :].T,
        cmap=ListedColormap([*CALM, *ALARM]).with_extremes(over=ALARM[-1]),
        norm=BoundaryNorm(EDGES, len(EDGES) - 1),
        aspect="auto",
        interpolation="nearest",
        origin="lower",
    )


def main() -> None:
    """Write the picture."""
    colours = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    )
    with rc_context({"font.size": 9, "axes.titlesize": 9, **colours}):
        draw().savefig(PICTURE, dpi=180, transparent=True)


if __name__ == "__main__":
    main()
