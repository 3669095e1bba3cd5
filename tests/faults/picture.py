"""Draw docs/rescale.png: error / allowed of a broken kernel beside a right one.

Run it as ``PYTHONPATH=tests python -m faults.picture``.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from conformance.cases.case import Case
from conformance.report.figures import EDGES, SHARES
from conformance.verdict.expected import Expected
from conformance.verdict.verdict import TensorVerdict, judge
from faults import MUTANTS
from faults.host_kernel import Host
from reference.contract import Contract
from reference.formats import BF16

PICTURE = Path(__file__).parents[2] / "docs" / "rescale.png"
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
TICKS = {2.0**power: str(Fraction(2) ** power) for power in range(-6, 5, 2)}


def out_of(kernel: Host) -> TensorVerdict:
    """The verdict on the kernel's out."""
    contract = Contract()
    expected = Expected(problem=CASE.problem(BF16))
    verdict = judge(
        kernel(expected.problem),
        expected.answer,
        expected.allowed(contract),
        problem=expected.problem,
        contract=contract,
    )
    return next(tensor for tensor in verdict.tensors if tensor.name == "out")


def draw() -> Figure:
    """Two maps in the report's colours: 1 is the edge between the calm ones and the red."""
    figure = Figure(figsize=(8.6, 2.6), layout="constrained")
    panels = figure.subplots(1, len(KERNELS), sharey=True)
    for axes, (name, make) in zip(panels, KERNELS.items(), strict=True):
        image = draw_map(axes, name, out_of(make()))
    panels[0].set_ylabel("channel of out")
    bar = figure.colorbar(image, ax=list(panels), ticks=[*TICKS], extend="both", aspect=14)
    bar.ax.set_yticklabels(TICKS.values())
    bar.minorticks_off()
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
        cmap=SHARES,
        norm=BoundaryNorm(EDGES, SHARES.N, extend="both"),
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
