"""A golden set: what counts as a change, who says so, and that a change is made whole or not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.golden_set import CASES, CAUSAL, HIDDEN, PLAIN, files, golden_set, vector_file

from conformance.golden import manifest, update, vector
from conformance.golden.digest import digest
from conformance.golden.same import moved_bounds
from conformance.golden.update import REMOVED, check, diff, write
from reference import blockwise
from reference.bounds import error_bound
from reference.contract import Contract
from reference.problem import Problem, Result

HEAL = "python -m conformance.golden --folder {} --write"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write(golden_set(folder))
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "set"))


def in_other_tiles(problem: Problem, **options: object) -> Result:
    return blockwise.attention(problem, block_q=4, block_k=3)


def off_where_causal(problem: Problem, **options: object) -> Result:
    """An oracle that is wrong in the tenth digit, on causal problems that are not packed."""
    right = blockwise.attention(problem)
    wrong = problem.mask.window == (None, 0) and not problem.is_packed
    return replace(right, out=right.out * (1 + 1e-10)) if wrong else right


def oracle(monkeypatch: pytest.MonkeyPatch, attention: object) -> None:
    monkeypatch.setattr(vector, "blockwise", type("changed", (), {"attention": attention}))


def code_of_today(monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    monkeypatch.setattr(update, "oracle_digest", lambda: digest)


def test_a_set_just_written_is_up_to_date(folder):
    assert check(golden_set(folder)) == []


def test_writing_again_changes_no_byte(folder):
    before = files(folder)
    assert write(golden_set(folder)) == {}
    assert files(folder) == before


def test_another_order_of_sums_is_no_change(folder, monkeypatch):
    oracle(monkeypatch, in_other_tiles)
    problem = vector.make(PLAIN, "bf16").problem
    other, usual = in_other_tiles(problem), blockwise.attention(problem)
    assert not np.array_equal(other.dq, usual.dq)
    assert check(golden_set(folder)) == []


def test_an_oracle_that_answers_otherwise_is_told_by_vector_and_command(folder, monkeypatch):
    oracle(monkeypatch, off_where_causal)
    (line,) = check(golden_set(folder))
    assert line.startswith(f"{vector_file(folder, 'causal-fp32')}: answer.out[")
    assert " -> " in line and line.endswith(HEAL.format(folder))


def test_write_replaces_what_moved_and_nothing_else(folder, monkeypatch):
    oracle(monkeypatch, off_where_causal)
    code_of_today(monkeypatch, "c" * 64)
    before = files(folder)
    assert list(write(golden_set(folder))) == ["causal-fp32"]
    after = files(folder)
    same = {name for name in before if "causal" not in name and name != manifest.NAME}
    assert same and all(after[name] == before[name] for name in same)
    assert check(golden_set(folder)) == []


def test_numbers_that_a_library_moved_are_told_and_healed(folder, monkeypatch):
    oracle(monkeypatch, off_where_causal)
    monkeypatch.setattr("conformance.golden.vector.versions", lambda: {"numpy": "99"})
    (line,) = check(golden_set(folder))
    assert "causal-fp32" in line
    assert list(write(golden_set(folder))) == ["causal-fp32"]
    assert check(golden_set(folder)) == []


def spoilt(value: float):
    """An oracle that gives `value` in one place."""

    def attention(problem: Problem, **options: object) -> Result:
        right = blockwise.attention(problem)
        right.lse[..., -1] = value
        return right

    return attention


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_told_whatever_rounding_allows(value, folder, monkeypatch):
    oracle(monkeypatch, spoilt(value))
    lines = check(golden_set(folder))
    assert len(lines) == 3 and all(f"-> {value:.9g} (inf x rounding)" in line for line in lines)


def test_another_shape_is_told():
    old, new = (Result(out=np.zeros(n, np.float32)) for n in (3, 4))
    assert [str(each) for each in moved_bounds(old, new)] == ["bound.out has another shape"]


def test_bounds_may_differ_by_a_step_of_float32_and_no_more():
    one = np.ones(1, np.float32)
    near = np.nextafter(one, np.float32(2))
    far = np.nextafter(near, np.float32(2))
    assert moved_bounds(Result(out=one), Result(out=near)) == []
    assert len(moved_bounds(Result(out=one), Result(out=far))) == 1


def test_a_bound_that_changed_is_told(folder, monkeypatch):
    looser = partial(error_bound, contract=Contract(exp_ulps=4.01))
    monkeypatch.setattr(vector, "error_bound", looser)
    lines = check(golden_set(folder))
    assert len(lines) == 3 and all("bound.out[" in line for line in lines)


def test_code_that_changed_without_its_answers_is_told_and_healed(folder, monkeypatch):
    code_of_today(monkeypatch, "0" * 64)
    (line,) = check(golden_set(folder))
    assert "the oracle's code changed, its 3 answers did not" in line
    vectors = files(folder / manifest.VECTORS)
    assert write(golden_set(folder)) == {}
    assert files(folder / manifest.VECTORS) == vectors
    assert check(golden_set(folder)) == []


def changed(case, **fields):
    return tuple(replace(one, **fields) if one is case else one for one in CASES)


CHANGES = {
    "shape": (changed(PLAIN, seqlen_k=34), "plain-bf16", "k changed"),
    "scalar": (changed(CAUSAL, scale=0.25), "causal-fp32", "scalars changed"),
    "words": (changed(HIDDEN, why="rows"), "hidden-fp16", "words changed"),
    "faults": (changed(PLAIN, catches=("lse-base-2",)), "plain-bf16", "words changed"),
    "new": (changed(PLAIN, formats=("bf16", "fp16")), "plain-fp16", "new"),
    "removed": ((PLAIN, CAUSAL), "hidden-fp16", REMOVED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_case_that_changed_is_told_and_healed(name, folder):
    cases, key, what = CHANGES[name]
    golden = golden_set(folder, cases)
    (line,) = check(golden)
    assert key in line and line.endswith(HEAL.format(folder))
    (moved,) = write(golden).items()
    assert moved[0] == key and what in "; ".join(moved[1])
    assert check(golden) == []


def test_new_words_leave_the_tensors_as_they_are(folder):
    before = manifest.read(folder).entries["hidden-fp16"]
    write(golden_set(folder, changed(HIDDEN, why="rows")))
    after = manifest.read(folder).entries["hidden-fp16"]
    assert after.tensors == before.tensors and after.about.why == "rows"


class Killed(BaseException):
    """Ends the process here: nothing after it runs."""


def killed_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Kill at the count-th renaming; what would clean up afterwards does not run either."""
    left = iter(range(count))

    def rename(self: Path, target: Path) -> None:
        if next(left, None) is None:
            monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
            raise Killed
        self.rename(target)

    monkeypatch.setattr(Path, "replace", rename)


@pytest.mark.parametrize("count", range(4))
def test_killed_at_any_moment_the_old_set_is_intact(count, folder, monkeypatch):
    before = files(folder)
    other = tuple(replace(case, scale=0.5) for case in CASES)
    with monkeypatch.context() as patch:
        killed_at(patch, count)
        with pytest.raises(Killed):
            write(golden_set(folder, other))
    after = files(folder)
    assert {name: after[name] for name in before} == before
    write(golden_set(folder, other))
    assert check(golden_set(folder, other)) == []


def test_diff_tells_old_and_new(folder, written):
    assert diff(written, folder) == []
    moved = (replace(PLAIN, scale=1.0), replace(CAUSAL, why="other words"))
    write(golden_set(folder, moved))
    assert diff(written, folder) == [
        "causal-fp32: words changed",
        "hidden-fp16: removed",
        "plain-bf16: scalars changed; the case changed",
    ]


def test_comments_and_docstrings_are_not_code_and_all_else_is():
    plain = 'def f(x):\n    """Say."""\n    return x  # why\n'
    words = '"""What."""\n\ndef f(x):\n    """Say\n    more."""\n\n    return x\n'
    other = "def f(x):\n    return x + 1\n"
    one, same, another = (digest([("f.py", text)]) for text in (plain, words, other))
    assert one == same != another
