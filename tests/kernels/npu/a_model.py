"""What a model's call costs on an NPU: launches, and one copy to the device. Nothing else.

The device is made of the host: torch's allocator gives memory that the host cannot touch, and work
waits in a queue until somebody waits for it. Nothing here ran on an NPU.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import torch

from kernels.cann_on_host import CHIP, STREAMS, use_device
from npu_kernels.ascend_c import binding, choose
from npu_kernels.emulator.build import Unavailable
from npu_kernels.flash_attn import (
    FlashAttention,
    flash_attn_func,
    flash_attn_qkvpacked_func,
    flash_attn_varlen_func,
)
from npu_kernels.on_device import find
from npu_kernels.on_device.torch_probe import Probe


@pytest.fixture
def npu(monkeypatch):
    """The device, with nothing waiting on it."""
    choose.kernel("emulated")  # before its folder is another
    device = use_device(monkeypatch)
    monkeypatch.setattr(
        find, "probe", lambda: Probe(torch="2.13.0", torch_npu="2.13.0", devices=1, soc=CHIP)
    )
    find.library.cache_clear()
    choose._on_device.cache_clear()
    device.synchronize()
    device.reset()
    yield device
    device.use_stream(0)
    find.library.cache_clear()
    choose._on_device.cache_clear()


def tensors(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape).half() for shape in shapes]


DENSE = ((2, 150, 4, 24), (2, 150, 2, 24), (2, 150, 2, 16))
FLAT = ((170, 4, 24), (170, 2, 24), (170, 2, 16))
ENDS = [0, 17, 17, 170]
EVERYTHING: dict[str, Any] = {
    "window_size": (40, 9),
    "softcap": 8.0,
    "alibi_slopes": torch.rand(4),
    "sink": torch.randn(4),
    "dropout_p": 0.25,
    "stream": (3, 4),
}


def on(device: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in options.items()
    }


def gradients(call: Any, device: str, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """Out and the inputs' gradients, where `dout` is made on the host as everything is."""
    leaves = [one.to(device).detach().requires_grad_() for one in inputs]
    out = call(*leaves)
    (dout,) = tensors(tuple(out.shape))
    out.backward(dout.to(device))
    return [out.detach(), *(leaf.grad for leaf in leaves)]


CALLS = {
    "plain": (DENSE, lambda device, *x: flash_attn_func(*x, causal=True)),
    "everything": (DENSE, lambda device, *x: flash_attn_func(*x, **on(device, EVERYTHING))),
    "one tensor": (
        ((2, 150, 3, 4, 24),),
        lambda device, x: flash_attn_qkvpacked_func(x, causal=True),
    ),
    "packed": (FLAT, lambda device, *x: flash_attn_varlen_func(*x, ENDS, ENDS, causal=True)),
    "heads first": (
        tuple((b, h, s, d) for b, s, h, d in DENSE),
        lambda device, *x: flash_attn_func(*(one.transpose(1, 2) for one in x)),
    ),
    "smooth": (DENSE, lambda device, *x: FlashAttention(24, use_smooth_softmax=True)(*x)),
    "no keys": (
        ((2, 5, 4, 24), (2, 0, 2, 24), (2, 0, 2, 16)),
        lambda device, *x: flash_attn_func(*x),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_the_bits_of_the_emulated_kernel(npu, name):
    shapes, call = CALLS[name]
    inputs = tensors(*shapes)
    there = gradients(lambda *x: call("npu", *x), "npu", *inputs)
    here = gradients(lambda *x: call("cpu", *x), "cpu", *inputs)
    for one, other in zip(there, here, strict=True):
        assert torch.equal(one.cpu(), other)


# --- What a call costs ---


def cost(npu: Any, call: Any) -> Any:
    npu.reset()
    call()
    return npu.counts()


def leaves(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [one.to("npu").requires_grad_() for one in tensors(*shapes)]


def test_a_forward_is_one_copy_to_the_device_and_one_launch_and_no_wait(npu):
    inputs = leaves(*DENSE)
    assert cost(npu, lambda: flash_attn_func(*inputs, causal=True)) == (0, 1, 0, 1)


def test_a_backward_is_one_copy_to_the_device_and_three_launches_and_no_wait(npu):
    out = flash_attn_func(*leaves(*DENSE), causal=True)
    dout = tensors(tuple(out.shape))[0].to("npu")
    assert cost(npu, lambda: out.backward(dout)) == (0, 1, 0, 3)


def test_dropout_is_a_call_of_its_own_each_way(npu):
    inputs = leaves(*DENSE)
    options = on("npu", EVERYTHING)
    assert cost(npu, lambda: flash_attn_func(*inputs, **options)) == (0, 2, 0, 2)
    out = flash_attn_func(*inputs, **options)
    dout = tensors(tuple(out.shape))[0].to("npu")
    assert cost(npu, lambda: out.backward(dout)) == (0, 2, 0, 5)  # the mask, and dsink


def test_a_default_device_changes_nothing(npu):
    inputs = leaves(*DENSE)
    with torch.device("npu"):
        got = cost(npu, lambda: flash_attn_func(*inputs, dropout_p=0.5))
    assert got == (0, 2, 0, 2)


def test_a_layer_costs_what_its_function_costs(npu):
    inputs = leaves(*DENSE)
    assert cost(npu, lambda: FlashAttention(24, causal=True)(*inputs)) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    ("ends", "copies"),
    [
        (lambda: [ENDS, ENDS], 0),
        (lambda: [torch.tensor(ENDS, dtype=torch.int32)] * 2, 0),
        (lambda: [torch.tensor(ENDS, dtype=torch.int32).to("npu")] * 2, 1),
        (lambda: [torch.tensor(ENDS, dtype=torch.int32).to("npu") for _ in "qk"], 1),
    ],
    ids=["lists", "on the CPU", "one on the NPU", "two on the NPU"],
)
def test_offsets_on_the_device_cost_one_copy_and_one_wait_and_others_none(npu, ends, copies):
    inputs = leaves(*FLAT)
    offsets = ends()
    (dout,) = (one.to("npu") for one in tensors((170, 4, 16)))
    got = cost(npu, lambda: flash_attn_varlen_func(*inputs, *offsets).backward(dout))
    assert (got.copies_to_host, got.waits, got.launches) == (copies, copies, 4)


EXPANDED = {
    "one value": lambda: torch.ones(()).half().to("npu").expand(2, 150, 4, 16),
    "one row": lambda: torch.ones(1, 1, 1, 16).half().to("npu").expand(2, 150, 4, 16),
    "columns first": lambda: tensors((2, 16, 4, 150))[0].to("npu").transpose(1, 3),
}


@pytest.mark.parametrize("dout", EXPANDED.values(), ids=EXPANDED)
def test_a_gradient_of_any_strides_is_made_contiguous_on_the_device(npu, dout):
    inputs = leaves(*DENSE)
    given = dout()
    out = flash_attn_func(*inputs)
    assert cost(npu, lambda: out.backward(given))[:1] == (0,)
    dq = [one.grad.cpu() for one in inputs]
    again = leaves(*DENSE)
    flash_attn_func(*again).backward(given.cpu().contiguous().to("npu"))
    assert all(torch.equal(a, b.grad.cpu()) for a, b in zip(dq, again, strict=True))


def test_nothing_is_used_after_torch_has_it_back(npu):
    before = npu.blocks()
    inputs = leaves(*DENSE)
    out = flash_attn_func(*inputs, **on("npu", EVERYTHING))
    want = flash_attn_func(*(one.detach().cpu() for one in inputs), **EVERYTHING)
    del inputs
    assert torch.equal(out.detach().cpu(), want)
    del out
    assert npu.blocks() == before


def test_a_host_that_touches_a_tensor_of_the_device_dies():
    """The memory of these tests does what they say."""
    touch = (
        "import ctypes, torch; from kernels.cann_on_host import host_device; host_device();"
        "ctypes.string_at(torch.ones(4).to('npu').data_ptr(), 1)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", touch], env=environment, check=False)
    assert done.returncode == -signal.SIGSEGV


# --- Streams and errors ---


def test_a_call_goes_to_the_current_stream_and_its_backward_to_the_same(npu):
    inputs = leaves(*DENSE)
    npu.use_stream(1)
    out = flash_attn_func(*inputs)
    assert npu.last_stream() == STREAMS[1]
    npu.use_stream(0)
    dout = tensors(tuple(out.shape))[0].to("npu")
    assert npu.last_stream() == STREAMS[0]
    out.backward(dout)
    assert npu.last_stream() == STREAMS[1]


def test_a_call_waits_for_its_end_where_torch_npu_does_and_names_itself(npu, monkeypatch):
    monkeypatch.setenv("ASCEND_LAUNCH_BLOCKING", "1")
    inputs = leaves(*DENSE)
    assert cost(npu, lambda: flash_attn_func(*inputs)) == (0, 1, 1, 1)
    npu.fail_next()
    with pytest.raises(RuntimeError, match=r"^npu_flash_forward failed on the device: 507015"):
        flash_attn_func(*inputs)


def test_a_destroyed_stream_is_named_with_what_to_do(npu):
    inputs = leaves(*DENSE)
    npu.use_stream(2)
    with pytest.raises(binding.CheckFailed, match=r"^flash_forward_fp16: .*was its stream destr"):
        flash_attn_func(*inputs)


def test_no_room_for_the_workspace_names_its_size_and_what_to_do(npu):
    inputs = leaves(*DENSE)
    npu.set_room(100_000)
    try:
        with pytest.raises(
            torch.OutOfMemoryError,
            match=r"^npu_flash_forward: no room for \d+ MiB of workspace on npu:0: give fewer",
        ):
            flash_attn_func(*inputs)
    finally:
        npu.set_room(1 << 40)


def test_tensors_of_an_npu_without_a_library_are_refused_with_how_to_build_it(
    npu, monkeypatch, tmp_path
):
    inputs = leaves(*DENSE)
    monkeypatch.setenv("NPU_BUILD_DIR", str(tmp_path))
    with pytest.raises(Unavailable, match=r"^there is no .*\.so: bash .*build.sh -arch SOC"):
        flash_attn_func(*inputs)


def test_a_library_for_another_chip_is_refused_with_both_chips(npu):
    inputs = leaves(*DENSE)
    npu.set_soc("Ascend910B4")
    with pytest.raises(Unavailable, match=f"was built for {CHIP}, and this chip is Ascend910B4"):
        flash_attn_func(*inputs)
