"""Records: what a kernel scored, for which code, and that it may not get much worse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from support.golden_set import CASES, PLAIN, edit_manifest, files, golden_set, vector_file

from conformance.golden import manifest, records
from conformance.golden.__main__ import main
from conformance.golden.files import GoldenError
from conformance.golden.scoring import check_record, write_record
from conformance.golden.sets import FOLDER
from conformance.golden.update import write
from conformance.kernel import LoadedKernel, UsageError, load
from conformance.run.run import prepare
from conformance.verdict.verdict import TensorVerdict, Verdict
from reference.contract import Contract
from reference.problem import Result
from suite.test_plugin import PLUGINS

KERNELS = Path(__file__).parents[2] / "support" / "golden_kernels.py"


def kernel(name: str, **attributes: object) -> LoadedKernel:
    """A kernel of golden_kernels, with some attributes of its own."""
    loaded = load(f"{KERNELS}:{name}")
    if not attributes:
        return loaded
    function = type("changed", (), {"__call__": lambda self, problem: loaded(problem)})()
    for key, value in (vars(loaded.function) | attributes).items():
        setattr(function, key, value)
    return replace(loaded, function=function)


@pytest.fixture
def golden(tmp_path: Path):
    golden = golden_set(tmp_path)
    write(golden)
    return golden


def test_a_record_holds_what_each_vector_scored_and_which_code_ran(golden):
    record, moved = write_record(golden, kernel("forward_only"))
    assert (record.digest, record.toolchain, moved) == ("one", "tests", [])
    assert record.scores.keys() == {"plain-bf16", "causal-fp32"}
    assert record.declined == {"hidden-fp16": "varlen"}
    out = record.scores["plain-bf16"].tensors["out"]
    assert 0 < out["ratio"] < 1 and 0 < out["z_rms"] < 2
    assert records.read(golden.folder, kernel("forward_only")) == record


def test_a_record_just_written_is_up_to_date_and_leaves_the_vectors_alone(golden):
    before = files(golden.folder)
    write_record(golden, kernel("forward_only"))
    assert check_record(golden, kernel("forward_only")) == []
    assert {name: files(golden.folder)[name] for name in before} == before


def test_a_kernel_without_a_record_is_told_with_the_command(golden):
    (line,) = check_record(golden, kernel("forward_only"))
    assert "forward_only has no record" in line
    assert line.endswith(f"--kernel {KERNELS}:forward_only --write")


def test_code_that_changed_is_told_and_healed(golden):
    write_record(golden, kernel("forward_only"))
    edited = kernel("forward_only", digest="two")
    (line,) = check_record(golden, edited)
    path = records.path_of(golden.folder, edited)
    assert line.startswith(
        f"{path}: the code of forward_only changed since it was recorded, one ->"
    )
    write_record(golden, edited)
    assert check_record(golden, edited) == []


def test_another_toolchain_has_a_record_of_its_own(golden):
    write_record(golden, kernel("forward_only"))
    (line,) = check_record(golden, kernel("forward_only", toolchain="other"))
    assert "has no record" in line


def test_vectors_that_changed_are_told_and_new_words_are_none(golden):
    write_record(golden, kernel("forward_only"))
    words = tuple(replace(case, why="other words") for case in CASES)
    write(golden_set(golden.folder, words))
    assert check_record(golden, kernel("forward_only")) == []
    write(golden_set(golden.folder, (replace(PLAIN, scale=0.5), *CASES[1:])))
    (line,) = check_record(golden, kernel("forward_only"))
    assert "vectors changed since forward_only was recorded, plain-bf16: python" in line


REFUSED = {
    "wrong": "fails on causal-fp32 (out: 64 of 72 elements are beyond the bound",
    "raises": "fails on causal-fp32 (RuntimeError: tile 3 is not aligned), hidden-fp16",
    "declines": "declines every vector: no record was written",
    "nameless": "give it an attribute `digest`",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_kernel_that_fails_is_not_recorded(name, golden):
    before = files(golden.folder)
    with pytest.raises(GoldenError) as error:
        write_record(golden, kernel(name))
    assert REFUSED[name] in str(error.value) and "\n" not in str(error.value)
    assert files(golden.folder) == before


def test_scores_that_moved_are_told_old_and_new(golden):
    loaded = kernel("forward_only")
    write_record(golden, loaded)
    path = records.path_of(golden.folder, loaded)
    document = json.loads(path.read_text())
    document["scores"]["plain-bf16"]["tensors"]["out"]["ratio"] = 0.125
    del document["scores"]["plain-bf16"]["tensors"]["lse"]
    document["declined"], document["scores"]["hidden-fp16"] = {}, document["scores"]["plain-bf16"]
    path.write_text(json.dumps(document))
    record, moved = write_record(golden, loaded)
    new = record.scores["plain-bf16"].tensors["out"]["ratio"]
    assert moved == [
        "hidden-fp16: recorded -> declined",
        f"plain-bf16: out ratio 0.125 -> {new:g}; lse not recorded -> recorded",
    ]


def scored(ratio: float) -> Verdict:
    score = TensorVerdict(name="out", ratio=ratio, z_max=1.0, z_rms=1.0, slope_z=0.0)
    return Verdict(tensors=(score,), absent=(), got=Result(), contract=Contract())


@pytest.mark.parametrize(
    ("recorded", "ratio", "holds"),
    [(0.25, 0.5, True), (0.25, 0.501, False), (0.0, 0.0, True), (0.0, 1e-9, False)],
)
def test_a_kernel_may_use_twice_its_recorded_budget_and_no_more(recorded, ratio, holds):
    assert (records.beyond(scored(ratio), {"out": {"ratio": recorded}}) == []) == holds


def test_tensors_that_were_not_recorded_are_held_to_the_bound_alone():
    assert records.beyond(scored(0.9), {"lse": {"ratio": 0.1}}) == []


def test_a_record_that_cannot_be_read_is_refused(golden):
    loaded = kernel("forward_only")
    write_record(golden, loaded)
    path = records.path_of(golden.folder, loaded)
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 9'))
    with pytest.raises(GoldenError, match="has format_version 9"):
        check_record(golden, loaded)


def test_numbers_that_json_has_not_are_kept(golden):
    loaded = kernel("forward_only")
    record, _ = write_record(golden, loaded)
    figures = {"ratio": 0.5, "z_max": float("inf"), "z_rms": 1.0, "slope_z": 0.0}
    score = records.RecordedRatios(vector="0" * 64, tensors={"out": figures})
    record = replace(record, scores={"plain-bf16": score})
    records.save(golden.folder, loaded, record)
    assert records.read(golden.folder, loaded) == record


def suite(*words: str) -> subprocess.CompletedProcess[str]:
    """The suite's golden tests in a process of their own."""
    command = [sys.executable, "-m", "pytest", *PLUGINS, "--pyargs"]
    return subprocess.run(
        [*command, "conformance.test_golden", "-p", "no:cacheprovider", *words],
        cwd=KERNELS.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (FOLDER.parent, KERNELS.parents[1]))),
        },
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_the_suite_holds_a_recorded_kernel_to_its_record_within_the_bound():
    name = "near_the_bound"
    run = suite("--kernel", f"{KERNELS}:{name}", "--kernel-forward-only", "-k", "g-128x128-fp16")
    assert run.returncode == 1, run.stdout
    assert (
        "lse: uses 0." in run.stdout and "when it was recorded: at most 2 times that" in run.stdout
    )
    assert f"conformance.golden --kernel {KERNELS}:{name} --write" in run.stdout
    assert "beyond the bound" not in run.stdout


def test_the_suite_holds_other_kernels_to_the_bound():
    run = suite(
        "--kernel", f"{KERNELS}:forward_only", "--kernel-forward-only", "-k", "g-128x128-fp16"
    )
    assert run.returncode == 0, run.stdout


def test_the_suite_does_not_begin_on_spoilt_vectors(golden, monkeypatch):
    monkeypatch.setattr("conformance.golden.sets.FOLDER", golden.folder)
    asked = {"kernels": [f"{KERNELS}:forward_only"]}
    assert [one.id for one in prepare(**asked).vectors] == ["causal", "hidden", "plain"]
    assert prepare(**asked, tier="smoke").vectors == ()
    assert all(one.saved.dout is None for one in prepare(**asked, forward=True).vectors)
    vector_file(golden.folder, "causal").unlink()
    with pytest.raises(UsageError, match="No such file"):
        _ = prepare(**asked).vectors


def test_the_committed_records_are_as_their_schema_says():
    schema = json.loads(records.SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in (FOLDER / manifest.RECORDS).glob("*.json"):
        jsonschema.validate(json.loads(path.read_text()), schema)


def test_a_spoilt_vector_stops_the_recording(golden, capsys):
    edit_manifest(golden.folder, '"oracle"', '"orakel"')
    with pytest.raises(GoldenError, match="manifest"):
        write_record(golden, kernel("forward_only"))


def test_one_command_checks_and_writes_vectors_and_records(golden, capsys, monkeypatch):
    monkeypatch.setattr("conformance.golden.sets.CASES", CASES)
    words = ["--folder", str(golden.folder), "--kernel", f"{KERNELS}:forward_only"]
    assert main([*words, "--check"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "forward_only has no record" in line
    assert main([*words, "--write"]) == 0
    assert "forward_only: 2 vectors recorded, 1 declined" in capsys.readouterr().out
    assert main(words) == 0


def test_diff_tells_records_too(golden, tmp_path, capsys):
    old = shutil.copytree(golden.folder, tmp_path / "old")
    write_record(golden, kernel("forward_only"))
    assert main(["--folder", str(golden.folder), "--diff", str(old)]) == 1
    assert capsys.readouterr().out == "forward-only--tests.json: new\n"
    assert main(["--folder", str(golden.folder), "--diff", str(golden.folder)]) == 0
