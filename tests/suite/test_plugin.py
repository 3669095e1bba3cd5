"""The suite as its users run it: from any folder, on a kernel of theirs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import conformance
from conformance.kernel import UsageError
from conformance.problem_file import save
from conformance.run.run import prepare
from reference.formats import FP16
from reference.mask import Mask
from reference.problem import Problem

SUBJECTS = Path(__file__).parents[1] / "support" / "sample_kernels.py"
PLOTS = ("rows", "heads", "lags", "plane")
PACKAGE = Path(conformance.__file__).parent
PLUGINS = ("-p", "conformance.plugin", "-p", "no:hypothesispytest")
"""The latter is no part of the suite, and takes a third of the time of a short run to load."""


def small_problem() -> Problem:
    """Causal with more keys than queries, several tiles, heads that share keys; gradients."""
    rng = np.random.default_rng(3)
    shapes = {"q": (1, 40, 4, 16), "k": (1, 72, 2, 16), "v": (1, 72, 2, 16), "dout": (1, 40, 4, 16)}
    tensors = {name: FP16.round(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Problem(**tensors, format=FP16, mask=Mask(window=(None, 0)))


def pytest_in(
    folder: Path, *words: str, path: Path = PACKAGE.parent
) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user would, in a folder that is not the checkout; the suite is on `path`."""
    users = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, *words],
        cwd=folder,
        env={**users, "PYTHONPATH": str(path), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def judge(folder: Path, *words: str, kernels: tuple[str, ...] = ("right",)):
    """Run the accuracy tests on a saved problem."""
    save(small_problem(), folder / "asked.safetensors")
    named = [word for name in kernels for word in ("--kernel", f"{SUBJECTS}:{name}")]
    asked = ["--pyargs", "conformance.test_accuracy", "--kernel-problem", "asked.safetensors"]
    return pytest_in(folder, *asked, *named, *words)


def failure(text: str, kernel: str) -> str:
    """What is printed of one kernel's failure."""
    parts = re.split(r"^_+ (test_\w+\[.*\]) _+$", text, flags=re.M)
    (told,) = [part for name, part in zip(parts[1::2], parts[2::2], strict=True) if kernel in name]
    return told.partition("\n=====")[0]


def test_a_right_kernel_passes_and_the_header_says_what_ran(tmp_path):
    run = judge(tmp_path, "--kernel-seed", "5")
    assert run.returncode == 0, run.stdout
    assert f"conformance: right ({SUBJECTS}:right); seed 5; tier default" in run.stdout
    assert "2 passed" in run.stdout  # its backward is also judged alone
    assert re.search(r"gqa +2 / 0 / 0 +0\.\d", run.stdout)


def test_other_test_runs_hear_and_load_nothing(tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_other(): assert not {'numpy', 'reference', 'safetensors'} & set(sys.modules)\n"
    )
    run = pytest_in(tmp_path)
    assert run.returncode == 0, run.stdout
    assert "conformance:" not in run.stdout and "= conformance" not in run.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no kernel to judge: give --kernel module:attribute"),
        (["--kernel", "no_such_module:f"], "there is no module 'no_such_module'"),
        (["--kernel", "broken.py:f"], "a kernel cannot be imported (its traceback is above)"),
    ],
    ids=["none", "unknown", "broken"],
)
def test_wrong_use_is_one_line_and_exit_code_2(words, text, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    run = pytest_in(tmp_path, "--pyargs", "conformance", *words)
    assert run.returncode == 2
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ERROR: ") and text in last
    assert "_pytest" not in run.stderr and "conformance/" not in run.stderr


def usage_error(**changes) -> str:
    with pytest.raises(UsageError) as error:
        prepare(kernels=[f"{SUBJECTS}:right"], **changes)
    return str(error.value)


def test_folders_and_problems_are_checked_before_the_run(tmp_path):
    (tmp_path / "file").write_text("text")
    for option in ("report", "repro"):
        text = usage_error(**{option: str(tmp_path / "file" / "folder")})
        assert (
            text.startswith(f"--kernel-{option} ") and "give a folder that can be written" in text
        )
    text = usage_error(problems=[str(tmp_path / "file")])
    assert text.startswith("--kernel-problem: ") and "it is no safetensors file" in text


BROKEN = {
    "wrong_anchor": ("likely: out is right for this problem with a top-left anchor",),
    "forgotten_rescale": (
        "is acc rescaled when the maximum rises?",
        "within the bound (worst error / allowed): lse",
    ),
    "base_2": ("lse: 160 of 160", "1.443 x oracle (log2(e): base 2 instead of e)"),
    "dk_without_scale": ("dk: ", "4 x oracle (1 / scale: not scaled)", "out 0."),
    "raises": ("RuntimeError: tile 3 is not aligned", "sample_kernels.py"),
    "overwrites": ("the kernel changed its input dout: work on a copy of it",),
}


def test_each_fault_is_seen_in_its_message_and_the_run_goes_on(tmp_path):
    run = judge(tmp_path, kernels=("right", *BROKEN, "declines"))
    assert run.returncode == 1
    assert "6 failed, 2 passed, 1 skipped" in run.stdout, run.stdout
    assert "declined 1: head_dim 16 > 8" in run.stdout
    for kernel, texts in BROKEN.items():
        told = failure(run.stdout, kernel)
        for text in texts:
            assert text in told, told


def test_the_command_in_a_failure_runs_that_test_alone(tmp_path):
    run = judge(tmp_path, kernels=("right", "base_2"))
    (command,) = re.findall(r"^pytest .*$", run.stdout, flags=re.M)
    again = pytest_in(tmp_path, *shlex.split(command)[1:])
    assert again.returncode == 1
    assert "1 failed" in again.stdout and "passed" not in again.stdout.splitlines()[-1]
    assert failure(again.stdout, "base_2") == failure(run.stdout, "base_2")


def test_a_run_in_which_nothing_passed_fails(tmp_path):
    run = judge(tmp_path, kernels=("declines",))
    assert run.returncode == 1
    assert "no test of the suite passed" in run.stdout
    assert "declines declined 1: head_dim 16 > 8" in run.stdout


def test_a_suspicious_kernel_fails_only_when_strict(tmp_path):
    mild = judge(tmp_path, kernels=("suspicious",))
    assert mild.returncode == 0, mild.stdout
    assert "suspicious, failures under --kernel-fail-suspicious: 1" in mild.stdout
    strict = judge(tmp_path, "--kernel-fail-suspicious", kernels=("suspicious",))
    assert strict.returncode == 1
    assert "lse is suspicious: largest error is" in strict.stdout


def test_a_failure_on_disk_runs_without_pytest(tmp_path):
    judge(tmp_path, "--kernel-repro", "repro", kernels=("right", "base_2"))
    (script,) = (tmp_path / "repro").glob("*.py")
    assert script.with_suffix(".safetensors").is_file()
    run = subprocess.run([sys.executable, script], cwd="/", capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    assert "base 2 instead of e" in run.stdout
    assert "import pytest" not in script.read_text()


def report(folder: Path, *words: str) -> dict:
    judge(folder, "--kernel-report", "report", *words, kernels=("right", "base_2", "declines"))
    content = json.loads((folder / "report" / "report.json").read_text())
    jsonschema.validate(content, json.loads((PACKAGE / "report" / "schema.json").read_text()))
    return content


def test_the_report_keeps_its_schema_and_is_the_same_from_parallel_workers(tmp_path):
    alone, parallel = report(tmp_path), report(tmp_path, "-n", "2")
    told = {kernel["name"]: kernel["totals"] for kernel in alone["kernels"]}
    assert told["right"] == {"passed": 2, "declined": 0, "failed": 0}
    assert told["base_2"] == {"passed": 0, "declined": 0, "failed": 1}
    assert told["declines"] == {"passed": 0, "declined": 1, "failed": 0}
    for content in (alone, parallel):
        del content["written"]
        for test in content["tests"]:
            del test["seconds"]
    assert alone == parallel


def test_a_worker_that_dies_is_a_failure_in_the_report(tmp_path):
    run = judge(tmp_path, "-n", "1", "--kernel-report", "report", kernels=("right", "exits"))
    assert run.returncode == 1, run.stdout
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    jsonschema.validate(content, json.loads((PACKAGE / "report" / "schema.json").read_text()))
    told = {kernel["name"]: kernel["totals"] for kernel in content["kernels"]}
    assert told["exits"]["failed"] == 1 and told["right"]["passed"] == 2
    assert "crashed" in next(t["failed"] for t in content["tests"] if t["kernel"] == "exits")


def test_isolated_kernels_fail_one_by_one(tmp_path):
    limits = ("--kernel-isolate", "--kernel-timeout", "20", "--kernel-memory", "4")
    run = judge(tmp_path, *limits, kernels=("right", "crashes", "exits"))
    assert "2 failed, 2 passed" in run.stdout, run.stdout
    assert "died of SIGABRT" in failure(run.stdout, "crashes")
    assert "ended with exit code 7" in failure(run.stdout, "exits")
    assert "--kernel-isolate --kernel-timeout 20 --kernel-memory 4" in failure(run.stdout, "exits")


def test_laws_are_in_the_report_too(tmp_path):
    law = "conformance.test_laws::test_the_order_of_heads_does_not_matter"
    kernel = ["--kernel", f"{SUBJECTS}:right"]
    run = pytest_in(
        tmp_path, "--pyargs", law, *kernel, "-k", "fp32 and plain", "--kernel-report", "."
    )
    assert run.returncode == 0, run.stdout
    assert re.search(r"laws +1 / 0 / 0", run.stdout)
    (test,) = json.loads((tmp_path / "report.json").read_text())["tests"]
    assert test["features"] == [] and "fp32" in test["case"] and "right" not in test["case"]


def test_dropout_leaves_its_table_and_its_plots_beside_the_report(tmp_path):
    law = "conformance.test_dropout::test_no_statistic_rejects_its_masks"
    kernel = ["--kernel", f"{SUBJECTS}:right"]
    run = pytest_in(
        tmp_path, "--pyargs", law, *kernel, "--kernel-tier", "smoke", "--kernel-report", "report"
    )
    assert run.returncode == 0, run.stdout
    assert "right dropout: 1,048,576 decisions of the declared stream" in run.stdout
    left = {path.name for path in (tmp_path / "report" / "dropout").iterdir()}
    assert left == {"right.txt", *(f"right-{kind}.svg" for kind in PLOTS)}


def test_a_kernel_may_come_from_the_configuration(tmp_path):
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nconformance_kernel = {SUBJECTS}:right\n")
    run = judge(tmp_path, kernels=())
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout


def collected(folder: Path, *words: str) -> set[str]:
    kernel = ["--kernel", f"{SUBJECTS}:right"]
    run = pytest_in(folder, "--pyargs", "conformance", *kernel, "--collect-only", "-q", *words)
    assert run.returncode == 0, run.stdout
    return {line.partition("::")[2] for line in run.stdout.splitlines() if "::" in line}


def test_each_tier_holds_the_one_before_and_a_marker_only_selects(tmp_path):
    kernels = [f"{SUBJECTS}:right"]
    tiers = [prepare(kernels=kernels, tier=tier).cases for tier in ("smoke", "default", "full")]
    smoke, default, full = ({case.id for case in asked} for asked in tiers)
    assert smoke < default < full
    assert collected(tmp_path, "--kernel-tier", "smoke") == collected(tmp_path, "-m", "smoke")
    told = judge(tmp_path, "-m", "smoke").stdout
    assert "-m only selects tests: the tier is default; --kernel-tier smoke" in told
    assert "tier smoke" in judge(tmp_path, "--kernel-tier", "smoke").stdout


def test_forward_asks_the_same_cases_without_gradients():
    kernels = [f"{SUBJECTS}:right"]
    whole, forward = (prepare(kernels=kernels, forward=only).cases for only in (False, True))
    assert [case.id for case in forward] == [case.id for case in whole]
    assert not any(case.backward or case.dlse for case in forward)


def test_kernels_of_one_name_go_by_how_they_were_asked_for(tmp_path):
    (tmp_path / "other.py").write_text(SUBJECTS.read_text())
    kernels = [f"{SUBJECTS}:right", f"{tmp_path}/other.py:right"]
    run = prepare(kernels=kernels)
    assert [kernel.name for kernel in run.kernels] == kernels
