"""``python -m conformance.golden``: checks, writes, compares and exports golden vectors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.golden import export, sets, verify
from conformance.golden.check import check
from conformance.golden.diff import diff
from conformance.golden.refused import Refused
from conformance.golden.scoring import check_record, write_record
from conformance.golden.sets import LARGE, Set
from conformance.golden.work import cores
from conformance.golden.write import write
from conformance.kernel import LoadedKernel, UsageError, load

USAGE = 2  # exit code


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 if all is as it should be, 1 if not, 2 for a request that makes no sense."""
    options = parser().parse_args(words)
    try:
        code: int = options.run(options)
    except UsageError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return USAGE
    except Refused as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: nothing is lost, and the same command goes on from here", file=sys.stderr)
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m conformance.golden", description=__doc__)
    top.add_argument(
        "--kernel", action="append", default=[], metavar="K", help="and its record (repeatable)"
    )
    action = top.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="is everything up to date? (default)")
    action.add_argument("--write", action="store_true", help="bring what is not up to date")
    action.add_argument("--diff", metavar="OLD", help="what changed since the set in this folder")
    _add_set(top)
    top.add_argument("--jobs", type=int, metavar="N", help="processes (1; large: every core)")
    top.set_defaults(run=_run)
    commands = top.add_subparsers(title="for programs in other languages", metavar="")
    one = commands.add_parser("export", help="write vectors as raw tensors")
    _add_set(one)
    export.add_arguments(one)
    one.set_defaults(run=lambda options: export.main(_set(options), options))
    one = commands.add_parser("verify", help="judge the raw tensors that a program wrote")
    _add_set(one)
    verify.add_arguments(one)
    one.set_defaults(run=lambda options: verify.main(_set(options), options))
    return top


def _add_set(to: argparse.ArgumentParser) -> None:
    chosen = to.add_argument_group("which set")
    names = (sets.COMMITTED, LARGE)
    chosen.add_argument("--set", choices=names, default=sets.COMMITTED, help="(committed)")
    chosen.add_argument("--folder", metavar="DIR", help="where it is; needed for the large one")
    chosen.add_argument("--seeds", type=int, default=1, metavar="N", help="of the large set (1)")


def _set(options: argparse.Namespace) -> Set:
    if options.set == LARGE:
        if options.folder is None:
            raise UsageError("--set large takes gigabytes: give the folder for it, --folder DIR")
        return sets.large(Path(options.folder), seeds=options.seeds)
    if options.seeds != 1:
        raise UsageError("--seeds is for the large set: the committed one has seed 0")
    return sets.committed(None if options.folder is None else Path(options.folder))


def _run(options: argparse.Namespace) -> int:
    golden = _set(options)
    jobs = options.jobs or (cores() if golden.name == LARGE else 1)
    if options.diff is not None:
        lines = diff(Path(options.diff), golden.folder)
        _say(lines, f"{golden.folder} holds the same as {options.diff}")
        return 1 if lines else 0
    kernels = [load(spec) for spec in options.kernel]
    return (_write if options.write else _check)(golden, kernels, jobs)


def _check(golden: Set, kernels: Sequence[LoadedKernel], jobs: int) -> int:
    lines = check(golden, jobs=jobs)
    for kernel in kernels:
        lines += check_record(golden, kernel)
    _say(lines, f"{golden.folder}: all vectors are what the oracle answers")
    return 1 if lines else 0


def _write(golden: Set, kernels: Sequence[LoadedKernel], jobs: int) -> int:
    moved = write(golden, jobs=jobs)
    lines = [f"{key}: {'; '.join(changed)}" for key, changed in moved.items()]
    _say(lines, f"{golden.folder}: no vector changed")
    for kernel in kernels:
        record, scores = write_record(golden, kernel)
        lines = [f"{kernel.name} on {line}" for line in scores]
        counts = f"{len(record.scores)} vectors recorded, {len(record.declined)} declined"
        _say(lines, f"{kernel.name}: {counts}")
    return 0


def _say(lines: Sequence[str], otherwise: str) -> None:
    print("\n".join(lines) if lines else otherwise)


if __name__ == "__main__":
    sys.exit(main())
