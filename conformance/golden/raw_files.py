"""Raw tensors: little-endian files without a header (.bin), or NumPy's (.npy), by format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conformance.golden.refused import Refused
from conformance.problem_file import NATIVE
from reference.formats import BF16, FORMATS, Array, Format

KINDS = ("bin", "npy")


def file_of(folder: Path, name: str, kind: str) -> Path:
    """Where the tensor `name` lies: "dropout.bits" in dropout_bits.bin."""
    return folder / f"{name.replace('.', '_')}.{kind}"


def word(array: Array) -> str:
    """The type of an array that is written, as the header calls it."""
    for name, format in FORMATS.items():
        if array.dtype == NATIVE[format]:
            return name
    return str(array.dtype)


def write(path: Path, array: Array) -> None:
    """Write an array of native elements; bf16 in a .npy is its bits as uint16."""
    if path.suffix == ".npy":
        np.save(path, array.view(np.uint16) if array.dtype == NATIVE[BF16] else array)
    else:
        path.write_bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def read(path: Path, format: Format, shape: tuple[int, ...]) -> Array | None:
    """The elements of a file, flat, in the carrier type of `format`; None if there is no file.

    Raises
    ------
    Refused
        If it does not hold as many elements of that format.
    """
    if not path.exists():
        return None
    native, count = np.dtype(NATIVE[format]), int(np.prod(shape))
    expected = f"{format.name} elements of {shape}"
    if path.suffix == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise Refused(f"{path} is no .npy file ({error}): write one") from None
        bits = array.dtype == np.uint16 and format == BF16
        if not (bits or array.dtype == native) or array.size != count:
            raise Refused(f"{path} has {array.dtype} {array.shape}: give {expected}")
        flat = np.ascontiguousarray(array).view(native).ravel()
    else:
        content = path.read_bytes()
        if len(content) != count * native.itemsize:
            need = count * native.itemsize
            raise Refused(
                f"{path} has {len(content)} bytes: give {need}, {expected}, little-endian"
            )
        flat = np.frombuffer(content, native.newbyteorder("<") if format != BF16 else native)
    wide: Array = flat.astype(format.dtype)
    return wide
