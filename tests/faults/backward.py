"""Broken kernels for conformance.cases.faults.backward: the forward pass of each is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import faults.host_kernel as host
from faults.host_kernel import F32, Host, Tile
from faults.layout import rows_lost, visible_with_fill
from faults.misreading import only_backward, takes
from reference.formats import Array
from reference.mask import Mask
from reference.problem import Problem, Result
from reference.problem.head import Head


def _no_delta(head: Head, out: Array) -> Array:
    return host.delta_of(head, np.zeros_like(out))


def _next_delta(head: Head, out: Array) -> Array:
    return np.roll(host.delta_of(head, out), 1)


def _delta_of_key_width(head: Head, out: Array) -> Array:
    width = head.q.shape[1]
    return host.delta_of(replace(head, dout=head.dout[:, :width]), out[:, :width])


def _first_statistics(rows: range, lse: Array, delta: Array) -> tuple[Array, Array]:
    return host.statistics(range(len(rows)), lse, delta)


def _unnormalised(x: Array, lse: Array) -> Array:
    return host.weigh(x, x.max(axis=1, keepdims=True))


def _overwrite_rows(dq: Array, rows: range, part: Array) -> None:
    dq[rows.start : rows.stop] = part


def _fill_unseen(result: Result, problem: Problem) -> Result:
    unseen = ~(result.dk.any(axis=-1) | result.dv.any(axis=-1))
    grads = {name: getattr(result, name).copy() for name in ("dk", "dv")}
    for tensor in grads.values():
        tensor[unseen] = 1
    return replace(result, **grads)


def _first_of_group(whole: Array, head: Head, part: Array) -> None:
    if not whole[head.at_k].any():
        host.add_group(whole, head, part)


def _causal_window(problem: Problem) -> Mask:
    return replace(problem.mask, window=(problem.mask.window[0], 0))


def _uncapped_slope(tile: Tile, s: Array) -> tuple[Array, Array]:
    return host.cap(tile, s)[0], np.ones_like(s)


def _overwrite_dbias(dbias: Array, tile: Tile, dx: Array) -> None:
    part = np.zeros_like(dbias)
    host.add_dbias(part, tile, dx)
    np.copyto(dbias, part, where=part != 0)


def _scaled_dbias(dbias: Array, tile: Tile, dx: Array) -> None:
    host.add_dbias(dbias, tile, dx * F32(tile.head.scale))


def _next_offset(problem: Problem) -> object:
    return replace(problem.dropout, offset=problem.dropout.offset ^ 1)


BACKWARD = {
    "dk-without-scale": Host(scale_of_dk=lambda head: F32(1)),
    "dq-scaled-twice": Host(scale_of_dq=lambda head: F32(head.scale**2)),
    "delta-missing": Host(delta_of=_no_delta),
    "delta-of-next-row": Host(delta_of=_next_delta),
    "delta-of-key-width": Host(delta_of=_delta_of_key_width),
    "statistics-of-first-tile": Host(statistics=_first_statistics),
    "dlse-ignored": only_backward(takes(dlse=lambda problem: None)),
    "dv-from-unnormalised-weights": only_backward(Host(weigh=_unnormalised)),
    "dq-of-last-tile": Host(add_rows=_overwrite_rows),
    "dq-tail-not-written": rows_lost("dq"),
    "dk-of-unseen-keys-not-cleared": Host(answer=_fill_unseen),
    "dk-of-first-query-head": Host(add_group=_first_of_group),
    "backward-ignores-mask": only_backward(takes(mask=lambda problem: Mask())),
    "backward-always-causal": only_backward(takes(mask=_causal_window)),
    "backward-key-tail-not-hidden": only_backward(Host(visible=visible_with_fill)),
    "dp-in-format": Host(
        product_dp=lambda tile, dout, v: tile.format.round(host.product_dp(tile, dout, v))
    ),
    "softcap-gradient-missing": only_backward(Host(cap=_uncapped_slope)),
    "dbias-of-last-pair": Host(add_dbias=_overwrite_dbias),
    "dbias-scaled": Host(add_dbias=_scaled_dbias),
    "dsink-missing": Host(dsink_of=lambda head, lse, delta: F32(0)),
    "dsink-sign": Host(dsink_of=lambda head, lse, delta: -host.dsink_of(head, lse, delta)),
    "dropout-differs-in-backward": only_backward(takes(dropout=_next_offset)),
    "dropout-missing-in-dp": Host(gradient=lambda p, z, dp, delta: p * (dp - delta)),
}
