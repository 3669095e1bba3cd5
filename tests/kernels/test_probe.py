"""The probe finds how the emulator is set, and the emulator follows what a probe wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from npu_kernels.ascend_c.choose import kernel
from npu_kernels.emulator import options
from npu_kernels.emulator.build import Unavailable
from npu_kernels.emulator.options import parse
from npu_kernels.probe import run, sums
from npu_kernels.probe.ask import Prober
from npu_kernels.probe.findings import findings

SETTINGS = (
    *("", "mmad=tree16", "mmad=exact", "truncates", "mmad=tree16 truncates"),
    *("exp=1", "exp=4 seed=3", "ln=2", "exp=7 ln=5", "keeps-inf-nan"),
    *("random-padding", "mmad=exact exp=2 ln=1 keeps-inf-nan random-padding"),
)


@pytest.mark.parametrize("text", SETTINGS)
def test_a_setting_of_the_emulator_is_seen_from_outside(text):
    prober = Prober(library=kernel("emulated").library, options=parse(text))
    words = " ".join(answer.word for answer in findings(prober) if answer.word)
    assert parse(f"{words} seed={parse(text).seed}") == parse(text)


def test_a_probe_s_file_makes_the_emulator_behave_so(tmp_path, monkeypatch):
    written = "mmad=tree16 exp=3 keeps-inf-nan"
    file = tmp_path / "probe.json"
    monkeypatch.setenv(options.VARIABLE, written)
    assert f"emulator: {written}" in list(run.run("emulator", file))
    monkeypatch.setenv(options.VARIABLE, f"@{file} fast")
    assert options.from_environment() == parse(f"{written} fast")


def test_a_probe_s_file_says_who_was_asked_and_what_came_out(tmp_path):
    list(run.run("emulator", tmp_path / "probe.json"))
    written = json.loads((tmp_path / "probe.json").read_text())
    assert (written["chip"], written["seconds"]) == ("emulator", None)
    assert written["answers"]["sums of the cube"] == "sequential, to nearest"
    assert written["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


@dataclass(frozen=True)
class Silicon:
    """A chip that no knob imitates: everything comes out as 3."""

    def answer(self, operation, x, *, shape, dtype=np.float32, **_):
        """Threes."""
        return np.full(shape, 3, dtype)


def test_what_no_knob_imitates_is_said_so():
    answers = list(findings(Silicon()))
    assert not any(answer.word for answer in answers)
    assert {answer.question for answer in answers if answer.word is None} == {
        *("sums of the cube", "ulps of exp", "ulps of ln", "fp16 of 1e6"),
        *("halfway values to half", "halfway values to bf16", "DataCopyPad"),
        *("subnormal fp32", "subnormal fp16 of Cast", "subnormal fp16 of the cube"),
    }


def test_the_ways_to_add_up_differ_on_the_operands():
    a, b = sums.operands()
    products = [
        sums.product(a, b, order=order, truncates=truncates).tobytes()
        for order in sums.ORDERS
        for truncates in (False, True)
    ]
    assert len(set(products)) == len(products)


def test_without_a_device_the_probe_says_so_and_offers_the_emulator(tmp_path):
    command = [sys.executable, "-m", "npu_kernels", "probe", "--file", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("probe: there is no ")
    assert done.stderr.endswith("--target emulator asks the emulator\n")
    assert not (tmp_path / "none").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "none" / "probe.json"
    command = [sys.executable, "-m", "npu_kernels", "probe", "--target", "emulator"]
    done = subprocess.run(
        [*command, "--file", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"probe: {file} cannot be written: " in done.stderr


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}"])
def test_a_file_that_no_probe_wrote_is_refused_by_name(tmp_path, content):
    file = tmp_path / "probe.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Unavailable, match=rf"^NPU_EMULATOR: {file} is no file of a probe"):
        parse(f"@{file}")


@pytest.mark.parametrize(
    ("operation", "count", "text"),
    [("exp", 8, "count: 8 is no multiple of 16"), ("product", 144, "count: 144 is no multiple")],
)
def test_a_probe_of_another_size_is_refused(operation, count, text):
    prober = Prober(library=kernel("emulated").library, options=parse(""))
    x = np.zeros((1, count), np.float32 if operation == "exp" else np.float16)
    with pytest.raises(ValueError, match=f"^{text}"):
        prober.answer(operation, x, shape=(16, 16))
