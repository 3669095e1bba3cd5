"""Broken kernels for conformance.cases.faults.misread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import faults.host_kernel as host
from faults.host_kernel import F32, Host, Tile
from faults.misreading import four, round_up, takes, takes_head, takes_mask
from faults.softmax import hide_as, sum_in_tile
from reference.formats import FP32, Array
from reference.problem import Problem
from reference.problem.head import Head


def _without_cut_tile(head: Head, rows: range, block: int) -> list[range]:
    right = head.mask.right
    every = host.key_tiles(head, rows, block)
    return [keys for keys in every if right is None or keys.stop <= rows.stop + right]


def _visible_off_diagonal(tile: Tile) -> Array:
    seen = host.visible(tile)
    if tile.rows.start != tile.keys.start:
        seen[:, : len(tile.keys)] = True
    return seen


def _takes_edges(*, left: int = 0, right: int = 0) -> Host:
    """A kernel whose window reaches further to the left or to the right."""

    def moved(edge: int | None, by: int) -> int | None:
        return None if edge is None else edge + by

    return takes_head(
        lambda head, problem: replace(
            head,
            mask=replace(
                head.mask, left=moved(head.mask.left, -left), right=moved(head.mask.right, right)
            ),
        )
    )


def _keep_past_512(problem: Problem) -> Array:
    keep = problem.mask.keep.copy()
    keep[..., 512:] = True
    return keep


def _keep_transposed(problem: Problem) -> Array:
    keep = np.broadcast_to(four(problem.mask.keep), problem.shape_scores)
    swapped = (*keep.shape[:2], keep.shape[3], keep.shape[2])
    return np.ascontiguousarray(keep).reshape(swapped).swapaxes(-1, -2)


def _padded_scale(problem: Problem) -> float:
    return float(round_up(problem.head_dim, 16) ** -0.5)


def _cap_times_score(tile: Tile, s: Array) -> tuple[Array, Array]:
    if tile.head.softcap is None:
        return host.cap(tile, s)
    t = np.tanh(s / F32(tile.head.softcap))
    return s * t, t + s * (1 - t * t) / F32(tile.head.softcap)


def _bias_of_key_head(problem: Problem) -> Array:
    bias = four(problem.bias)
    return bias.take(np.arange(bias.shape[1]) // problem.group, axis=1)


def _sink_again(tile: Tile, total: Array, fade: Array, p: Array, z: Array, m: Array) -> Array:
    return host.add_sum(tile, total, fade, p, z, m) + np.exp(F32(tile.head.sink) - m)


def _sinkless_lse(head: Head, acc: Array, total: Array, m: Array) -> tuple[Array, Array]:
    out, _ = host.finish(head, acc, total, m)
    return out, (m + np.log(total - np.exp(F32(head.sink) - m)))[:, 0]


def _takes_dropout(**changes: Any) -> Host:
    """A kernel that counts a head's elements differently; functions are called with the head."""

    def change(head: Head, problem: Problem) -> Head:
        fields = {name: f(head) for name, f in changes.items()}
        return replace(head, dropout=replace(head.dropout, **fields))

    return takes_head(change)


def _drop_in_tile(tile: Tile) -> Array:
    rows, keys = range(len(tile.rows)), range(len(tile.keys))
    return host.drop(replace(tile, rows=rows, keys=keys))


def _from_the_top(problem: Problem) -> Any:
    bits = np.unpackbits(problem.dropout.bits, bitorder="big")
    return replace(problem.dropout, bits=np.packbits(bits, bitorder="little"))


ASKED = {
    "causal-top-left": takes_mask(anchor="top-left"),
    "causal-bottom-right": takes_mask(anchor="bottom-right"),
    "causal-ignored": takes_mask(window=(None, None)),
    "tile-on-diagonal-dropped": Host(key_tiles=_without_cut_tile),
    "cut-tile-taken-whole": Host(visible=_visible_off_diagonal),
    "window-left-one-short": _takes_edges(left=-1),
    "window-left-one-long": _takes_edges(left=1),
    "window-right-one-long": _takes_edges(right=1),
    "window-left-ignored": takes_mask(window=lambda problem: (None, problem.mask.window[1])),
    "prefix-ignored": takes_mask(prefix=None),
    "keep-ignored": takes_mask(keep=None),
    "keep-ignored-past-512": takes_mask(keep=_keep_past_512),
    "keep-transposed": takes_mask(keep=_keep_transposed),
    "keep-of-first-head": takes_mask(keep=lambda problem: four(problem.mask.keep)[:, :1]),
    "keep-of-first-sequence": takes_mask(keep=lambda problem: four(problem.mask.keep)[:1]),
    "hidden-is-minus-1e4": Host(hide=lambda tile, x, seen: hide_as(-1e4, tile, x, seen)),
    "hidden-is-smallest-positive": Host(
        hide=lambda tile, x, seen: hide_as(np.finfo(F32).tiny, tile, x, seen)
    ),
    "scale-ignored": takes(scale=lambda problem: float(problem.head_dim**-0.5)),
    "scale-of-padded-head-dim": takes(scale=_padded_scale),
    "softcap-ignored": takes(softcap=lambda problem: None),
    "softcap-times-score": Host(cap=_cap_times_score),
    "softcap-after-bias": Host(
        cap=lambda tile, s: host.cap(tile, host.add_bias(tile, s)), add_bias=lambda tile, x: x
    ),
    "bias-before-scale": takes_head(
        lambda head, problem: replace(head, bias=head.bias * F32(head.scale))
    ),
    "bias-of-first-row": takes_head(
        lambda head, problem: replace(head, bias=np.broadcast_to(head.bias[:1], head.bias.shape))
    ),
    "bias-of-key-head": takes(bias=_bias_of_key_head),
    "alibi-sign": takes(slopes=lambda problem: -problem.slopes),
    "alibi-top-left": takes_head(lambda head, problem: replace(head, shift=0)),
    "alibi-heads-reversed": takes(slopes=lambda problem: problem.slopes[..., ::-1]),
    "sink-ignored": takes(sink=lambda problem: None),
    "sink-scaled": takes(sink=lambda problem: FP32.round(problem.sink * problem.scale)),
    "sink-in-each-tile": Host(add_sum=_sink_again),
    "sink-missing-from-lse": Host(finish=_sinkless_lse),
    "dropout-ignored": takes(dropout=lambda problem: None),
    "dropout-unscaled": Host(drop=lambda tile: (host.drop(tile) > 0).astype(F32)),
    "dropout-before-sum": Host(
        add_sum=lambda tile, total, fade, p, z, m: total * fade + sum_in_tile(p * (z > 0))
    ),
    "dropout-offset-ignored": takes(dropout=lambda problem: replace(problem.dropout, offset=0)),
    "dropout-repeats-per-tile": Host(drop=_drop_in_tile),
    "dropout-repeats-per-head": _takes_dropout(first=lambda head: 0),
    "dropout-row-padded": _takes_dropout(seqlen_k=lambda head: round_up(head.seqlen_k, 16)),
    "dropout-bits-from-the-top": takes(dropout=_from_the_top),
}
