"""Structs that the library refuses by the name of what is wrong, and some that it takes."""

from __future__ import annotations

import ctypes

from npu_kernels.ascend_c.structs import UNBOUNDED


class Altered:
    """A library that is given another struct than Python makes."""

    def __init__(self, library, change):
        self.library, self.change = library, change

    def __getattr__(self, name):
        """What is not changed is the library's."""
        return getattr(self.library, name)

    def npu_flash_forward(self, pointer):
        """As the library's, after the change."""
        self.change(pointer._obj)
        return self.library.npu_flash_forward(pointer)


def problem(**changes: object):
    """Changes fields of the problem; `q__bytes` is the field `bytes` of q."""

    def change(forward):
        for name, value in changes.items():
            *path, field = name.split("__")
            target = forward.problem
            for step in path:
                target = getattr(target, step)
            setattr(target, field, value)

    return change


def offsets(*values: int) -> ctypes.Array:
    return (ctypes.c_int64 * len(values))(*values)


# Of `everything` packed: 4 sequences, 4 and 2 heads, lengths (130, 0, 1, 40) and (290, 5, 0, 129).
GOES_BACK = offsets(0, 130, 120, 131, 171)
TOO_LONG = offsets(0, 131, 131, 132, 171)
LATE = offsets(1, 130, 130, 131, 171)
BEYOND = offsets(0, 290, 295, 295, 500)
NEGATIVE = offsets(0, 0, -3, 0)
ENDLESS = offsets(*[UNBOUNDED] * 4)
FAR = 1 << 62

SHAPES = {
    "batch: -1 is negative": problem(batch=-1),
    "batch: times heads_q is above": problem(batch=1 << 30, heads_q=1 << 30),
    "seqlen_k: -5 is negative": problem(seqlen_k=-5),
    "heads_k: 3 does not divide heads_q 4": problem(heads_k=3),
    "head_dim_v: 0 is not positive": problem(head_dim_v=0),
    "head_dim_v: 257 is above 256": problem(head_dim_v=257),
    "format: 2 is neither": problem(format=2),
    "anchor: 2 is neither": problem(anchor=2),
    "scale: must be finite": problem(scale=float("nan")),
    "softcap: -1.0* must be positive": problem(softcap=-1.0),
    "softcap: inf must be positive": problem(softcap=float("inf")),
    "softcap: is too small for scale 0.3": problem(softcap=1e-45),
    "softcap: nan must be positive": problem(softcap=float("nan")),
    "keep_prob: 0.0* is not in \\(0, 1\\]": problem(keep_prob=0.0),
    "keep_prob: 1.5": problem(keep_prob=1.5),
    "dropout: bits are given, while keep_prob is 1": problem(keep_prob=1.0),
    "dropout: null pointer": problem(dropout__data=None),
}
SEQUENCES = {
    "cu_seqlens_k: null pointer, while the other": problem(cu_seqlens_k=None),
    "cu_seqlens_q: goes back at 2": problem(cu_seqlens_q=ctypes.addressof(GOES_BACK)),
    "cu_seqlens_q: sequence 0 has 131 rows": problem(cu_seqlens_q=ctypes.addressof(TOO_LONG)),
    "cu_seqlens_q: begins at 1": problem(cu_seqlens_q=ctypes.addressof(LATE)),
    "k: of \\d+ B is too small": problem(cu_seqlens_k=ctypes.addressof(BEYOND)),
    "prefix: -3 of sequence 2 is negative": problem(prefix=ctypes.addressof(NEGATIVE)),
    "q: stride_batch is 8, must be 0": problem(q__stride_batch=8),
}
TENSORS = {
    "q: null pointer": problem(q__data=None),
    "q: stride_head is negative": problem(q__stride_head=-32),
    "v: bytes is negative": problem(v__bytes=-2),
    "v: of \\d+ B is too small": problem(v__stride_seqlen=FAR),
    "bias: of \\d+ B is too small for": problem(bias__bytes=1000),
    "bias: stride_batch is negative": problem(bias__stride_batch=-1),
    "bias: of 9\\d+ B is too small": problem(bias__bytes=UNBOUNDED, bias__stride_head=FAR),
    "bias: stride_k is 2, must be 0 or 1": problem(bias__stride_k=2),
    "bias: stride_q 289 makes rows overlap": problem(bias__stride_q=289),
    "keep: of \\d+ B is too small": problem(keep__bytes=2047),
    "keep: stride_head is negative": problem(keep__stride_head=-1),
    "keep: bytes is negative": problem(keep__bytes=-1),
    "keep: of 9\\d+ B is too small": problem(keep__bytes=UNBOUNDED, keep__stride_row=FAR),
    "dropout: of \\d+ B is too small": problem(dropout__bytes=2048 * 27),
    "slopes: stride_batch is 3, must be 0 or heads_q 4": problem(slopes_stride_batch=3),
}


def give(name: str, value: object):
    return lambda f: setattr(f, name, value)


RESULTS = {
    "lse: null pointer": give("lse", None),
    "workspace: null pointer": lambda f: setattr(f.launch, "workspace", None),
    "workspace: 31 B, needs \\d+ B": lambda f: setattr(f.launch, "workspace_bytes", 31),
    "groups: 0 is not in": lambda f: setattr(f.launch, "groups", 0),
    "groups: 65 is not in": lambda f: setattr(f.launch, "groups", 65),
    "mmad_order: 3 is not one": lambda f: setattr(f.launch.emulation, "mmad_order", 3),
    "out: overlaps k": lambda f: setattr(f.out, "data", f.problem.k.data),
    "out: overlaps keep": lambda f: setattr(f.out, "data", f.problem.keep.data),
    "softmax_sum: overlaps slopes": lambda f: setattr(f, "softmax_sum", f.problem.slopes),
    "lse: overlaps out": lambda f: setattr(f, "lse", f.out.data + 8),
    "out: its strides make rows overlap": lambda f: setattr(f.out, "stride_seqlen", 0),
    "out: of \\d+ B is too small": lambda f: setattr(f.out, "stride_head", FAR),
}
REFUSED = SHAPES | SEQUENCES | TENSORS | RESULTS
LEGAL = {
    "sides-at-the-end": problem(window_left=-UNBOUNDED, window_right=UNBOUNDED),
    "nothing-seen": problem(window_left=-UNBOUNDED - 1, window_right=-UNBOUNDED - 1),
    "prefix-at-the-end": problem(prefix=ctypes.addressof(ENDLESS)),
}
