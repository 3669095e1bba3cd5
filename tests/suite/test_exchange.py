"""Problems to files and back: nothing is lost, and a bad file says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import fields

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conformance.cases import all_cases
from conformance.cases.case import Case
from conformance.kernel import PROBLEM_TENSORS
from conformance.problem_file import load, save
from conformance.strides import steps_of, with_steps
from reference.formats import FORMATS, FP32, FP64
from reference.problem import Problem
from reference.problem.features import FEATURES

NATIVE = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp32": np.float32,
    "fp64": np.float64,
}


def case_by_feature() -> dict[str, Case]:
    """A small case for every feature but the formats."""
    found: dict[str, Case] = {}
    for case in sorted(all_cases(), key=lambda case: case.work):
        if set(FEATURES) - set(found) - set(NATIVE):
            words = case.problem(FORMATS[case.formats[0]]).features
            found |= {word: case for word in sorted(words) if word not in found}
    return {word: case for word, case in found.items() if word not in NATIVE}


BY_FEATURE = case_by_feature()


def asked(feature: str, format: str) -> Problem:
    """The problem of a feature in a format; cases ask nothing in FP64, so that is made of FP32."""
    if format != "fp64":
        return BY_FEATURE[feature].problem(FORMATS[format])
    problem = BY_FEATURE[feature].problem(FP32)
    tensors = {name: getattr(problem, name) for name in PROBLEM_TENSORS}
    wide = {name: wider(tensor) for name, tensor in tensors.items() if tensor is not None}
    return problem.replace(format=FP64, **wide)


def wider(array):
    steps = steps_of(array)
    wide = np.ascontiguousarray(array, np.float64)
    return wide if steps is None else with_steps(wide, steps)


def leaves(value):
    """Every array and number in a problem, by name."""
    for field in fields(value):
        part = getattr(value, field.name)
        if hasattr(part, "__dataclass_fields__"):
            yield from ((f"{field.name}.{name}", leaf) for name, leaf in leaves(part))
        else:
            yield field.name, part


def same_bits(a, b) -> bool:
    if not isinstance(a, np.ndarray):
        return a == b
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def differences(a, b) -> list[str]:
    pairs = zip(leaves(a), leaves(b), strict=True)
    return [
        name
        for (name, left), (_, right) in pairs
        if not (same_bits(left, right) or (name.startswith("cu_seqlens") and (left == right).all()))
    ]


def test_there_is_a_case_for_every_feature():
    assert set(BY_FEATURE) == set(FEATURES) - set(NATIVE)


@pytest.mark.parametrize("format", NATIVE)
@pytest.mark.parametrize("feature", BY_FEATURE)
def test_a_problem_comes_back_bit_by_bit(feature, format, tmp_path):
    problem = asked(feature, format)
    save(problem, tmp_path / "problem.safetensors")
    again = load(tmp_path / "problem.safetensors")
    assert differences(problem, again) == []
    assert again.features == problem.features


def test_tensors_are_written_in_their_own_format(tmp_path):
    problem = BY_FEATURE["sink"].problem(FORMATS["fp16"])
    save(problem, tmp_path / "problem.safetensors")
    tensors = load_file(tmp_path / "problem.safetensors")
    assert tensors["q"].dtype == np.float16
    assert tensors["sink"].dtype == np.float32


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[:, ::2],
        lambda a: a[:, :, ::-1],
        lambda a: a.swapaxes(0, 2),
        lambda a: np.broadcast_to(a[:1], (4, *a.shape[1:])),
        lambda a: a[:0, ::2],
    ],
    ids=["gapped", "backward", "transposed", "repeated", "empty"],
)
def test_steps_between_elements_are_kept(view):
    array = view(np.arange(60.0).reshape(3, 4, 5))
    steps = steps_of(array)
    again = with_steps(np.ascontiguousarray(array), steps or array.shape)
    assert same_bits(array, again)
    assert steps is None or again.strides == array.strides


def test_steps_must_fit_the_axes():
    with pytest.raises(ValueError, match="give one for each axis"):
        with_steps(np.zeros((2, 2)), (1,))


def test_a_file_of_another_framework_is_a_problem_with_every_default(tmp_path):
    q = np.ones((1, 3, 2, 8), np.float16)
    save_file({"q": q, "k": q, "v": q}, tmp_path / "plain.safetensors")
    problem = load(tmp_path / "plain.safetensors")
    assert problem.features == {"fp16"}


def written(path, *, drop=(), metadata=None, **changes):
    """A good file with some tensors changed, and these metadata."""
    q = np.ones((1, 3, 2, 8), np.float16)
    tensors = {"q": q, "k": q, "v": q} | changes
    save_file({name: x for name, x in tensors.items() if name not in drop}, path, metadata)


def said(**problem):
    return {"format_version": "1", "problem": json.dumps(problem)}


Q = np.ones((1, 3, 2, 8), np.float16)

BAD = {
    "no q": ({"drop": ("q",)}, "it has no q: give q, k and v"),
    "unknown tensor": ({"weights": Q}, "it has tensors weights: give"),
    "mixed formats": ({"k": Q.astype(np.float32)}, "k is F32, but q F16: give F16"),
    "integer q": ({"q": Q.astype(np.int32)}, "q is I32: give one of"),
    "boolean q": ({"q": Q.astype(bool)}, "q is BOOL: give one of"),
    "integer keep": ({"mask.keep": Q.astype(np.uint8)}, "mask.keep is U8: give BOOL"),
    "NaN": ({"v": Q * np.nan}, "v has 48 values that are NaN"),
    "heads": ({"k": Q[:, :, :0], "v": Q[:, :, :0]}, "2 query heads and 0 key heads"),
    "version": ({"metadata": {"format_version": "9"}}, "its format_version is 9"),
    "no JSON": ({"metadata": {"problem": "{"}}, 'its metadata "problem" is no JSON'),
    "no object": ({"metadata": {"problem": "[]"}}, 'its metadata "problem" is no JSON object'),
    "format": ({"metadata": said(format="bf16")}, "q is F16, but its format is said to be"),
    "p": ({"metadata": said(dropout={"p": 2.0})}, "dropout p is 2.0"),
    "bits alone": ({"dropout.bits": np.zeros(3, np.uint8)}, "give its p"),
    "steps": ({"metadata": said(steps={"q": [1]})}, "give one for each axis"),
    "steps of nothing": ({"metadata": said(steps={"dout": [1]})}, "dout"),
    "field": ({"metadata": said(dropout={"p": 0.5, "rate": 1})}, "rate"),
    "mask": ({"metadata": said(mask={"window": [0]})}, "mask window is"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_of_error(name, tmp_path):
    changes, text = BAD[name]
    path = tmp_path / "bad.safetensors"
    written(path, **changes)
    with pytest.raises(ValueError, match="holds no problem: ") as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_safetensors_is_one_line_of_error(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        load(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="it is no safetensors file"):
        load(tmp_path / "text")


def test_fp64_scalars_are_kept_to_the_last_bit(tmp_path):
    problem = asked("softcap", "fp64").replace(scale=1 / 3, softcap=np.pi)
    save(problem, tmp_path / "problem.safetensors")
    again = load(tmp_path / "problem.safetensors")
    assert (again.scale, again.softcap) == (1 / 3, np.pi)
