"""The library that cann/build.sh makes: where it is, and whether it is for this chip.

Nothing here imports torch.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from npu_kernels.ascend_c import loading
from npu_kernels.emulator import build

SCRIPT = build.PACKAGE / "cann" / "build.sh"
NAME = "libnpu_flash_attention.so"


def path() -> Path:
    """Where build.sh puts it."""
    return build.build_folder() / "device" / NAME


def shown(file: Path) -> Path:
    """The same path as short as it is seen from here."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def load() -> ctypes.CDLL:
    """The library, loaded.

    Raises
    ------
    Unavailable
        If it was not built, or CANN's libraries are not found.
    Mismatch
        If it was made from another abi.h.
    """
    if not path().exists():
        raise build.Unavailable(
            f"there is no {shown(path())}: bash {shown(SCRIPT)} -arch SOC, where CANN is"
        )
    try:
        library = loading.load(path())
    except OSError as error:
        raise build.Unavailable(f"{error}: source CANN's set_env.sh") from None
    library.npu_built_for.restype = ctypes.c_char_p
    library.npu_device_soc.restype = ctypes.c_char_p
    library.npu_device_groups.restype = ctypes.c_int64
    return library


def built_for(library: ctypes.CDLL) -> str:
    """SOC name for which the library was built."""
    return str(library.npu_built_for().decode())


def soc(library: ctypes.CDLL) -> str:
    """SOC name of this machine, "" if CANN sees none."""
    return str(library.npu_device_soc().decode())


def wrong_chip(wanted: str, here: str) -> str:
    """Why a library for one SOC does not run on another, in one line; "" if they are one."""
    if wanted == here:
        return ""
    return (
        f"{shown(path())} was built for {wanted}, and this chip is {here or 'unknown'}: "
        f"bash {shown(SCRIPT)} -arch {here or 'SOC'}"
    )
