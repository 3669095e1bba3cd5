"""``python -m npu_kernels doctor`` tells whether our kernels can run here, ``model`` how fast.

The times are a model's of docs/performance_model.md, not measurements.
"""

from __future__ import annotations

import argparse
import sys

from npu_kernels import doctor, modelled_times


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: it was done, and the target can run; 1: it cannot."""
    parser = argparse.ArgumentParser(prog="python -m npu_kernels")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor_command = commands.add_parser(
        "doctor", help="what was found, and the next step for the rest"
    )
    doctor_command.add_argument(
        "--target",
        choices=doctor.TARGETS,
        default="emulator",
        help="what has to run for an exit code of 0 (default: emulator)",
    )
    model_command = commands.add_parser(
        "model", help="the modelled times of docs/performance_model.md, in up to two minutes"
    )
    model_command.add_argument(
        "--longest",
        type=int,
        default=32768,
        help="of one head's lengths, 1024 to 32768 (default: all)",
    )
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        return doctor.run(chosen.target)
    for line in modelled_times.lines(longest=chosen.longest):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
