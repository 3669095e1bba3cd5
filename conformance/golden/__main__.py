"""``python -m conformance.golden``: checks, writes, compares and exports golden vectors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.golden import export, verify
from conformance.golden.files import GoldenError
from conformance.golden.scoring import check_record, write_record
from conformance.golden.sets import Set, committed
from conformance.golden.update import check, diff, write
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
    except GoldenError as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: the set is as it was", file=sys.stderr)
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
    _add_folder(top)
    top.set_defaults(run=_run)
    commands = top.add_subparsers(title="for programs in other languages", metavar="")
    one = commands.add_parser("export", help="write vectors as raw tensors")
    _add_folder(one)
    export.add_arguments(one)
    one.set_defaults(run=lambda options: export.main(_set(options), options))
    one = commands.add_parser("verify", help="judge the raw tensors that a program wrote")
    _add_folder(one)
    verify.add_arguments(one)
    one.set_defaults(run=lambda options: verify.main(_set(options), options))
    return top


def _add_folder(to: argparse.ArgumentParser) -> None:
    to.add_argument("--folder", metavar="DIR", help="where the set is (golden_data)")


def _set(options: argparse.Namespace) -> Set:
    return committed(None if options.folder is None else Path(options.folder))


def _run(options: argparse.Namespace) -> int:
    golden = _set(options)
    if options.diff is not None:
        lines = diff(Path(options.diff), golden.folder)
        _print(lines, f"{golden.folder} holds the same as {options.diff}")
        return 1 if lines else 0
    kernels = [load(spec) for spec in options.kernel]
    return (_write if options.write else _check)(golden, kernels)


def _check(golden: Set, kernels: Sequence[LoadedKernel]) -> int:
    lines = check(golden)
    for kernel in kernels:
        lines += check_record(golden, kernel)
    _print(lines, f"{golden.folder}: all vectors are what the oracle answers")
    return 1 if lines else 0


def _write(golden: Set, kernels: Sequence[LoadedKernel]) -> int:
    lines = [f"{key}: {'; '.join(changes)}" for key, changes in write(golden).items()]
    _print(lines, f"{golden.folder}: no vector changed")
    for kernel in kernels:
        record, changes = write_record(golden, kernel)
        lines = [f"{kernel.name} on {line}" for line in changes]
        counts = f"{len(record.scores)} vectors recorded, {len(record.declined)} declined"
        _print(lines, f"{kernel.name}: {counts}")
    return 0


def _print(lines: Sequence[str], otherwise: str) -> None:
    print("\n".join(lines) if lines else otherwise)


if __name__ == "__main__":
    sys.exit(main())
