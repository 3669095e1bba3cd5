"""``python -m conformance.dropout``: judges how random masks of dropout are."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from conformance.dropout.battery_power.calibrate import calibrate
from conformance.dropout.battery_power.faults import fewest_bits
from conformance.dropout.battery_power.faulty import FAULTY
from conformance.dropout.battery_power.power import power
from conformance.dropout.generators.declared import compared
from conformance.dropout.generators.known import GENERATORS, SHAPE, Generator, Shape
from conformance.dropout.recovery.recover import Broken, masks_of_kernel
from conformance.dropout.statistics import plots
from conformance.dropout.statistics.battery import battery
from conformance.dropout.statistics.masks import Masks
from conformance.kernel import BadAnswer, InputChanged, KernelRaised, UsageError, load
from reference.problem import Unsupported

USAGE = 2  # exit code
KNOWN = {**GENERATORS, **FAULTY}


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 if nothing is wrong, 1 if something is, 2 for a request that makes no sense."""
    try:
        options = parser().parse_args(words)
        code: int = options.run(options)
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
    return code


def parser() -> argparse.ArgumentParser:
    """The command line: one command for each use, with the options that it has."""
    top = argparse.ArgumentParser(prog="python -m conformance.dropout", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("kernel", help="judge masks that are read off a kernel's answers")
    one.add_argument("kernel", metavar="K", help="a kernel, as pytest's --kernel takes it")
    _add_run(one)
    one.set_defaults(run=_kernel)

    names = ", ".join(KNOWN)
    one = commands.add_parser("generator", help="judge the masks of a generator")
    one.add_argument("generator", type=_known, metavar="G", help=f"one of: {names}")
    _add_run(one)
    one.add_argument("--shape", type=_shape, metavar="B,H,Q,K", help="of the masks of one call")
    one.add_argument("--declared", type=_known, metavar="G", help="compare with it, bit by bit")
    one.set_defaults(run=_generator)

    one = commands.add_parser("power", help="how many decisions it takes to find each fault")
    _add_runs(one, 300)
    one.add_argument("--alpha", type=_alpha, default=1e-6, help="chance of a false alarm (1e-6)")
    one.set_defaults(run=_power)

    one = commands.add_parser("calibrate", help="how often a perfect generator is rejected")
    one.add_argument("generator", type=_known, nargs="?", default="pcg64", help="(pcg64)")
    _add_runs(one, 1000)
    one.set_defaults(run=_calibrate)
    return top


def _add_run(to: argparse.ArgumentParser) -> None:
    to.add_argument("--bits", type=_bits, default=1e7, metavar="N", help="decisions (1e7)")
    to.add_argument("--p", type=_p, default=0.1, help="probability of dropping (0.1)")
    to.add_argument("--alpha", type=_alpha, default=1e-6, help="chance of a false alarm (1e-6)")
    to.add_argument("--seed", type=_seed, default=0, help="(0)")
    to.add_argument("--plots", type=Path, metavar="DIR", help="draw what was counted, as SVG")


def _add_runs(to: argparse.ArgumentParser, runs: int) -> None:
    to.add_argument("--p", type=_p, default=0.1, help="probability of dropping (0.1)")
    to.add_argument("--runs", type=_runs, default=runs, metavar="N", help=f"({runs})")


def _p(text: str) -> float:
    if not 0 <= (p := float(text)) < 1:
        raise UsageError(f"--p is {p:g}: give a probability of dropping in [0, 1)")
    return p


def _alpha(text: str) -> float:
    if not 0 < (alpha := float(text)) < 1:
        raise UsageError(f"--alpha is {alpha:g}: give a chance between 0 and 1")
    return alpha


def _bits(text: str) -> float:
    if not 1 <= (bits := float(text)) < math.inf:
        raise UsageError(f"--bits is {bits:g}: give a number of decisions, such as 1e7")
    return bits


def _seed(text: str) -> int:
    if not 0 <= (seed := int(text)) < 2**64:
        raise UsageError(f"--seed is {seed}: give an unsigned 64-bit integer")
    return seed


def _runs(text: str) -> int:
    if (runs := int(text)) < 1:
        raise UsageError(f"--runs is {runs}: give at least 1")
    return runs


def _known(name: str) -> str:
    if name not in KNOWN:
        close = difflib.get_close_matches(name, KNOWN, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no generator {name!r}: {hint}there are {', '.join(KNOWN)}")
    return name


def _shape(text: str) -> Shape:
    try:
        batch, heads, seqlen_q, seqlen_k = (int(word) for word in text.split(","))
    except ValueError:
        batch = heads = seqlen_q = seqlen_k = 0
    if min(batch, heads, seqlen_q, seqlen_k) < 1:
        raise UsageError(f"--shape is {text!r}: give B,H,Q,K, such as 2,4,256,512")
    return batch, heads, seqlen_q, seqlen_k


def _shape_for(bits: float) -> Shape:
    """The shape with which four calls make the bits, or with which each makes 2**20."""
    batch, heads, *_ = SHAPE
    rows = math.isqrt(max(2, int(bits) // (4 * batch * heads)) // 2)
    return min(SHAPE, (batch, heads, rows, 2 * rows))


def _kernel(options: argparse.Namespace) -> int:
    kernel, most = load(options.kernel), int(options.bits)
    calls = masks_of_kernel(kernel, p=options.p, calls=most, seed=options.seed)
    return _judge(calls, options, name=options.kernel)


def _generator(options: argparse.Namespace) -> int:
    shape = options.shape or _shape_for(options.bits)

    def calls_of(generator: Generator) -> Iterator[Masks]:
        return generator.calls(int(options.bits), p=options.p, shape=shape, seed=options.seed)

    calls = calls_of(KNOWN[options.generator])
    if options.declared is None:
        return _judge(calls, options, name=options.generator)
    differences: list[str] = []
    calls = compared(calls, calls_of(KNOWN[options.declared]), differences)
    code = _judge(calls, options, name=options.generator)
    same = f"every decision is {options.declared}'s"
    print(f"compared with {options.declared}: {differences[0] if differences else same}")
    return int(bool(code or differences))


def _judge(calls: Iterator[Masks], options: argparse.Namespace, *, name: str) -> int:
    """Print what the battery finds in the first `--bits` decisions; 1 if it rejects them."""
    _require_possible(options)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("bits", total=options.bits)
        first = _until(options.bits, calls, lambda bits: progress.advance(task, bits))
        try:
            findings = battery(first, alpha=options.alpha)
        except Broken as error:  # no masks can be read off its answers
            print(f"rejected: {error}")
            return 1
    print(findings.text())
    if options.plots:
        for path in plots.write(findings, options.plots, name=name):
            print(path)
    return int(not findings.passes)


def _require_possible(options: argparse.Namespace) -> None:
    """Refuse too few bits, and a folder that cannot be made, before the run begins."""
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


def _until(
    bits: float, calls: Iterable[Masks], advance: Callable[[int], object]
) -> Iterator[Masks]:
    """Calls until they have made so many bits; `advance` gets the bits of each."""
    missing = bits
    for masks in calls:
        yield masks
        advance(masks.keep.size)
        missing -= masks.keep.size
        if missing <= 0:
            return


def _power(options: argparse.Namespace) -> int:
    print(power(p=options.p, alpha=options.alpha, runs=options.runs))
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    calibration = calibrate(KNOWN[options.generator], p=options.p, runs=options.runs)
    print(calibration.text())
    return int(not calibration.holds)


if __name__ == "__main__":
    sys.exit(main())
