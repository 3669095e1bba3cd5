"""Train a small LLaMA-style model twice from the same seed: eager attention, and ours.

    NPU_EMULATOR=fast python examples/train_tiny_llama.py --steps 150 --seeds 5 --out curves

On the CPU our attention runs on the emulator. Without --dropout, every attention call of the
first step is judged against the oracle, and the loss curves are compared: ours may be no farther
from eager attention in fp32 than eager attention in the chosen format is. Small differences grow
as training goes on, so that is asked of the seeds together: ten can tell. With --dropout the two
draw different numbers, so their last losses are compared over the seeds. --smooth-softmax trains
ours with and without it, and says which learned faster. The exit code is 1 if a comparison fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from rich.progress import track
from scipy import stats
from tiny_llama import Attention, Size, TinyLlama, copying, eager, loss_of

import npu_kernels
from conformance.torch_bridge.watch import Watch
from npu_kernels import FlashAttention, flash_attn_with_lse
from reference.mask import Mask

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend is chosen

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
RARE = 1e-3  # a p-value below this is no chance
LEARNED = 0.5  # of the first loss: where a run counts as having learned


def train(attention: Attention, *, seed: int, dtype: torch.dtype, options: Any, name: str) -> Any:
    """Losses of each step, (steps,), in nats."""
    torch.manual_seed(seed)
    model = TinyLlama(attention, size=Size(head_dim=options.head_dim), dtype=dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in track(range(options.steps), f"{name}, seed {seed}", disable=options.quiet):
        tokens = copying(
            batch=options.batch,
            seqlen=options.seqlen,
            vocabulary=model.size.vocabulary,
            generator=generator,
        )
        optimizer.zero_grad()
        loss = loss_of(model, tokens)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def ours(options: Any, *, smooth: bool = False) -> Attention:
    """Our attention as a layer."""
    return FlashAttention(options.head_dim, options.dropout, causal=True, use_smooth_softmax=smooth)


def theirs(options: Any) -> Attention:
    """Eager attention."""
    return partial(eager, dropout=options.dropout)


def judge_first_step(options: Any) -> bool:
    """Whether every attention call of a first step, forward and backward, keeps its contract."""
    watch = Watch()
    causal = {"mask": Mask(window=(None, 0))}

    def watched(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        attention = partial(flash_attn_with_lse, causal=True)
        return watch.ask(attention, q, k, v, **causal)[0]

    once = argparse.Namespace(**{**vars(options), "steps": 1, "quiet": True})
    train(watched, seed=0, dtype=DTYPES[options.dtype], options=once, name="judged")
    good = True
    for number, verdict in enumerate(watch.verdicts(npu_kernels.emulated.contract)):
        worst = max((tensor.ratio, tensor.name) for tensor in verdict.tensors)
        good &= not verdict.failures
        word = "FAILED" if verdict.failures else "ok"
        print(
            f"call {number} of the first step: {word}, "
            f"worst error / allowed {worst[0]:.3f} ({worst[1]})"
        )
    return good


def compare_curves(options: Any) -> bool:
    """Eager in fp32, eager and ours in the format, from the same seeds."""
    dtype = DTYPES[options.dtype]
    runs: dict[str, tuple[Attention, torch.dtype]] = {
        "eager fp32": (theirs(options), torch.float32),
        f"eager {options.dtype}": (theirs(options), dtype),
        f"ours {options.dtype}": (ours(options), dtype),
    }
    curves = trained(runs, options)
    exact, rounded, mine = curves.values()
    allowed, actual = distances(rounded, exact), distances(mine, exact)
    for name, nats in zip(list(curves)[1:], (allowed, actual), strict=True):
        print(f"{name}: {typical(nats):.2e} nats from eager fp32 (root mean square, typical seed)")
    p = float(stats.wilcoxon(np.log(actual / allowed), alternative="greater").pvalue)
    print(f"ours is no farther: p = {p:.3f} (Wilcoxon, {options.seeds} seeds)")
    plot(curves, options, "parity.png", "Loss from the same seeds")
    return p > RARE


def compare_distributions(options: Any) -> bool:
    """With dropout: eager and ours over many seeds, whose last losses must be of one kind."""
    dtype = DTYPES[options.dtype]
    runs = {"eager": (theirs(options), dtype), "ours": (ours(options), dtype)}
    curves = trained(runs, options)
    last = [curve[:, -1] for curve in curves.values()]
    p = float(stats.mannwhitneyu(*last).pvalue)
    for name, losses in zip(curves, last, strict=True):
        print(f"{name}: last loss {losses.mean():.4f} +- {spread(losses):.4f} nats")
    print(f"the same distribution: p = {p:.3f} (Mann-Whitney, {options.seeds} seeds)")
    plot(curves, options, "dropout.png", f"Loss with dropout {options.dropout}")
    return p > RARE


def compare_smooth(options: Any) -> bool:
    """What smooth softmax does to learning; no verdict, for nothing is promised."""
    dtype = DTYPES[options.dtype]
    runs = {
        "softmax": (ours(options), dtype),
        "smooth softmax": (ours(options, smooth=True), dtype),
    }
    curves = trained(runs, options)
    steps = [np.array([learned(curve) for curve in curves[name]]) for name in curves]
    for name, needed in zip(curves, steps, strict=True):
        print(
            f"{name}: {needed.mean():.1f} +- {spread(needed):.1f} steps to half of the first loss"
        )
    short = sum(int((needed == options.steps).sum()) for needed in steps)
    if short:
        print(
            f"cannot tell: {short} of {2 * options.seeds} runs did not get there: give more --steps"
        )
        return True
    gain = steps[0] - steps[1]
    p = float(stats.wilcoxon(gain).pvalue) if np.any(gain) else 1.0
    faster = "faster" if gain.mean() > 0 else "slower"
    known = f"{faster} by {abs(gain.mean()):.1f} steps" if p < 0.05 else "no faster and no slower"
    print(f"smooth softmax was {known} (p = {p:.3f}, {options.seeds} seeds)")
    plot(curves, options, "smooth.png", "Loss with and without smooth softmax")
    return True


def trained(runs: dict[str, tuple[Attention, torch.dtype]], options: Any) -> dict[str, Any]:
    """Losses by name, (seeds, steps)."""
    return {
        name: np.stack(
            [
                train(attention, seed=seed, dtype=dtype, options=options, name=name)
                for seed in range(options.seeds)
            ]
        )
        for name, (attention, dtype) in runs.items()
    }


def learned(curve: Any) -> int:
    """The first step at which half of the first loss is gone, or the number of steps."""
    below = np.flatnonzero(curve < LEARNED * curve[0])
    return int(below[0]) if below.size else len(curve)


def distances(one: Any, other: Any) -> Any:
    """Root mean square over the steps, for each seed."""
    return np.sqrt(np.mean((one - other) ** 2, axis=1))


def typical(values: Any) -> float:
    """Geometric mean: small differences grow by factors."""
    return float(np.exp(np.log(values).mean()))


def spread(values: Any) -> float:
    """Standard deviation over seeds."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def plot(curves: dict[str, Any], options: Any, file: str, title: str) -> None:
    """Mean and range over the seeds of each curve."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    styles = ("-", "--", ":")
    for (name, losses), style in zip(curves.items(), styles, strict=False):
        steps = np.arange(1, losses.shape[1] + 1)
        (line,) = axes.plot(steps, losses.mean(0), style, label=name)
        axes.fill_between(steps, losses.min(0), losses.max(0), alpha=0.15, color=line.get_color())
    axes.set(xlabel="step", ylabel="loss / nats", title=title)
    axes.legend()
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / file, dpi=120)
    print(f"curves: {options.out / file}")


def parsed(arguments: list[str]) -> Any:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seqlen", type=int, default=47)
    parser.add_argument("--head-dim", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--smooth-softmax", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("curves"), help="folder for the plots")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run what the options ask for; 1 if a comparison failed."""
    options = parsed(arguments)
    print(f"attention: {npu_kernels.emulated.name}, {options.dtype}")
    checks: list[Callable[[Any], bool]] = [judge_first_step, compare_curves]
    if options.smooth_softmax:
        checks = [compare_smooth]
    elif options.dropout:
        checks = [compare_distributions]
    good = [check(options) for check in checks]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
