"""Problems to and from safetensors files, bit by bit, in the tensors' own formats.

A file holds q, k, v and whatever else the problem has, fp16 as F16, bf16 as BF16, fp32 as F32 and
fp64 as F64; "mask.keep" as BOOL, "cu_seqlens_q" and "cu_seqlens_k" as I64, "dropout.bits" as U8.
Its metadata hold "format_version" and "problem": everything that is no tensor, as JSON. A file
without metadata, as any framework writes it, is a problem with every default. Tensors called
"answer..." and "bound..." lie beside a problem in a golden vector, and are no part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from conformance.strides import steps_of, with_steps
from reference.dropout import Dropout
from reference.formats import BF16, FORMATS, FP16, FP32, FP64, Array, Format
from reference.mask import Mask
from reference.problem import Problem

VERSION = 1

BESIDE = ("answer.", "bound.")
IN_FORMAT = ("q", "k", "v", "bias", "dout")
IN_FP32 = ("slopes", "sink", "dlse")
OTHERS = {
    "mask.keep": ("BOOL", np.bool_),
    "cu_seqlens_q": ("I64", np.int64),
    "cu_seqlens_k": ("I64", np.int64),
    "dropout.bits": ("U8", np.uint8),
}
NATIVE = {FP16: np.float16, BF16: ml_dtypes.bfloat16, FP32: np.float32, FP64: np.float64}
CODES = {FP16: "F16", BF16: "BF16", FP32: "F32", FP64: "F64"}


def save(problem: Problem, path: str | Path) -> None:
    """Write `problem` to a file that `load` reads back, bit by bit.

    Steps between elements (strides) are kept too; what lies in the gaps is not.
    """
    tensors, metadata = encoded(problem)
    save_file(tensors, str(path), metadata)


def encoded(problem: Problem) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors of a file that holds `problem`, contiguous and native, and its metadata."""
    side = FP64 if problem.format == FP64 else FP32
    tensors = {name: (getattr(problem, name), problem.format) for name in IN_FORMAT}
    tensors |= {name: (getattr(problem, name), side) for name in IN_FP32}
    flat = {
        name: np.ascontiguousarray(tensor.astype(NATIVE[format]))
        for name, (tensor, format) in tensors.items()
        if tensor is not None
    }
    others = {
        "mask.keep": problem.mask.keep,
        "cu_seqlens_q": problem.cu_seqlens_q,
        "cu_seqlens_k": problem.cu_seqlens_k,
        "dropout.bits": problem.dropout and problem.dropout.bits,
    }
    for name, array in others.items():
        if array is not None:
            flat[name] = np.ascontiguousarray(array, OTHERS[name][1])
    return flat, {"format_version": str(VERSION), "problem": json.dumps(_scalars(problem))}


def load(path: str | Path) -> Problem:
    """The problem in a file.

    Raises
    ------
    ValueError
        If there is no such file, or it holds no problem; the text says why, in one line.
    """
    path = Path(path)
    try:
        return decoded(*read(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no problem: {error}") from None


def _scalars(problem: Problem) -> dict[str, Any]:
    mask, dropout = problem.mask, problem.dropout
    steps = {name: steps_of(getattr(problem, name)) for name in ("q", "k", "v", "dout")}
    return {
        "format": problem.format.name,
        "scale": float(problem.scale),
        "softcap": None if problem.softcap is None else float(problem.softcap),
        "mask": {
            "window": [None if side is None else int(side) for side in mask.window],
            "anchor": mask.anchor,
            "prefix": mask.prefix,
        },
        "dropout": None
        if dropout is None
        else {"p": float(dropout.p), "seed": int(dropout.seed), "offset": int(dropout.offset)},
        "poisoned": problem.poisoned,
        "steps": {name: list(step) for name, step in steps.items() if step is not None},
    }


def read(path: Path) -> tuple[dict[str, tuple[str, Array]], dict[str, str]]:
    """Tensors of a file with the codes of their types, and its metadata.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or is no safetensors file.
    """
    content = path.read_bytes()
    try:
        tensors = {name: _array(name, **tensor) for name, tensor in deserialize(content)}  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"it is no safetensors file ({error})") from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata: dict[str, str] = header.get("__metadata__", {})
    return tensors, metadata


def decoded(tensors: Mapping[str, tuple[str, Array]], metadata: Mapping[str, str]) -> Problem:
    """The problem that `encoded` took apart.

    Raises
    ------
    ValueError, TypeError
        If it is none.
    """
    version = metadata.get("format_version", str(VERSION))
    if version != str(VERSION):
        raise ValueError(f"its format_version is {version}, this suite reads {VERSION}")
    try:
        scalars = json.loads(metadata.get("problem", "{}"))
    except json.JSONDecodeError as error:
        raise ValueError(f'its metadata "problem" is no JSON ({error})') from None
    if not isinstance(scalars, dict):
        raise ValueError('its metadata "problem" is no JSON object')
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(BESIDE)}
    return _problem(own, scalars)


def _array(name: str, *, dtype: str, shape: list[int], data: bytes) -> tuple[str, Array]:
    dtypes: dict[str, Any] = {CODES[format]: native for format, native in NATIVE.items()}
    dtypes |= dict(OTHERS.values())
    if dtype not in dtypes:
        raise ValueError(f"{name} is {dtype}: give one of {', '.join(dtypes)}")
    return dtype, np.frombuffer(data, dtypes[dtype]).reshape(shape)


def _problem(tensors: dict[str, tuple[str, Array]], scalars: dict[str, Any]) -> Problem:
    known = {*IN_FORMAT, *IN_FP32, *OTHERS}
    if missing := [name for name in "qkv" if name not in tensors]:
        raise ValueError(f"it has no {', '.join(missing)}: give q, k and v")
    if unknown := sorted(set(tensors) - known):
        raise ValueError(f"it has tensors {', '.join(unknown)}: give {', '.join(sorted(known))}")
    format = _format(tensors["q"][0], scalars)
    arrays = _decode(tensors, format)
    for name, steps in scalars.get("steps", {}).items():
        if name not in arrays:
            raise ValueError(f"it has steps of {name}, but no {name}: give both, or neither")
        arrays[name] = with_steps(arrays[name], steps)
    mask, dropout = scalars.get("mask", {}), scalars.get("dropout")
    prefix = mask.get("prefix")
    bits = arrays.pop("dropout.bits", None)
    if bits is not None and dropout is None:
        raise ValueError('it has dropout.bits, but its "problem" no dropout: give its p')
    return Problem(
        format=format,
        mask=Mask(
            window=tuple(mask.get("window", (None, None))),
            anchor=mask.get("anchor", "bottom-right"),
            prefix=tuple(prefix) if isinstance(prefix, list) else prefix,
            keep=arrays.pop("mask.keep", None),
        ),
        scale=scalars.get("scale"),  # type: ignore[arg-type]  # None is the default
        softcap=scalars.get("softcap"),
        dropout=None if dropout is None else Dropout(**dropout, bits=bits),
        poisoned=bool(scalars.get("poisoned", False)),
        **arrays,
    )


def _format(code: str, scalars: dict[str, Any]) -> Format:
    by_code = {code: format for format, code in CODES.items()}
    if code not in by_code:
        raise ValueError(f"q is {code}: give one of {', '.join(by_code)}")
    named = scalars.get("format", by_code[code].name)
    if FORMATS.get(named) != by_code[code]:
        raise ValueError(f"q is {code}, but its format is said to be {named!r}: they must agree")
    return by_code[code]


def _decode(tensors: dict[str, tuple[str, Array]], format: Format) -> dict[str, Any]:
    side = FP64 if format == FP64 else FP32
    arrays: dict[str, Any] = {}
    for name, (code, array) in tensors.items():
        if name in OTHERS:
            if code != OTHERS[name][0]:
                raise ValueError(f"{name} is {code}: give {OTHERS[name][0]}")
            arrays[name] = array.copy()
            continue
        expected = format if name in IN_FORMAT else side
        if code != CODES[expected]:
            raise ValueError(f"{name} is {code}, but q {CODES[format]}: give {CODES[expected]}")
        arrays[name] = array.astype(expected.dtype)
    return arrays
