"""``python -m npu_kernels doctor`` tells whether our kernels can run here, ``model`` how fast.

``probe`` asks what the silicon does and nobody has published: docs/device.md. The times of
``model`` are a model's of docs/performance_model.md, not measurements.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from npu_kernels import doctor, modelled_times
from npu_kernels.emulator.build import Unavailable
from npu_kernels.probe import run as probe


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
    probe_command = commands.add_parser(
        "probe", help="what the silicon does, and the emulator's knobs that imitate it"
    )
    probe_command.add_argument(
        "--target", choices=probe.TARGETS, default="device", help="what is asked (default: device)"
    )
    probe_command.add_argument(
        "--file", type=Path, default=Path("probe.json"), help="the answers (default: probe.json)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.command == "doctor":
        return doctor.run(chosen.target)
    if chosen.command == "probe":
        return _probe(chosen.target, chosen.file)
    for line in modelled_times.lines(longest=chosen.longest):
        print(line, flush=True)
    return 0


def _probe(target: str, file: Path) -> int:
    try:
        for line in probe.run(target, file):
            print(line, flush=True)
    except Unavailable as missing:
        instead = "; --target emulator asks the emulator" if target == "device" else ""
        print(f"probe: {missing}{instead}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"probe: {file} cannot be written: {error}: give --file", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
