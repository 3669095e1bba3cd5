"""Peak memory of attention in a training step as sequences grow: eager against ours.

    NPU_EMULATOR=fast python examples/memory_vs_length.py --out memory

Measured, where the emulator is fast enough: what torch (by its profiler) and NumPy (by
tracemalloc) hold at most between entering forward and leaving backward; the emulator's own
memory, which on a device is on the chip, is not counted. Computed, for any length: the tensors that
each must hold, and our workspace.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tiny_llama import Attention, eager

from npu_kernels import flash_attn_func

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen

MIB = 2**20
VALUE, FLOAT = 2, 4  # bytes of bf16 and of fp32


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Of one layer's attention."""

    batch: int
    seqlen: int
    heads: int
    head_dim: int

    @property
    def values(self) -> int:
        """Elements of q, and of k, v, out and each gradient."""
        return self.batch * self.seqlen * self.heads * self.head_dim

    @property
    def rows(self) -> int:
        """Queries over all heads."""
        return self.batch * self.seqlen * self.heads


def computed_eager(shape: Shape) -> int:
    """Bytes at the peak, in backward: scores, mask fill, weights and their gradients."""
    pairs = shape.rows * shape.seqlen
    return 8 * shape.values * VALUE + 4 * pairs * VALUE


def computed_ours(shape: Shape, *, groups: int = 24) -> int:
    """Bytes at the peak, in backward: tensors, gradients, lse and delta, and the workspace.

    A group's workspace is two slots of tiles of 128 x 128 scores, weights and their gradients, and
    of sums of 128 x head_dim in fp32: it does not grow with seqlen.
    """
    slot = 128 * 128 * (2 * FLOAT + 2 * VALUE) + 128 * shape.head_dim * 2 * FLOAT
    tasks = shape.batch * shape.heads * -(-shape.seqlen // 128)
    workspace = min(tasks, groups) * 2 * slot
    return 8 * shape.values * VALUE + 2 * shape.rows * FLOAT + workspace


def measured(attention: Attention, shape: Shape) -> int:
    """Bytes held at once beyond q, k and v, forward and backward: torch's and NumPy's peaks."""
    torch.manual_seed(0)
    size = (shape.batch, shape.seqlen, shape.heads, shape.head_dim)
    q, k, v = (torch.randn(size).bfloat16().requires_grad_() for _ in range(3))
    dout = torch.randn(size).bfloat16()
    tracemalloc.start()
    with torch.profiler.profile(profile_memory=True) as profile:
        attention(q, k, v).backward(dout)
    _, arrays = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return int(peak + arrays)


COMPUTED = {"eager": computed_eager, "ours": computed_ours}
ATTENTION: dict[str, Attention] = {"eager": eager, "ours": partial(flash_attn_func, causal=True)}


def report(options: argparse.Namespace, console: Console) -> dict[str, dict[int, int]]:
    """A row for each length; what was measured, by name and length."""
    table = Table(title="peak MiB of one layer's attention, forward and backward")
    table.add_column("seqlen", justify="right")
    for name in COMPUTED:
        table.add_column(f"{name}, measured", justify="right")
        table.add_column(f"{name}, computed", justify="right")
    peaks: dict[str, dict[int, int]] = {name: {} for name in COMPUTED}
    small = Shape(batch=1, seqlen=8, heads=1, head_dim=8)
    for attention in ATTENTION.values():
        measured(attention, small)  # what the profiler and the emulator set up once is no answer
    for seqlen in options.lengths:
        shape = Shape(batch=1, seqlen=seqlen, heads=options.heads, head_dim=options.head_dim)
        row = []
        for name, computed in COMPUTED.items():
            if seqlen <= options.longest:
                peaks[name][seqlen] = measured(ATTENTION[name], shape)
            row.append(f"{peaks[name][seqlen] / MIB:.1f}" if seqlen in peaks[name] else "-")
            row.append(f"{computed(shape) / MIB:.1f}")
        table.add_row(str(seqlen), *row)
    console.print(table)
    return peaks


def article(console: Console) -> None:
    """The article's table, beside what we compute for the attention of one layer."""
    shape = Shape(batch=8, seqlen=4096, heads=40, head_dim=128)
    table = Table(title="LLaMA-13B, batch 8, seqlen 4096 (GB)")
    for column in ("", "the article: whole step", "computed here: one layer's attention"):
        table.add_column(column, justify="right" if column else "left")
    for name, figure in (("eager", "18.3"), ("ours", "6.1")):
        table.add_row(name, figure, f"{COMPUTED[name](shape) / 1e9:.1f}")
    console.print(table)
    console.print("The article does not say what it counts; the columns need not agree.")


def plot(options: argparse.Namespace, peaks: dict[str, dict[int, int]]) -> Path:
    """Measured points on computed lines."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    lengths = np.geomspace(min(options.lengths), max(options.lengths), 50).astype(int)
    for (name, computed), style in zip(COMPUTED.items(), ("--", "-"), strict=True):
        shapes = [
            Shape(batch=1, seqlen=int(n), heads=options.heads, head_dim=options.head_dim)
            for n in lengths
        ]
        mib = [computed(shape) / MIB for shape in shapes]
        (line,) = axes.plot(lengths, mib, style, label=f"{name}, computed")
        points = [(n, held / MIB) for n, held in peaks[name].items()]
        if points:
            color = line.get_color()
            axes.plot(*zip(*points, strict=True), "o", color=color, label=f"{name}, measured")
    axes.set(xscale="log", yscale="log", xlabel="seqlen", ylabel="peak MiB")
    axes.set_xticks(options.lengths, [str(seqlen) for seqlen in options.lengths])
    axes.minorticks_off()
    axes.set(title=f"Attention of one layer, {options.heads} heads of {options.head_dim}, bf16")
    axes.legend()
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / "memory.png", dpi=120)
    return Path(options.out / "memory.png")


def main(arguments: list[str]) -> int:
    """Measure, compute, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--longest", type=int, default=2048, help="up to here it is measured, too")
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("memory"), help="folder for the plot")
    options = parser.parse_args(arguments)
    console = Console()
    peaks = report(options, console)
    console.print(f"plot: {plot(options, peaks)}")
    article(console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
