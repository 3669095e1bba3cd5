"""The plugin in somebody else's project: their options, markers and tests stay theirs."""

from __future__ import annotations

import json
import shutil

import pytest

from conformance.run.options import FORMER
from suite.test_plugin import SUBJECTS, judge, pytest_in

CONFTEST = """
def pytest_addoption(parser):
    for name in ("--seed", "--report", "--tier"):
        parser.addoption(name, default="theirs")
    parser.addoption("--forward", action="store_true")
"""
CONFIGURATION = "[pytest]\naddopts = --strict-markers\nmarkers =\n    ours: theirs\n"
THEIR_TEST = """
import pytest

@pytest.mark.ours
def test_case(pytestconfig):
    assert pytestconfig.getoption("--seed") == {seed!r}

def test_that_fails():
    assert not "theirs"
"""
NAMES = ("test_accuracy.py", "test_benchmark.py", "test_golden.py", "test_laws.py")
A_LAW = "conformance.test_laws::test_the_order_of_heads_does_not_matter"


@pytest.fixture
def project(tmp_path):
    """A project with options, markers and test files of the names that the suite has."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    for name in NAMES:
        (tmp_path / name).write_text(THEIR_TEST.format(seed="7"))
    return tmp_path


def test_a_project_without_the_suite_keeps_its_options_tests_and_output(project):
    run = pytest_in(project, "--seed", "7", "--report", "x", "--forward", "-p", "no:cacheprovider")
    assert f"{len(NAMES)} failed, {len(NAMES)} passed" in run.stdout
    assert "conformance:" not in run.stdout


@pytest.mark.parametrize("typo", ["lenghts", "long", "smoke", "dropout"])
def test_strict_markers_still_catch_what_the_project_has_not(project, typo):
    (project / "test_typo.py").write_text(f"import pytest\n@pytest.mark.{typo}\ndef test(): ...\n")
    run = pytest_in(project, "test_typo.py")
    assert f"'{typo}' not found in `markers` configuration option" in run.stdout


def test_failures_of_the_project_are_not_in_the_report_of_a_kernel(project):
    kernel = ["--kernel", f"{SUBJECTS}:right", "-k", "test_that_fails or fp32-plain"]
    own = [*NAMES, "--seed", "7", "--kernel-report", "there"]
    run = pytest_in(project, "--pyargs", A_LAW, *own, *kernel)
    assert f"{len(NAMES)} failed, 1 passed" in run.stdout, run.stdout
    tests = json.loads((project / "there" / "report.json").read_text())["tests"]
    assert [test["outcome"] for test in tests] == ["passed"]


def test_a_failing_file_outside_of_the_root_is_not_in_the_report_of_a_kernel(project):
    (project / "root").mkdir()
    (project / "root" / "empty.ini").write_text("[pytest]\n")
    (project / "other").mkdir()
    (project / "other" / "test_own.py").write_text('def test_that_fails(): assert not "theirs"\n')
    kernel = ["--kernel", f"{SUBJECTS}:right", "-k", "test_that_fails or fp32-plain"]
    words = ["-c", "empty.ini", project / "other" / "test_own.py", "--kernel-report", "there"]
    run = pytest_in(project / "root", "--pyargs", A_LAW, *map(str, words), *kernel)
    assert "1 failed, 1 passed" in run.stdout, run.stdout
    tests = json.loads((project / "root" / "there" / "report.json").read_text())["tests"]
    assert [test["outcome"] for test in tests] == ["passed"]


def test_options_of_both_stand_side_by_side(project):
    words = ["--seed", "7", "--kernel-seed", "3", "--kernel", f"{SUBJECTS}:right"]
    run = pytest_in(project, "--pyargs", A_LAW, "-k", "fp32-plain", *words)
    assert run.returncode == 0, run.stdout
    assert "seed 3; tier default" in run.stdout


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_is_refused_in_one_line(tmp_path, former):
    run = judge(tmp_path, former, "1")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"ERROR: {former} is called {FORMER[former]} now\n"


def test_a_former_name_means_nothing_where_the_suite_is_not_asked_for(tmp_path):
    (tmp_path / "test_one.py").write_text("def test(): ...\n")
    run = pytest_in(tmp_path, "--tier", "smoke")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unrecognized arguments: --tier" in run.stderr


def test_strict_is_pytest_s_own(tmp_path):
    run = judge(tmp_path, "--strict", "-W", "ignore")
    assert run.returncode == 0, run.stdout
    assert "suspicions fail by --kernel-fail-suspicious" in run.stdout


def test_the_suite_is_asked_for_by_a_folder_above_it_but_not_through_an_environment(project):
    package = SUBJECTS.parents[2] / "conformance"
    for folder, asks in (("vendored", True), ("venv/lib", False)):
        copy = project / folder / "conformance"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(package.parent / "reference", project / folder / "reference")
        words = [".", "--collect-only", "-q"]
        run = pytest_in(project, *words, path=project / folder)
        assert ("no kernel to judge" in run.stderr) == asks, run.stdout + run.stderr
        shutil.rmtree(project / folder)
