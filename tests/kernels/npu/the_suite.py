"""The device's library under the suite, over the host's memory and the emulator's cores.

Everything on our side of CANN is as on a device: build.sh, the library, what Python uploads and
fetches. CANN and torch_npu are what tests/kernels/cann has for them. Nothing here ran on a device.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import npu_kernels
from conformance.laws.assertions import CAUSAL, make_problem
from conformance.laws.transform import laid_out
from kernels.cann_on_host import CHIP, host_device, use_device
from npu_kernels.ascend_c import binding, choose
from npu_kernels.ascend_c.kernel import AscendKernel
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from npu_kernels.on_device import find, library
from npu_kernels.on_device.memory import OnDevice
from npu_kernels.on_device.torch_probe import Probe
from reference.dropout import Dropout
from reference.mask import Mask

ROOT = Path(__file__).parents[3]


@pytest.fixture
def kernel(monkeypatch, emulated):
    """Our kernel, launched as on a device."""
    use_device(monkeypatch)
    on = OnDevice(library.load())
    name = f"device[{library.soc(on.library)}]"
    options = EmulatorOptions(cores=find.groups(on))
    return AscendKernel(name=name, library=on, options=options, digest="")


@pytest.fixture(scope="module")
def emulated():
    """Before any test says where the device's library is: the emulator's lies elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NPU_EMULATOR", raising=False)
        return npu_kernels.emulated


def everything(format: str):
    """A dense problem with every feature, and gradients."""
    asked = make_problem(
        format, seqlen_q=130, seqlen_k=140, heads_q=4, mask=Mask(window=(90, 3), prefix=5)
    )
    random = np.random.default_rng(0)
    pairs = random.normal(size=(1, 4, 130, 140)).astype(np.float32)
    return asked.replace(
        dlse=random.normal(size=asked.shape_lse).astype(np.float32),
        bias=asked.format.round(pairs),
        slopes=random.random(4).astype(np.float32),
        sink=random.normal(size=4).astype(np.float32),
        softcap=8.0,
        dropout=Dropout(p=0.25, seed=3, offset=4),
    )


def packed(format: str):
    """Three sequences in one tensor, one of them empty."""
    one = make_problem(format, batch=1, seqlen_q=150, seqlen_k=150, mask=CAUSAL)
    ends = (0, 20, 20, 150)
    tensors = {name: getattr(one, name)[0] for name in ("q", "k", "v", "dout")}
    return replace(one, **tensors, cu_seqlens_q=ends, cu_seqlens_k=ends)


ASKED = {
    "everything": everything,
    "packed": packed,
    "strided": lambda format: laid_out(make_problem(format), "bnsd").replace(dout=None),
    "one-tensor": lambda format: laid_out(make_problem(format), "qkv").replace(dout=None),
    "no-keys": lambda format: make_problem(format, seqlen_k=0).replace(dout=None),
    "no-queries": lambda format: make_problem(format, seqlen_q=0).replace(dout=None),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("format", ["fp16", "bf16"])
def test_the_answer_has_the_bits_of_the_emulated_kernel(kernel, emulated, format, asked):
    problem = ASKED[asked](format)
    got, want = kernel(problem), emulated(problem)
    for (name, one), (_, other) in zip(got.tensors(), want.tensors(), strict=True):
        assert one.tobytes() == other.tobytes(), name


def test_the_library_knows_its_chip_this_chip_and_its_cores(kernel):
    assert library.built_for(kernel.library.library) == CHIP
    assert (kernel.name, kernel.options.cores) == (f"device[{CHIP}]", 5)


def test_nothing_stays_on_the_device(kernel):
    before = host_device().blocks()
    kernel(everything("fp16"))
    assert host_device().blocks() == before


def test_a_library_for_another_chip_launches_nothing_and_names_both(kernel):
    host_device().set_soc("Ascend910B4")
    with pytest.raises(
        binding.CheckFailed, match=f"^built for {CHIP}, and this chip is Ascend910B4: bash .* -arch"
    ):
        kernel(make_problem("fp16").replace(dout=None))


def test_what_the_runtime_refuses_names_the_kernel_the_reason_and_what_to_do(kernel):
    host_device().use_stream(2)
    try:
        with pytest.raises(
            binding.CheckFailed,
            match=r"^flash_forward_fp16: CANN refuses the launch with 107003: no such stream: "
            r"was its stream destroyed, .*ASCEND_LAUNCH_BLOCKING=1",
        ):
            kernel(make_problem("fp16").replace(dout=None))
    finally:
        host_device().use_stream(0)


def test_bad_arguments_are_refused_before_the_launch_as_everywhere(kernel):
    with pytest.raises(ValueError, match=r"^groups: 65 is not in"):
        replace(kernel, options=EmulatorOptions(cores=65))(make_problem("fp16").replace(dout=None))


def test_a_byte_written_beside_out_on_the_device_is_noticed(kernel):
    ready = kernel.prepare(make_problem("fp16").replace(dout=None))
    ready.launch()
    ready.forward.call.writes[0].block[-1:].fill_(1)
    with pytest.raises(binding.CheckFailed, match=r"^out: 1 bytes after it were written"):
        ready.result()


def test_an_input_that_was_written_on_the_device_is_noticed(kernel):
    ready = kernel.prepare(make_problem("fp16").replace(dout=None))
    ready.launch()
    ready.encoded.k[:1].fill_(0)
    with pytest.raises(binding.CheckFailed, match=r"^k: an input was written"):
        ready.result()


# --- Which kernel a name means ---


@pytest.fixture
def seen(monkeypatch):
    """What torch_npu is taken to see."""
    use_device(monkeypatch)
    monkeypatch.delenv("NPU_REQUIRE_DEVICE", raising=False)

    def see(**found: object) -> None:
        find.library.cache_clear()
        choose._on_device.cache_clear()
        monkeypatch.setattr(find, "probe", lambda: Probe(torch="2.13.0", **found))

    yield see
    see()


def test_a_device_with_a_library_is_taken_and_named(seen):
    seen(torch_npu="2.13.0", devices=1, soc=CHIP)
    assert npu_kernels.ascend.name == f"ascend[{CHIP}]"
    assert npu_kernels.device.name == f"device[{CHIP}]"
    assert npu_kernels.emulated.name == "emulated"
    assert len(npu_kernels.device.digest) == 64


def test_without_a_device_it_is_the_emulator_and_the_name_says_so(seen, monkeypatch):
    monkeypatch.setattr(choose, "_emulated", lambda name, options: f"{name}[emulated]")
    seen(torch_npu="2.13.0")
    assert npu_kernels.ascend == "ascend[emulated]"
    with pytest.raises(AttributeError, match=r"^device: no device: torch_npu: it sees none: "):
        npu_kernels.device  # noqa: B018


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, "torch_npu: it is not installed: python -m npu_kernels doctor"),
        ({"torch_npu": "2.13.0", "error": "ImportError: libhccl.so"}, "ImportError: libhccl.so: "),
    ],
)
def test_a_device_that_is_insisted_on_is_missed_with_the_reason(seen, monkeypatch, found, why):
    monkeypatch.setenv("NPU_REQUIRE_DEVICE", "1")
    seen(**found)
    with pytest.raises(AttributeError, match=f"NPU_REQUIRE_DEVICE is set, and no device: .*{why}"):
        npu_kernels.ascend  # noqa: B018


def test_a_wrong_chip_is_no_reason_to_emulate(seen):
    seen(torch_npu="2.13.0", devices=8, soc="Ascend910B4")
    host_device().set_soc("Ascend910B4")
    for name in ("ascend", "device"):
        with pytest.raises(
            AttributeError, match=f"was built for {CHIP}, and this chip is Ascend910B4"
        ):
            getattr(npu_kernels, name)


def test_without_a_library_torch_is_not_even_asked(tmp_path):
    ask = (
        "import sys; from npu_kernels.on_device import find, torch_probe;"
        "torch_probe.subprocess = None;"
        "print(find.is_here(), 'torch' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(ROOT), "NPU_BUILD_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False False\n", "")


def test_a_library_that_cannot_be_loaded_names_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("NPU_BUILD_DIR", str(tmp_path))
    library.path().parent.mkdir(parents=True)
    library.path().write_bytes(b"\x7fELF")
    with pytest.raises(build.Unavailable, match=r"libnpu_flash_attention.so: .*: source CANN's"):
        library.load()
