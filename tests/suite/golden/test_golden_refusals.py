"""What a golden set refuses: each in one line that names the file, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.golden_set import edit_manifest, files, golden_set, vector_file

from conformance.golden import manifest
from conformance.golden.__main__ import main
from conformance.golden.files import GoldenError
from conformance.golden.update import check, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(golden_set(tmp_path))
    return tmp_path


def flip(folder: Path) -> None:
    path = vector_file(folder, "plain")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(folder: Path) -> None:
    path = vector_file(folder, "plain")
    path.write_bytes(path.read_bytes()[:-100])


def forge(folder: Path, change: Callable[[dict, dict], None]) -> None:
    """Change the tensors or metadata of a vector, and the manifest so that it agrees."""
    path = vector_file(folder, "causal")
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors, metadata = safetensors.numpy.load(content), header["__metadata__"]
    change(tensors, metadata)
    path.write_bytes(safetensors.numpy.save(tensors, metadata))
    forged = path.read_bytes()
    document = json.loads((folder / manifest.NAME).read_text())
    (entry,) = [one for one in document["vectors"] if one["id"] == "causal"]
    entry["sha256"], entry["bytes"] = hashlib.sha256(forged).hexdigest(), len(forged)
    entry["tensors"] = manifest.tensors_of(forged)
    (folder / manifest.NAME).write_text(json.dumps(document))


def forged(change: Callable[[dict, dict], None]) -> Callable[[Path], None]:
    return lambda folder: forge(folder, change)


def narrow(tensors: dict, metadata: dict) -> None:
    tensors["answer.out"] = tensors["answer.out"].astype(np.float32)


def other_words(tensors: dict, metadata: dict) -> None:
    said = json.loads(metadata["golden"])
    metadata["golden"] = json.dumps(said | {"why": "because"})


def edited(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit_manifest(folder, old, new)


def linked_out(folder: Path) -> None:
    """A vector that is a link to a file elsewhere."""
    path = vector_file(folder, "plain")
    path.rename(folder.parent / "elsewhere.safetensors")
    path.symlink_to(folder.parent / "elsewhere.safetensors")


def twice(folder: Path) -> None:
    document = json.loads((folder / manifest.NAME).read_text())
    document["vectors"].append(document["vectors"][0])
    (folder / manifest.NAME).write_text(json.dumps(document))


def other_sum(folder: Path) -> None:
    """The sha256 of a tensor that is not in its file."""
    of_q = manifest.read(folder).entries["plain-bf16"].tensors["q"]["sha256"]
    edit_manifest(folder, of_q, of_q[::-1])


VECTOR = {
    "tampered": (flip, "has another sha256 than the manifest says"),
    "cut": (cut, "bytes, and the manifest says"),
    "missing": (lambda folder: vector_file(folder, "plain").unlink(), "No such file"),
    "type": (forged(narrow), "answer.out is F32"),
    "no answer": (forged(lambda tensors, _: tensors.pop("answer.dk")), "answer.dk: the problem"),
    "no bound": (forged(lambda tensors, _: tensors.pop("bound.dq")), "bound.dq: the problem asks"),
    "no dout": (
        forged(lambda tensors, _: tensors.pop("dout")),
        "bound.dk, bound.dq, bound.dv: the",
    ),
    "shape": (
        forged(lambda tensors, _: tensors.update({"bound.lse": np.zeros(3, np.float32)})),
        "bound.lse is F32 (3,)",
    ),
    "a problem": (forged(lambda _, metadata: metadata.pop("golden")), 'no metadata "golden"'),
    "sum": (other_sum, "tensor q is not what the manifest says"),
    "words": (forged(other_words), "says other things of its case"),
}


@pytest.mark.parametrize("name", VECTOR)
def test_a_spoilt_vector_is_refused_in_one_line(name, folder):
    spoil, text = VECTOR[name]
    spoil(folder)
    lines = check(golden_set(folder))
    assert any(str(folder) in line and text in line and "\n" not in line for line in lines)


@pytest.mark.parametrize("name", sorted(VECTOR.keys() - {"missing"}))
def test_write_refuses_a_spoilt_vector_and_loses_nothing(name, folder, monkeypatch):
    VECTOR[name][0](folder)
    before = files(folder)
    monkeypatch.setattr("conformance.golden.update.oracle_digest", lambda: "0" * 64)
    with pytest.raises(GoldenError):
        write(golden_set(folder))
    assert files(folder) == before


def test_write_makes_a_missing_vector_again(folder):
    before = files(folder)
    vector_file(folder, "plain").unlink()
    write(golden_set(folder))
    assert files(folder) == before


MANIFEST = {
    "version": (edited('"format_version": 1', '"format_version": 2'), "has format_version 2"),
    "outside": (edited("vectors/plain", "../plain"), "leads out of vectors/"),
    "absolute": (edited("vectors/plain", "/etc/plain"), "leads out of vectors/"),
    "link": (linked_out, "leads out of vectors/"),
    "no JSON": (
        edited(
            "{",
            "",
        ),
        "is no JSON",
    ),
    "no object": (lambda folder: (folder / manifest.NAME).write_text("[]"), "format_version None"),
    "unknown type": (edited('"BF16"', '"F8"'), "'F8' is not one of"),
    "field": (edited('"seed": 0', '"seed": "0"'), "'0' is not of type 'integer'"),
    "digest": (edited('"oracle": "', '"oracle": "z'), "does not match"),
    "missing tensor": (edited('"answer.out": {', '"answer": {'), "'answer.out' is a required"),
    "twice": (twice, "causal-fp32 is there twice"),
}


@pytest.mark.parametrize("name", MANIFEST)
def test_a_spoilt_manifest_is_refused_in_one_line(name, folder, capsys):
    spoil, text = MANIFEST[name]
    spoil(folder)
    before = files(folder)
    assert main(["--folder", str(folder), "--write"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("REFUSED: ") and str(folder) in said[0]
    assert text in said[0]
    assert files(folder) == before


def test_a_set_that_is_not_there_is_refused_in_one_line(tmp_path, capsys):
    assert main(["--folder", str(tmp_path), "--check"]) == 1
    assert "manifest.json cannot be read" in capsys.readouterr().err


def test_files_that_no_manifest_names_are_told_and_removed(folder):
    left = vector_file(folder, "plain").with_name("plain-bf16.0123456789ab.safetensors")
    left.write_bytes(b"")
    (line,) = check(golden_set(folder))
    assert line.startswith(f"{left}: the manifest does not name it")
    write(golden_set(folder))
    assert not left.exists()


def test_an_unfinished_file_is_not_taken_for_a_vector(tmp_path):
    left = tmp_path / manifest.VECTORS / "plain-bf16.0123456789ab.safetensors"
    left.parent.mkdir()
    left.write_bytes(b"half of it")
    write(golden_set(tmp_path))
    assert not left.exists() and check(golden_set(tmp_path)) == []


WRONG_USE = {
    "kernel": (["--kernel", "no_such_module:f", "--check"], "there is no module"),
    "case": (["verify", "--case", "g-1x1", "--out-dir", "."], "try g-1x1-fp16"),
}


@pytest.mark.parametrize("name", WRONG_USE)
def test_wrong_use_is_one_line_and_exit_code_2(name, capsys):
    words, text = WRONG_USE[name]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("ERROR: ") and text in said[0]
