"""The Ascend 910B chips as a performance model sees them: rates per cycle, clocks, memories.

Source: the runtime's platform_config (clocks, cores, rates of GM) and asc-devkit's documentation,
appendix "theoretical performance of Cube and Vector instructions" (the pipes).
"""

from __future__ import annotations

from dataclasses import dataclass

MACS = 4096
"""Multiply-adds of 16-bit values that a cube does per cycle: 16 x 16 x 16."""

RATES = {
    "L1 to L0A": 256,
    "L1 to L0B": 128,
    "L0C to GM": 128,
    "GM to L1": 110,
    "GM to UB": 64,
    "UB to GM": 64,
}
"""Bytes per cycle and core by path of structs.PATHS. L0C to GM is not published: its rate is that
of L0C to L1. GM to L1 reads L2."""

L2_READ, L2_WRITE = 110, 86
"""Bytes per cycle that L2 gives, and at the same time takes, times the groups of the chip."""


@dataclass(frozen=True)
class Chip:
    """One chip.

    Attributes
    ----------
    groups : int
        Of one AIC and two AIVs.
    hertz : float
        Clock of the cores.
    hbm : float
        Bytes per second. Not in the vendor's files: its documentation says "about 1.6 TB/s"; of the
        B4 0.8, in an example.
    """

    groups: int
    hertz: float
    hbm: float

    @property
    def peak(self) -> float:
        """FLOP/s of the cubes, fp16 and bf16."""
        return self.groups * MACS * 2 * self.hertz


CHIPS = {
    "910B1": Chip(groups=24, hertz=1.85e9, hbm=1.6e12),
    "910B2": Chip(groups=24, hertz=1.8e9, hbm=1.6e12),
    "910B3": Chip(groups=20, hertz=1.8e9, hbm=1.6e12),
    "910B4": Chip(groups=20, hertz=1.5e9, hbm=0.8e12),
}
