"""Two reports beside each other: what counts as worse, and what a user reads of it."""

from __future__ import annotations

import json

import pytest

from conformance.report.difference import BETTER, WORSE, Comparison, compare, main
from conformance.report.document import SCHEMA_VERSION


def a_test(outcome="passed", *, case="plain", kernel="sdpa[cpu]", format="fp16", **ratios):
    """One test of a report; `ratios` are its tensors'."""
    return {
        "kernel": kernel,
        "test": "test_case",
        "case": case,
        "format": format,
        "outcome": outcome,
        "failed": "out: 3 of 8 elements are beyond\nlong text" if outcome == "failed" else "",
        "declined": "sink" if outcome == "declined" else "",
        "tensors": [{"name": name, "ratio": ratio} for name, ratio in ratios.items()],
    }


def report(*tests, **settings):
    """A report, as far as it is read here."""
    kernels = dict.fromkeys(test["kernel"] for test in tests)
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": 0,
        "kernels": [{"name": name} for name in kernels],
        "tests": list(tests),
    } | settings


def kinds(told: Comparison) -> list[str]:
    return [change.kind for change in told.changes]


BESIDE = a_test(case="beside", out=0.5)  # the same in both reports


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (a_test(), a_test("failed"), "newly failing"),
        (a_test("declined"), a_test("failed"), "newly failing"),
        (None, a_test("failed"), "newly failing"),
        (a_test(), a_test("declined"), "newly declined"),
        (a_test("failed"), a_test("declined"), "newly declined"),
        (a_test(), None, "vanished"),
        (a_test("failed"), None, "vanished"),
        (a_test("failed"), a_test(), "fails no more"),
        (a_test("declined"), a_test(), "declined no more"),
        (None, a_test(), "appeared"),
        (None, a_test("declined"), "appeared"),
        (a_test(out=0.2, lse=0.1), a_test(out=0.2), "vanished"),
        (a_test(out=0.2), a_test(out=0.2, lse=0.1), "appeared"),
        (a_test(out=0.2), a_test(out=0.401), "ratio grew"),
        (a_test(out=0.0), a_test(out=0.001), "ratio grew"),
        (a_test("failed", out=3.0), a_test("failed", out="inf"), "ratio grew"),
        (a_test("failed", out=3.0), a_test("failed", out="nan"), "ratio grew"),
        (a_test(out=0.2), a_test(out=0.099), "ratio shrank"),
        (a_test("failed", out="nan"), a_test("failed", out=3.0), "ratio shrank"),
        (a_test(out=0.2), a_test(out=0.4), None),
        (a_test(out=0.2), a_test(out=0.1), None),
        (a_test(out=0.0), a_test(out=0.0), None),
        (a_test("failed", out="inf"), a_test("failed", out="nan"), None),
        (a_test("declined"), a_test("declined"), None),
    ],
)
def test_a_change_is_of_one_kind_and_worse_or_better(old, new, kind):
    told = compare(*(report(BESIDE, *([one] if one else [])) for one in (old, new)))
    assert kinds(told) == ([kind] if kind else [])
    assert told.worse is (kind in WORSE)
    assert told.worse or kind is None or kind in BETTER


def test_the_worst_comes_first_and_the_totals_count_every_kind():
    old = report(*(a_test(case=case, out=0.1) for case in "abcdef"))
    new = report(
        a_test(case="a", out=0.01),
        a_test(case="b", out=0.3),
        a_test("declined", case="c"),
        a_test(case="d", out=0.5),
        a_test("failed", case="e", out=2.0),
        a_test("failed", case="f", out=3.0),
    )
    told = compare(old, new)
    assert [change.at[2] for change in told.changes] == ["f", "e", "c", "d", "b", "a"]
    assert told.totals() == (
        "tests in both reports: 6; 2 newly failing, 1 newly declined, 2 ratio grew, 1 ratio shrank"
    )


def test_a_test_is_one_kernel_one_case_and_one_format():
    tests = [
        a_test(kernel=kernel, case=case, format=format, out=0.1)
        for kernel in ("ours", "sdpa")
        for case in ("a", "b")
        for format in ("fp16", "bf16")
    ]
    changed = a_test("failed", kernel="sdpa", case="b", format="bf16", out=2.0)
    (change,) = compare(report(*tests), report(*tests[:-1], changed)).changes
    assert change.at == ("sdpa", "test_case", "b", "bf16")
    assert (change.was, change.became) == ("passed", "failed: out: 3 of 8 elements are beyond")


def test_one_kernel_in_each_report_is_compared_whatever_its_name():
    old = report(a_test(kernel="ascend[emulated]", out=0.1))
    told = compare(old, report(a_test(kernel="ascend[910B2]", out=0.3), seed=1))
    assert told.notes[0] == (
        "one kernel in each report, so these are compared: ascend[emulated] and ascend[910B2]"
    )
    assert told.notes[1] == "seed: 0 and 1"
    assert kinds(told) == ["ratio grew"]


def test_of_several_kernels_one_that_is_gone_vanished_in_one_line():
    ours, theirs = (
        [a_test(kernel=name, case=case) for case in "ab"] for name in ("ours", "theirs")
    )
    new = [a_test("failed", kernel="new"), a_test(kernel="new", case="b")]
    told = compare(report(*ours, *theirs), report(*ours, *new))
    assert [(change.kind, change.at, change.was or change.became) for change in told.changes] == [
        (
            "newly failing",
            ("new", "test_case", "plain", "fp16"),
            "failed: out: 3 of 8 elements are beyond",
        ),
        ("vanished", ("theirs",), "2 tests"),
        ("appeared", ("new",), "2 tests"),
    ]


def test_the_command_prints_a_table_and_says_by_its_exit_code_whether_it_is_worse(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "100")
    good, bad = tmp_path / "good", tmp_path / "bad.json"
    good.mkdir()
    (good / "report.json").write_text(json.dumps(report(a_test(out=0.1))))
    bad.write_text(json.dumps(report(a_test(out=0.3))))
    assert main([str(good), str(good)]) == 0
    assert capsys.readouterr().out == "tests in both reports: 1; no change\n"
    assert main([str(good), str(bad)]) == 1
    told = capsys.readouterr().out
    assert "where, in sdpa[cpu]" in told and "test_case plain fp16 out" in told
    assert "0.1 -> 0.3" in told and told.endswith("tests in both reports: 1; 1 ratio grew\n")
    assert main([str(bad), str(good / "report.json")]) == 0


def test_help_is_no_error(capsys):
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m conformance.report compare OLD NEW")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "new.json cannot be read (No such file or directory): give a report.json"),
        ("{", "new.json is no JSON"),
        ("[1]", "the new one is no report: it has no schema_version"),
        ("{}", "the new one is no report: it has no schema_version"),
        (json.dumps(report(schema_version=1)), "the new report has schema_version 1, and this"),
        (json.dumps(report(tests=[{}])), "the new one is no report, or a damaged one"),
        (json.dumps(report(kernels=None)), "the new one is no report, or a damaged one"),
        (json.dumps(report(a_test(out="much"))), "the new one is no report, or a damaged one"),
        (json.dumps(report(a_test(), kernels=[])), "the new one is no report, or a damaged one"),
    ],
)
def test_a_file_that_is_no_report_is_one_line_and_exit_code_2(content, text, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(report(a_test())))
    if content is not None:
        new.write_text(content)
    assert main([str(old), str(new)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ERROR: ") and text in err and err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b", "c"]])
def test_another_number_of_arguments_prints_the_usage(words, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "usage: python -m conformance.report compare OLD NEW" in err and err.count("\n") == 1
