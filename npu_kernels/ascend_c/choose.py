"""Which kernel a name means: the library on a device, or the emulated one."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from npu_kernels.ascend_c import loading
from npu_kernels.ascend_c.kernel import AscendKernel, emulated_name
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions, from_environment
from npu_kernels.on_device import find
from npu_kernels.on_device import library as device_library


def kernel(name: str) -> AscendKernel:
    """The kernel "emulated", "device", or "ascend": on the device if there is one, else emulated.

    "ascend" is on the device if there is one and a library was built for it, or if
    NPU_REQUIRE_DEVICE is set. Its name says where it runs.

    Raises
    ------
    Unavailable
        If something that it needs is missing; the text says what to do.
    BuildError
        If the compiler refuses its sources.
    """
    if name == "device" or (name == "ascend" and (find.is_insisted() or find.is_here())):
        return _on_device(name)
    return _emulated(name, from_environment())


@cache
def _on_device(name: str) -> AscendKernel:
    try:
        on = find.library()
        groups = find.groups(on)
    except build.Unavailable as missing:
        insisted = name == "ascend" and find.is_insisted()
        raise build.Unavailable(
            f"{find.INSISTED} is set, and {missing}" if insisted else str(missing)
        ) from None
    return AscendKernel(
        name=f"{name}[{device_library.soc(on.library)}]",
        library=on,
        options=EmulatorOptions(cores=groups),
        digest=hashlib.sha256(device_library.path().read_bytes()).hexdigest(),
        toolchain=device_library.soc(on.library),
    )


@cache
def _emulated(name: str, options: EmulatorOptions) -> AscendKernel:
    return AscendKernel(
        name=emulated_name(name, options),
        library=loading.load(build.library()),
        options=options,
        digest=_digest(),
    )


def _digest() -> str:
    """Digest of the C++ sources and of this folder, whose code decides the answer, too."""
    return build.digest(
        build.PACKAGE / "abi.h",
        build.EMULATOR,
        build.FLASH_ATTENTION,
        Path(__file__).parent,
        suffixes=(".h", ".cpp", ".py"),
    )
