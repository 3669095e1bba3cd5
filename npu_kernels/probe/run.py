"""``python -m npu_kernels probe``: ask what the silicon does, and say which knobs imitate it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from npu_kernels.ascend_c.choose import kernel
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator.options import VARIABLE
from npu_kernels.on_device.torch_probe import probe as torch_probe
from npu_kernels.probe.ask import Prober
from npu_kernels.probe.findings import Answer, findings

TARGETS = {"device": "device", "emulator": "emulated"}
FEW, MANY = 1000, 11000  # repetitions whose difference in time is counted


def run(target: str, file: Path) -> Iterator[str]:
    """Lines to be printed; the file is written before the last.

    Parameters
    ----------
    target : "device" or "emulator"
    file : where the answers go, as JSON

    Raises
    ------
    Unavailable
        If the target cannot run; the text says what to do.
    """
    asked_of = kernel(TARGETS[target])
    prober = Prober(library=asked_of.library, options=asked_of.options)
    yield f"probe of {asked_of.name}"
    answers = []
    for answer in findings(prober):
        answers.append(answer)
        yield f"  {answer.question}: {answer.value}{_fits(answer)}"
    times = _times(prober) if target == "device" else None
    for name, seconds in (times or {}).items():
        yield f"  {name}: {1e6 * seconds:.2f} us"
    if times is None:
        yield "  times: not asked, since the emulator has none"
    file.write_text(json.dumps(record(asked_of, answers, times), indent=2) + "\n")
    words = _words(answers)
    yield f"emulator: {words or 'its defaults'}" + "".join(
        f"\nno knob imitates: {answer.question} ({answer.value})"
        for answer in answers
        if answer.word is None
    )
    yield f"wrote {file}: {VARIABLE}=@{file} makes the emulator behave so"


def record(
    asked_of: AscendKernel, answers: Sequence[Answer], times: dict[str, float] | None
) -> dict[str, Any]:
    """What the file holds: who was asked, each answer, the emulator's words, seconds by name."""
    installed = torch_probe()
    return {
        "kernel": asked_of.name,
        "chip": asked_of.toolchain,
        "versions": {
            "python": platform.python_version(),
            "torch": installed.torch,
            "torch_npu": installed.torch_npu,
        },
        "answers": {answer.question: answer.value for answer in answers},
        "emulator": _words(answers),
        "no knob": [answer.question for answer in answers if answer.word is None],
        "seconds": times,
    }


def _words(answers: Sequence[Answer]) -> str:
    return " ".join(answer.word for answer in answers if answer.word)


def _fits(answer: Answer) -> str:
    if answer.word is None:
        return " (no knob imitates it)"
    return f" ({answer.word})" if answer.word else ""


def _times(prober: Prober) -> dict[str, float]:
    """Seconds of one copy and one hand-over, by the difference of many and few, and of a launch."""
    fewest = {name: prober.seconds(name, FEW) for name in ("copies", "hand_overs")}
    each = {
        name: (prober.seconds(name, MANY) - seconds) / (MANY - FEW)
        for name, seconds in fewest.items()
    }
    launch = min(prober.seconds("hand_overs", 1) for _ in range(10))
    return {
        "copy of 32 B": each["copies"],
        "hand-over there and back": each["hand_overs"],
        "launch, with the wait for its end": launch,
    }
