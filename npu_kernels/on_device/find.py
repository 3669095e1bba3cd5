"""Our kernels on a device: is there one, is there a library for it, and the two together."""

from __future__ import annotations

import os
from functools import cache

from npu_kernels.emulator import build
from npu_kernels.on_device import library as device_library
from npu_kernels.on_device.memory import OnDevice
from npu_kernels.on_device.torch_probe import probe, torch_with_npu

INSISTED = "NPU_REQUIRE_DEVICE"


def is_insisted() -> bool:
    """Whether a missing device is a failure."""
    return os.environ.get(INSISTED, "0") not in ("", "0")


def is_here() -> bool:
    """Whether a library was built and torch_npu sees a device; torch is asked in a child only."""
    return device_library.path().exists() and probe().devices > 0


@cache
def library() -> OnDevice:
    """The library on this process's device.

    Raises
    ------
    Unavailable
        If a part is missing or the library was built for another chip; the text says what to do.
    """
    loaded = device_library.load()
    state = probe()
    if not state.devices:
        why = state.error or ("it sees none" if state.torch_npu else "it is not installed")
        raise build.Unavailable(
            f"no device: torch_npu: {why}: python -m npu_kernels doctor --target device"
        )
    torch_with_npu().npu.current_stream()  # torch_npu opens the device for this thread
    wanted, here = device_library.built_for(loaded), device_library.soc(loaded)
    if why := device_library.wrong_chip(wanted, here):
        raise build.Unavailable(why)
    return OnDevice(loaded)


def groups(on: OnDevice) -> int:
    """Groups of one AIC and two AIVs.

    Raises
    ------
    Unavailable
        If CANN does not say.
    """
    count = int(on.library.npu_device_groups())
    if count < 1:
        raise build.Unavailable("CANN does not say how many cores the device has: npu-smi info")
    return count
