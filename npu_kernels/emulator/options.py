"""EmulatorOptions: what the silicon does and nobody has published, and how much is checked.

``NPU_EMULATOR`` holds them as words, such as ``"fast mmad=tree16 exp=4 cores=3"``. They are read
when a kernel is first asked for, and its name tells them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from npu_kernels.emulator.build import Unavailable

VARIABLE = "NPU_EMULATOR"
MMAD_ORDERS = ("sequential", "tree16", "exact")  # numbered as in abi.h
MOST_GROUPS = 64


@dataclass(frozen=True, kw_only=True)
class EmulatorOptions:
    """How the emulator runs a kernel.

    Attributes
    ----------
    fast : bool
        Bounds and capacities only; the same numbers.
    auto_sync : bool
        Vector barriers may be missing that the stock build switch inserts.
    adversarial : bool
        Instructions run in another order than the kernel's, chosen by `seed`, as far as barriers,
        events and flags allow.
    keeps_inf_nan : bool
        CTRL[48] = 1: results of 16 bits may be infinite or NaN. The chip's default saturates.
    mmad : "sequential", "tree16" or "exact"
        The order in which the cube adds up; exact rounds once.
    truncates : bool
        The cube rounds each sum toward zero, not to the nearest number.
    exp, ln : int
        Exp, and Ln, is off by up to this many ulps, each argument by its own number, from `seed`.
    random_padding : bool
        What DataCopyPad without padding leaves behind a row's data, up to the next 32 B, is bits
        from `seed`, not the row's first element.
    cores : int
        Groups of one AIC and two AIVs: 24 on Ascend 910B1 and B2, 20 on B3 and B4.
    seed : int
        Of `exp`, `ln`, `random_padding` and `adversarial`.
    """

    fast: bool = False
    auto_sync: bool = False
    adversarial: bool = False
    keeps_inf_nan: bool = False
    mmad: str = "sequential"
    truncates: bool = False
    exp: int = 0
    ln: int = 0
    random_padding: bool = False
    cores: int = 24
    seed: int = 0

    def words(self) -> tuple[str, ...]:
        """What differs from the defaults, as it is written in the variable."""
        values = ((field, getattr(self, field.name)) for field in fields(self))
        return tuple(
            _word(field.name) if value is True else f"{_word(field.name)}={value}"
            for field, value in values
            if value != field.default
        )


def from_environment() -> EmulatorOptions:
    """The knobs that NPU_EMULATOR sets.

    Raises
    ------
    Unavailable
        If it says something that is no knob, or a value that the knob cannot have.
    """
    return parse(os.environ.get(VARIABLE, ""))


def parse(text: str) -> EmulatorOptions:
    """The knobs that these words set, separated by spaces.

    Raises
    ------
    Unavailable
        As `from_environment`.
    """
    known = {_word(field.name): field for field in fields(EmulatorOptions)}
    chosen: dict[str, object] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if name not in known or (known[name].type == "bool") == bool(equals):
            raise Unavailable(f"{VARIABLE}: {word!r} is no knob: {_help()}")
        field = known[name]
        chosen[field.name] = _value(word, field.name, value) if equals else True
    return EmulatorOptions(**chosen)  # type: ignore[arg-type]


def _value(word: str, name: str, value: str) -> object:
    if name == "mmad":
        if value in MMAD_ORDERS:
            return value
    elif value.isdecimal() and (name != "cores" or 1 <= int(value) <= MOST_GROUPS):
        return int(value)
    raise Unavailable(f"{VARIABLE}: {word!r} cannot be: {_help()}")


def _help() -> str:
    return (
        "give words of fast, auto-sync, adversarial, keeps-inf-nan, truncates, random-padding, "
        f"mmad={'|'.join(MMAD_ORDERS)}, exp=ULPS, ln=ULPS, cores=1..{MOST_GROUPS}, seed=N"
    )


def _word(field: str) -> str:
    return field.replace("_", "-")
