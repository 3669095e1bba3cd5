"""``python -m npu_kernels doctor`` tells whether our kernels can run here."""

from __future__ import annotations

import argparse
import sys

from npu_kernels import doctor


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: the target can run; 1: it cannot."""
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
    return doctor.run(parser.parse_args(arguments).target)


if __name__ == "__main__":
    sys.exit(main())
