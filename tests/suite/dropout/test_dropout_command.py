"""python -m conformance.dropout says what it found, and what cannot be asked, in one line."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from conformance.dropout.__main__ import main
from conformance.dropout.generators.known import GENERATORS
from conformance.dropout.statistics.battery import battery


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["generator", "philox"], "\npasses\n", 0),
        (["generator", "shared-heads"], "likely: masks are shared by heads", 1),
        (
            ["generator", "p-bf16"],
            "cannot tell: p-bf16 (p is rounded to bf16) needs 599,581,300",
            0,
        ),
        (["generator", "philox", "--declared", "ascend950"], "every decision is ascend950's", 0),
        (["generator", "msb-first", "--declared", "philox"], "the highest of each byte first", 1),
        (
            ["generator", "philox", "--shape", "1,1,20,500"],
            "calls of shape (1, 1, 20, 500): 10, p = 0.1",
            0,
        ),
    ],
)
def test_a_run_says_what_it_found(
    words: list[str], said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--bits", "1e5"]) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["power", "--runs", "1", "--p", "0.5"], "no statistic; its masks are those declared"),
        (["power", "--runs", "2"], "no statistic; the mask is the declared generator's"),
        (["calibrate", "--runs", "20"], "alpha 0.05: "),
    ],
)
def test_the_worth_of_the_battery_is_measured(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["kernel", "a.py:b", "--declared", "philox"],
        ["kernel", "a.py:b", "--shape", "1,1,2,3"],
        ["generator", "philox", "--runs", "3"],
        ["power", "--plots", "folder"],
        ["calibrate", "philox", "--bits", "1e7"],
    ],
)
def test_a_command_has_its_own_options_alone(words: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["generator", "philix"],
            "no generator 'philix': did you mean philox? there are philox,",
        ),
        (
            ["generator", "philox", "--declared", "x"],
            "there is no generator 'x': there are philox",
        ),
        (
            ["generator", "philox", "--p", "1"],
            "--p is 1: give a probability of dropping in [0, 1)",
        ),
        (["generator", "philox", "--p", "-0.5"], "--p is -0.5: give a probability"),
        (["generator", "philox", "--p", "nan"], "--p is nan: give a probability"),
        (["generator", "philox", "--alpha", "0"], "--alpha is 0: give a chance between 0 and 1"),
        (
            ["generator", "philox", "--bits", "1000"],
            "are too few for p = 0.1 and alpha = 1e-06: ",
        ),
        (["generator", "philox", "--bits", "1000"], "give at least 2,500"),
        (["generator", "philox", "--bits", "inf"], "--bits is inf: give a number of decisions"),
        (["generator", "philox", "--shape", "2,4"], "--shape is '2,4': give B,H,Q,K, such as"),
        (["generator", "philox", "--shape", "0,1,2,3"], "--shape is '0,1,2,3': give B,H,Q,K"),
        (
            ["generator", "philox", "--seed", "-1"],
            "--seed is -1: give an unsigned 64-bit",
        ),
        (["power", "--runs", "0"], "--runs is 0: give at least 1"),
        (["kernel", "no_such.py:kernel"], "no_such.py"),
        (["generator", "philox", "--plots", "/dev/null"], "--plots /dev/null: File exists"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words]) == 2
    written = capsys.readouterr().err
    assert written.startswith("ERROR: ") and said in written and written.count("\n") == 1


def test_plots_are_pictures_of_what_was_counted(tmp_path: Path) -> None:
    for name, code in (("philox", 0), ("restart-4096", 1)):
        words = ["generator", name, "--bits", "1e5", "--plots", str(tmp_path / "new")]
        assert main(words) == code
        for kind in ("rows", "heads", "lags", "plane"):
            path = tmp_path / "new" / f"{name}-{kind}.svg"
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


BROKEN = """
def raises(problem): raise KeyError("lost")
def nothing(problem): return None
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kernel", "broken.py:raises"], "ERROR: the kernel raised KeyError"),
        (["kernel", "broken.py:nothing"], "ERROR: the kernel returned a NoneType"),
        (["generator", "p-8bit", "--p", "0.999", "--bits", "3e7"], "ERROR: dropout p is 1.0"),
    ],
)
def test_what_cannot_be_judged_is_said(words, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN)
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(said)


def test_what_a_shape_cannot_show_is_said() -> None:
    unseen = battery(GENERATORS["philox"].calls(8, p=0.1, shape=(1, 1, 32, 32))).cannot_tell
    assert {"shared-heads", "restart-4096"} <= set(unseen)
