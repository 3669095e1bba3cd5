"""Raw files for other languages: generator, kernel and verifier with files between them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from conformance.golden import layouts, manifest, raw_files, stored
from conformance.golden.__main__ import main
from conformance.golden.sets import FOLDER
from conformance.golden.vector import Vector
from conformance.golden.verify import expected_of, judged
from conformance.verdict.verdict import STATISTICS
from npu_kernels.emulator import build
from reference.formats import FP32
from reference.problem import Result

ENTRIES = manifest.read(FOLDER).entries
EXAMPLES = Path(__file__).parents[3] / "examples" / "cpp"
DENSE, PACKED = "g-gqa-bf16", "g-packed-causal-bf16"
NATIVE = {"fp16": "<f2", "bf16": ml_dtypes.bfloat16, "fp32": "<f4", "fp64": "<f8"}
NATIVE |= {"int64": "<i8", "uint8": "u1"}


def vector(name: str) -> Vector:
    return stored.load(FOLDER, ENTRIES[name])


def exported(folder: Path, name: str, *words: str) -> Path:
    assert main(["export", "--case", name, "--out", str(folder), *words]) == 0
    return folder / name


def header(folder: Path) -> tuple[dict[str, str], dict[str, tuple[str, tuple[int, ...]]]]:
    """Scalars, and type and shape of each tensor, as a reader in any language finds them."""
    lines = [line.split() for line in (folder / "case.txt").read_text().splitlines()]
    scalars = {words[0]: " ".join(words[1:]) for words in lines if words[0] != "tensor"}
    tensors = {
        words[1]: (words[2], tuple(map(int, words[3:]))) for words in lines if words[0] == "tensor"
    }
    return scalars, tensors


def read(folder: Path, name: str) -> np.ndarray:
    word, shape = header(folder)[1][name]
    return np.fromfile(folder / f"{name}.bin", NATIVE[word]).reshape(shape)


def rounded(original: Vector) -> Result:
    """What a perfect kernel would give."""
    side = ("lse", "dsink", *STATISTICS)
    given = {
        name: (FP32 if name in side else original.problem.format).round(tensor)
        for name, tensor in original.answer.tensors()
    }
    return Result(**given)


def answer(original: Vector, folder: Path, *, layout: str, kind: str = "bin") -> None:
    """Write a perfect kernel's answer, as a program would."""
    folder.mkdir(exist_ok=True)
    for name, tensor in rounded(original).tensors():
        narrow = FP32 if name in ("lse", "dsink", *STATISTICS) else original.problem.format
        native = layouts.arranged(name, tensor, layout).astype(raw_files.NATIVE[narrow])
        raw_files.write(raw_files.file_of(folder, name, kind), native)


def in_layout(x: np.ndarray, layout: str) -> np.ndarray:
    """(B, S, N, D) as the vendor's words say, one layout at a time."""
    b, s, n, d = x.shape
    return {
        "BSND": x,
        "BNSD": x.transpose(0, 2, 1, 3),
        "BSH": x.reshape(b, s, n * d),
        "SBH": x.reshape(b, s, n * d).transpose(1, 0, 2),
        "TND": x.reshape(b * s, n, d),
    }[layout]


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_every_tensor_lies_as_its_layout_says(layout, tmp_path):
    original = vector("g-batch-fp16")
    folder = exported(tmp_path, "g-batch-fp16", "--layout", layout)
    for name in ("q", "k", "v", "dout"):
        assert np.array_equal(
            read(folder, name), in_layout(getattr(original.problem, name), layout)
        )
    for name in ("out", "dq", "dk", "dv"):
        assert np.array_equal(
            read(folder, f"golden_{name}"), in_layout(getattr(original.answer, name), layout)
        )
        assert np.array_equal(
            read(folder, f"bound_{name}"), in_layout(getattr(original.bound, name), layout)
        )
    lse = original.answer.lse  # (B, N, S)
    expected = lse.transpose(0, 2, 1).reshape(-1, lse.shape[1]) if layout == "TND" else lse
    assert np.array_equal(read(folder, "golden_lse"), expected)


ASKED = [(name, "BSND") for name in (DENSE, "g-bias-fp16", "g-sink-fp16", "g-softcap-fp32")]
ASKED += [(DENSE, layout) for layout in layouts.LAYOUTS[1:]] + [(PACKED, "TND")]


@pytest.mark.parametrize("kind", raw_files.KINDS)
@pytest.mark.parametrize(("name", "layout"), ASKED)
def test_what_a_program_wrote_in_any_layout_is_judged(name, layout, kind, tmp_path):
    answer(vector(name), tmp_path, layout=layout, kind=kind)
    words = ["--out-dir", str(tmp_path), "--layout", layout, "--format", kind]
    assert main(["verify", "--case", name, *words]) == 0


def test_packed_sequences_fit_no_layout_but_tnd(tmp_path, capsys):
    words = ["--case", PACKED, "--layout", "BNSD"]
    assert main(["export", "--out", str(tmp_path), *words]) == 2
    assert main(["verify", "--out-dir", str(tmp_path), *words]) == 2
    assert "which only TND can hold" in capsys.readouterr().err


def test_every_vector_is_exported_with_its_scalars(tmp_path, capsys):
    assert main(["export", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(ENTRIES)
    scalars, tensors = header(tmp_path / "g-window-top-left-fp32")
    assert (scalars["window_left"], scalars["window_right"]) == ("9", "30")
    assert (scalars["anchor"], scalars["softcap"]) == ("top-left", "none")
    assert tensors["q"] == ("fp32", (1, 65, 1, 8))


def test_dropout_is_exported_as_bits_whoever_draws_them(tmp_path):
    original = vector("g-dropout-packed-fp16").problem
    folder = exported(tmp_path, "g-dropout-packed-fp16")
    bits = np.unpackbits(read(folder, "dropout_bits"), bitorder="little")
    for head in original.heads():
        kept = head.dropout.keep(range(head.seqlen_q), range(head.seqlen_k)).ravel()
        first = head.dropout.first
        assert np.array_equal(bits[first : first + kept.size], kept)


def test_npy_files_hold_the_same_elements(tmp_path):
    folder = exported(tmp_path, DENSE, "--format", "npy")
    bits = np.load(folder / "q.npy")
    assert bits.dtype == np.uint16
    assert np.array_equal(bits.view(ml_dtypes.bfloat16), vector(DENSE).problem.q)


def wrong_size(folder: Path) -> None:
    path = folder / "dk.bin"
    path.write_bytes(path.read_bytes()[:-2])


def not_there(folder: Path) -> None:
    (folder / "out.bin").unlink()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [(wrong_size, "give 2080, bf16 elements of (1, 65, 2, 8)"), (not_there, "write out there")],
)
def test_files_that_cannot_be_judged_are_one_line(spoil, text, tmp_path, capsys):
    answer(vector(DENSE), tmp_path, layout="BSND")
    spoil(tmp_path)
    assert main(["verify", "--case", DENSE, "--out-dir", str(tmp_path)]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in said and text in said


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"text", "is no .npy file"), (np.zeros(3, np.int64), "has int64 (3,): give bf16 elements")],
)
def test_npy_files_that_hold_something_else_are_one_line(content, text, tmp_path, capsys):
    answer(vector(DENSE), tmp_path, layout="BSND", kind="npy")
    if isinstance(content, bytes):
        (tmp_path / "dq.npy").write_bytes(content)
    else:
        np.save(tmp_path / "dq.npy", content)
    words = ["--case", DENSE, "--out-dir", str(tmp_path), "--format", "npy"]
    assert main(["verify", *words]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "dq.npy") in said and text in said


def test_a_missing_gradient_fails_unless_only_the_forward_is_asked(tmp_path, capsys):
    answer(vector(DENSE), tmp_path, layout="BSND")
    (tmp_path / "dq.bin").unlink()
    words = ["verify", "--case", DENSE, "--out-dir", str(tmp_path)]
    assert main(words) == 1 and "dq: missing" in capsys.readouterr().out
    assert main([*words, "--forward"]) == 0


@pytest.mark.parametrize("name", ["out", "lse", "dq", "dk", "dv"])
def test_an_error_just_beyond_the_stored_bound_fails_and_one_just_within_does_not(name):
    one = vector("g-15x16-fp32")
    want, bound = getattr(one.answer, name), getattr(one.bound, name).astype(np.float64)
    expected, right = expected_of(one, forward=False), rounded(one)
    for times, passes in ((0.9, True), (1.1, False)):
        got = replace(right, **{name: FP32.round(want + times * bound)})
        assert judged(one, expected, got).passes() == passes


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in ("naive_attention", "broken_attention"):
        source = str(EXAMPLES / f"{name}.cpp")
        options = ["-std=c++17", "-O1", *build.STRICT]
        command = [*build.compiler(), *options, source, "-o", str(folder / name)]
        subprocess.run(command, check=True)
    return folder


CASES = ["g-127x129-fp32", "g-batch-fp32", "g-causal-129-fp32", "g-window-top-left-fp32"]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("program", "code"), [("naive_attention", 0), ("broken_attention", 1)])
def test_a_cpp_program_is_judged_by_the_files_it_writes(name, program, code, programs, tmp_path):
    folder = exported(tmp_path, name)
    subprocess.run([programs / program, folder, tmp_path / "out"], check=True)
    words = ["--case", name, "--out-dir", str(tmp_path / "out"), "--forward"]
    assert main(["verify", *words]) == code


@pytest.mark.parametrize("name", [DENSE, PACKED, "g-softcap-fp32", "g-sink-fp16"])
def test_the_cpp_example_says_what_it_does_not_know(name, programs, tmp_path):
    folder = exported(tmp_path, name)
    command = [programs / "naive_attention", folder, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
