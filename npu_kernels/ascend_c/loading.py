"""The kernels' library, loaded: made from the abi.h that structs.py mirrors, or refused."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from npu_kernels.ascend_c import structs

FUNCTIONS = ("npu_flash_forward", "npu_flash_backward", "npu_dropout_mask")


class Mismatch(Exception):
    """The library was made from another abi.h."""


@cache
def load(path: Path) -> ctypes.CDLL:
    """The library at `path`.

    Raises
    ------
    Mismatch
        If its structs are not those of structs.py: the text names the first that differs.
    """
    library = ctypes.CDLL(str(path))
    _check_structs(path, library)
    for name in FUNCTIONS:
        if hasattr(library, name):
            getattr(library, f"{name}_workspace").restype = ctypes.c_int64
    return library


def _check_structs(path: Path, library: ctypes.CDLL) -> None:
    remedy = "make structs.py like abi.h, and build again"
    if not hasattr(library, "npu_structs"):
        raise Mismatch(f"{path}: it does not tell its structs by npu_structs: {remedy}")
    library.npu_structs.restype = ctypes.c_char_p
    lines = (line.split() for line in library.npu_structs().decode().splitlines())
    theirs = {name: (int(first), int(size)) for name, first, size in lines}
    ours = structs.layout()
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if theirs.get(name) != ours.get(name):
            raise Mismatch(
                f"{path}: {name} is {_place(theirs.get(name))} there and "
                f"{_place(ours.get(name))} in structs.py: {remedy}"
            )


def _place(place: tuple[int, int] | None) -> str:
    return "missing" if place is None else f"{place[1]} bytes from byte {place[0]} on"
