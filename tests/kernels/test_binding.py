"""What Python passes is what C++ receives, and what C++ does beside its task is noticed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from conformance.cases.patterns import LAYOUTS
from npu_kernels.ascend_c import binding, forward, loading, tile_bits
from npu_kernels.ascend_c.bits16 import encode
from npu_kernels.ascend_c.encoded import EncodedProblem
from npu_kernels.ascend_c.structs import layout
from npu_kernels.emulator import build
from npu_kernels.emulator.options import EmulatorOptions
from reference.formats import BF16, FP16

ECHO = Path(__file__).parent / "echo_library.cpp"
STRUCTS = build.FLASH_ATTENTION / "host/structs.cpp"
FIELD = r"(\w+)(?:\[\d+\])?;"


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """The compiled library."""
    folder = tmp_path_factory.mktemp("echo")
    shutil.copy(ECHO, folder)
    shutil.copy(STRUCTS, folder)
    return compiled(folder)


def compiled(kernel: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPU_BUILD_DIR", str(kernel / "built"))
        return build.library(kernel=kernel, emulator=kernel / "none", options=build.STRICT)


def numbers(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape, dtype=int)) % 97).astype(np.float32).reshape(shape)


def ask(echo, *, options: EmulatorOptions | None = None, **changes):
    shapes = {"q": (2, 3, 4, 4), "k": (2, 5, 2, 4), "v": (2, 5, 2, 4)}
    tensors = {name: encode(numbers(*shape), FP16) for name, shape in shapes.items()}
    encoded = EncodedProblem(**{**tensors, "format": FP16, "scale": 0.25, **changes})
    return forward.flash_forward(loading.load(echo), encoded, options=options or EmulatorOptions())


def numbers_in(launch: forward.ForwardAnswer) -> dict[str, list[float]]:
    words = [remark.split("=") for remark in launch.remarks]
    return {name: [float(v) for key, v in words if key == name] for name, _ in words}


def received(launch: forward.ForwardAnswer, *names: str) -> list[float]:
    return [value for name in names for value in numbers_in(launch)[name]]


def test_sizes_and_knobs_arrive(echo):
    options = EmulatorOptions(
        **{"auto_sync": True, "keeps_inf_nan": True, "truncates": True, "random_padding": True},
        **{"mmad": "exact", "exp": 4, "ln": 5, "cores": 7, "seed": 9, "fast": True},
    )
    v = encode(numbers(2, 5, 2, 3), FP16)
    launch = ask(echo, v=v, options=options)
    sizes = ("batch", "heads_q", "heads_k", "seqlen_q", "seqlen_k", "head_dim", "head_dim_v")
    assert received(launch, *sizes) == [2, 4, 2, 3, 5, 4, 3]
    turned = ("groups", "checked", "auto", "keeps", "mmad", "exp", "seed", "threads")
    assert received(launch, *turned) == [7, 0, 1, 1, 2, 4, 9, 1]
    assert received(launch, "workspace", "stream", "reserved") == [40, 0, 0]
    assert received(ask(echo), *turned) == [24, 1, 0, 0, 0, 0, 0, 1]


def test_every_number_of_a_question_arrives(echo):
    launch = ask(
        echo,
        format=BF16,
        scale=0.5,
        window=(-3, 10**30),
        anchor="top-left",
        prefix=np.array([3, 0]),
        softcap=2.5,
        sink=np.arange(4, dtype=np.float32),
        slopes=np.arange(8, dtype=np.float32).reshape(2, 4),
        keep_prob=0.75,
    )
    assert received(launch, "left", "right", "anchor", "format") == [-3, 2**62, 1, 1]
    assert received(launch, "prefix", "scale", "softcap") == [3, 0, 0.5, 2.5]
    assert received(launch, "sink", "slope", "slopes_stride_batch") == [0, 1, 2, 3, 7, 4]
    assert received(launch, "keep_prob") == [0.75]


def test_what_is_not_asked_is_told_so(echo):
    launch = ask(echo)
    assert received(launch, "left", "right") == [float(2**63 - 1)] * 2
    assert received(launch, "anchor", "format", "softcap", "keep_prob") == [0, 0, 0, 1]
    assert {"prefix", "sink", "slope"}.isdisjoint(numbers_in(launch))


def test_slopes_of_heads_alone_are_repeated(echo):
    launch = ask(echo, slopes=np.arange(4, dtype=np.float32))
    assert received(launch, "slope", "slopes_stride_batch") == [3, 0]


def test_counters_come_back(echo):
    launch = ask(echo)
    counted = launch.counters[0]
    assert (counted.group, counted.core, len(launch.counters)) == (3, "AIV1", 1)
    assert (counted.instructions["V"], counted.repeats["M"], counted.macs["FIX"]) == (2, 5, 6)
    assert (counted.waits["S"], counted.bytes["L1 to L0B"]) == (7, 9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_element_is_found_in_every_layout(echo, layout):
    shapes = {"q": (2, 5, 4, 6), "k": (2, 5, 4, 6), "v": (2, 5, 4, 6)}
    laid = LAYOUTS[layout]({name: numbers(*shape) for name, shape in shapes.items()})
    bits = {name: encode(laid[name], FP16) for name in "qkv"}
    launch = ask(echo, **bits)
    assert np.array_equal(launch.out, bits["q"])
    rows = {name: bits[name].astype(np.float32).sum(-1).swapaxes(1, 2) for name in "kv"}
    assert np.array_equal(launch.lse, rows["k"])
    assert np.array_equal(launch.softmax_max, rows["v"])


def test_only_the_bytes_of_a_tensor_are_shown(echo):
    whole = encode(numbers(2, 9, 4, 8), FP16)
    launch = ask(echo, q=whole[:, :3, :, :4])
    used = 2 * (1 + 9 * 4 * 8 + 2 * 4 * 8 + 3 * 8 + 3)  # to the last element of q
    assert launch.softmax_sum[0, 0, 0] == used + 2 * 2 * (2 * 5 * 2 * 4)


def test_packed_rows_are_found(echo):
    tensors = {name: encode(numbers(6, 2, 4), FP16) for name in "qkv"}
    packed = {name: np.array([0, 2, 2, 6]) for name in ("cu_seqlens_q", "cu_seqlens_k")}
    launch = ask(echo, **tensors, **packed)
    assert np.array_equal(launch.out, tensors["q"])
    assert np.array_equal(launch.lse, tensors["k"].astype(np.float32).sum(-1).T)
    assert received(launch, "batch", "seqlen_q", "seqlen_k") == [3, 4, 4]


@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (1, 4, 1, 5), (2, 1, 3, 1), (1, 1, 1, 1)])
def test_every_bias_is_found_in_every_broadcast(echo, shape):
    bias = encode(numbers(*shape), FP16)
    rows = np.broadcast_to(bias, (2, 4, 3, 5)).astype(np.float32).sum(-1)
    assert np.array_equal(ask(echo, bias=bias).lse, rows)


def decisions(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape) < 0.5


@pytest.mark.parametrize(("batch", "heads"), [(2, 4), (1, 4), (2, 1), (1, 1)])
def test_every_kept_pair_is_found(echo, batch, heads):
    q, k = (encode(numbers(2, n, 4, 4), FP16) for n in (140, 300))
    keep = decisions(batch, heads, 140, 300)
    launch = ask(echo, q=q, k=k, v=k, keep=tile_bits.of_pairs(keep))
    assert np.array_equal(
        launch.softmax_max, np.broadcast_to(keep, (2, 4, 140, 300)).sum(-1).astype(np.float32)
    )


def test_every_decision_of_dropout_is_found_in_packed_sequences(echo):
    lengths = [(130, 1), (0, 9), (2, 300)]
    q, k = (encode(numbers(sum(side), 2, 4), FP16) for side in zip(*lengths, strict=True))
    heads = [decisions(*length) for length in lengths for _ in range(2)]
    launch = ask(
        echo,
        **{"q": q, "k": k, "v": k, "dropout": tile_bits.of_heads(heads), "keep_prob": 0.5},
        cu_seqlens_q=np.array([0, 130, 130, 132]),
        cu_seqlens_k=np.array([0, 1, 10, 310]),
    )
    counts = [np.concatenate([keep.sum(-1) for keep in heads[head::2]]) for head in range(2)]
    assert np.array_equal(launch.softmax_sum, np.array(counts, np.float32))


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError, 1), (binding.Declined, 2), (binding.CheckFailed, 3), (binding.CheckFailed, 99)],
)
def test_an_error_code_becomes_an_exception_with_the_text(echo, error, code):
    with pytest.raises(error, match=f"^scale: -{code}$"):
        ask(echo, scale=-float(code))


MISDEEDS = {
    101: "out: 2 bytes before it were written, the nearest 1 B away",
    102: "lse: 4 bytes after it were written, the nearest 1 B away",
    103: "workspace: 1 bytes after it were written, the nearest 10 B away",
    104: "k: an input was written",
}


@pytest.mark.parametrize("scale", MISDEEDS)
def test_a_library_that_writes_beside_its_memory_is_found_out(echo, scale):
    with pytest.raises(binding.CheckFailed, match=f"^{MISDEEDS[scale]}$"):
        ask(echo, scale=float(scale))


EXCHANGED = {
    ("NpuTensor dq;", "NpuTensor dk;"): "NpuBackward.dq is 40 bytes from byte",
    ("int64_t window_left;", "int64_t window_right;"): "NpuProblem.window_left is 8 bytes from",
    ("uint64_t waits[7];", "uint64_t macs[7];"): "NpuCounters.macs is 56 bytes from",
}
"""Two fields of one size that change places in abi.h, and what is reported."""


@pytest.mark.parametrize("pair", EXCHANGED, ids=lambda pair: pair[0].split()[1])
def test_a_library_whose_fields_are_exchanged_is_refused_and_the_first_of_them_named(
    tmp_path, pair
):
    one, other = pair
    abi = (build.PACKAGE / "abi.h").read_text()
    abi = abi.replace(one, "@").replace(other, one).replace("@", other)
    (tmp_path / "abi.h").write_text(abi)
    shutil.copy(STRUCTS, tmp_path)
    with pytest.raises(loading.Mismatch, match=re.escape(EXCHANGED[pair])):
        loading.load(compiled(tmp_path))


def test_a_library_that_does_not_tell_its_structs_is_refused(tmp_path):
    (tmp_path / "empty.cpp").write_text("")
    with pytest.raises(loading.Mismatch, match="does not tell its structs by npu_structs: make"):
        loading.load(compiled(tmp_path))


def test_the_library_names_every_field_of_abi_h():
    """So that none is left out of the comparison."""
    abi = re.sub(r"//.*", "", (build.PACKAGE / "abi.h").read_text())
    structs = re.findall(r"typedef struct (\w+) \{(.*?)\} \w+;", abi, re.DOTALL)
    fields = {f"{name}.{one}" for name, body in structs for one in re.findall(FIELD, body)}
    assert fields == {name for name in layout() if "." in name} != set()
