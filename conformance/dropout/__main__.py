"""``python -m conformance.dropout``: judges how random masks of dropout are."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from conformance.dropout.generators.declared import compared
from conformance.dropout.generators.faulty import FAULTY
from conformance.dropout.generators.known import GENERATORS, SHAPE, Generator, Shape
from conformance.dropout.power import calibrate
from conformance.dropout.power.faults import fewest_bits
from conformance.dropout.power.power import power
from conformance.dropout.recovery.recover import Broken, masks_of_kernel
from conformance.dropout.statistics import plots
from conformance.dropout.statistics.battery import battery
from conformance.dropout.statistics.masks import Masks
from conformance.kernel import BadAnswer, InputChanged, KernelRaised, UsageError, load
from reference.problem import Unsupported

USAGE = 2  # exit code
KNOWN = {**GENERATORS, **FAULTY}
Item = TypeVar("Item")


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 if nothing is wrong, 1 if something is, 2 for what makes no sense to ask."""
    options = parser().parse_args(words)
    try:
        _check(options)
        if options.calibrate:
            return _calibrate(options)
        if options.power:
            print(power(p=options.p, alpha=options.alpha, runs=options.runs or 300, watch=_watched))
            return 0
        return _judge(options)
    except (UsageError, Unsupported, BadAnswer, InputChanged, ValueError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return USAGE
    except KernelRaised as error:
        first, _, trace = str(error).partition("\n")
        print(f"{trace}\nERROR: {first} (its traceback is above)", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(KNOWN)
    top = argparse.ArgumentParser(prog="python -m conformance.dropout", description=__doc__)
    asked = top.add_mutually_exclusive_group()
    asked.add_argument("--generator", metavar="G", help=f"judge one of: {names}")
    asked.add_argument(
        "--kernel", metavar="K", help="judge the masks of a kernel, as pytest takes it"
    )
    asked.add_argument("--power", action="store_true", help="what it takes to find each fault")
    top.add_argument(
        "--calibrate", action="store_true", help="false alarms in many runs on --generator (pcg64)"
    )
    top.add_argument("--bits", type=float, default=1e7, metavar="N", help="decisions (1e7)")
    top.add_argument("--p", type=float, default=0.1, help="probability of dropping (0.1)")
    top.add_argument("--shape", metavar="B,H,Q,K", help="of the masks of a generator's call")
    top.add_argument("--alpha", type=float, default=1e-6, help="chance of a false alarm (1e-6)")
    top.add_argument(
        "--seed", type=int, default=0, help="of the generator, or of the kernel's dropout (0)"
    )
    top.add_argument("--declared", metavar="G", help="compare with this generator, bit by bit")
    top.add_argument("--runs", type=int, metavar="N", help="of --calibrate (1000) or --power (300)")
    top.add_argument("--plots", type=Path, metavar="DIR", help="draw what was counted, as SVG")
    return top


def _check(options: argparse.Namespace) -> None:
    """Refuse what no run can be made of."""
    if not (options.generator or options.kernel or options.calibrate or options.power):
        raise UsageError("nothing to judge: give --generator, --kernel, --calibrate or --power")
    if options.calibrate and (options.kernel or options.power):
        raise UsageError("--calibrate is for a --generator: leave --kernel and --power out")
    if options.kernel and options.declared:
        raise UsageError("--declared is for --generator: the suite compares a kernel's, bit by bit")
    if options.shape and not options.generator:
        raise UsageError("--shape is for --generator: leave it out")
    if (options.power or options.calibrate) and (options.plots or options.declared):
        raise UsageError("--plots and --declared are for one run: leave --power, --calibrate out")
    if options.runs is not None and not (options.power or options.calibrate):
        raise UsageError("--runs is for --calibrate and --power: leave it out")
    if not 0 <= options.p < 1:
        raise UsageError(f"--p is {options.p:g}: give a probability of dropping in [0, 1)")
    if not 0 < options.alpha < 1:
        raise UsageError(f"--alpha is {options.alpha:g}: give a chance between 0 and 1")
    if not 1 <= options.bits < math.inf:
        raise UsageError(f"--bits is {options.bits:g}: give a number of decisions, such as 1e7")
    if not 0 <= options.seed < 2**64:
        raise UsageError(f"--seed is {options.seed}: give an unsigned 64-bit integer")
    if options.runs is not None and options.runs < 1:
        raise UsageError(f"--runs is {options.runs}: give at least 1")
    if (fewest := fewest_bits(options.p, options.alpha)) > options.bits:
        raise UsageError(
            f"--bits {options.bits:g} are too few for p = {options.p:g} and alpha = "
            f"{options.alpha:g}: give at least {fewest:,}"
        )
    if options.plots:
        try:
            options.plots.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--plots {options.plots}: {error.strerror}") from error


def _generator(name: str) -> Generator:
    if name not in KNOWN:
        close = difflib.get_close_matches(name, KNOWN, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no generator {name!r}: {hint}there are {', '.join(KNOWN)}")
    return KNOWN[name]


def _shape(options: argparse.Namespace) -> Shape:
    """The asked shape; else four calls make the bits, or each makes 2**20."""
    if options.shape:
        try:
            batch, heads, seqlen_q, seqlen_k = (int(word) for word in options.shape.split(","))
        except ValueError:
            batch = heads = seqlen_q = seqlen_k = 0
        if min(batch, heads, seqlen_q, seqlen_k) < 1:
            raise UsageError(f"--shape is {options.shape!r}: give B,H,Q,K, such as 2,4,256,512")
        return batch, heads, seqlen_q, seqlen_k
    batch, heads, *_ = SHAPE
    rows = math.isqrt(max(2, int(options.bits) // (4 * batch * heads)) // 2)
    return min(SHAPE, (batch, heads, rows, 2 * rows))


def _judge(options: argparse.Namespace) -> int:
    with _progress() as progress:
        differences: list[str] = []
        task = progress.add_task("bits", total=options.bits)
        calls = _until(
            options.bits, _calls(options, differences), lambda n: progress.advance(task, n)
        )
        try:
            findings = battery(calls, alpha=options.alpha)
        except Broken as error:  # no masks can be read off its answers
            print(f"rejected: {error}")
            return 1
    print(findings.text())
    if options.plots:
        for path in plots.write(findings, options.plots, name=options.generator or options.kernel):
            print(path)
    if options.declared:
        same = f"every decision is {options.declared}'s"
        print(f"compared with {options.declared}: {differences[0] if differences else same}")
    return int(bool(not findings.passes or differences))


def _calls(options: argparse.Namespace, differences: list[str]) -> Iterator[Masks]:
    """The masks to judge, beside those of the declared generator if there is one."""
    most = int(options.bits)
    if options.kernel:
        kernel = load(options.kernel)
        calls = masks_of_kernel(kernel, p=options.p, calls=most, seed=options.seed)
    else:
        generator, shape = _generator(options.generator), _shape(options)
        calls = generator.calls(most, p=options.p, shape=shape, seed=options.seed)
    if options.declared is None:
        return calls
    declared = _generator(options.declared).calls(most, p=options.p, shape=shape, seed=options.seed)
    return compared(calls, declared, differences)


def _until(bits: float, calls: Iterable[Masks], seen: Callable[[int], object]) -> Iterator[Masks]:
    """As many calls as make so many bits."""
    left = bits
    for masks in calls:
        yield masks
        seen(masks.keep.size)
        left -= masks.keep.size
        if left <= 0:
            return


def _calibrate(options: argparse.Namespace) -> int:
    generator = _generator(options.generator or "pcg64")
    found = calibrate.calibrate(generator, p=options.p, runs=options.runs or 1000, watch=_watched)
    print(found.text())
    return int(not found.holds)


def _watched(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, with a bar."""
    with _progress() as progress:
        yield from progress.track(list(items))


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


if __name__ == "__main__":
    sys.exit(main())
