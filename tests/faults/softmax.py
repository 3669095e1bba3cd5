"""Broken kernels for conformance.cases.faults.softmax."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import faults.host_kernel as host
from faults.host_kernel import F32, NONE, Host, Tile
from faults.misreading import only_forward
from reference.formats import Array, Format
from reference.problem import Problem, Result


def sum_in_tile(p: Array) -> Array:
    """What one tile adds to the row sum."""
    return p.sum(axis=1, keepdims=True)


def _max_of_first(m: Array, x: Array) -> Array:
    return np.where(m == NONE, x.max(axis=1, keepdims=True), m)


def hide_as(value: float, tile: Tile, x: Array, seen: Array) -> Array:
    """Other scores for hidden pairs; the fill past the last key is hidden well."""
    x = np.where(seen, x, F32(value))
    x[:, len(tile.keys) :] = NONE
    return x


def _tile_before(tensor: Array, keys: range, block: int) -> Array:
    start = max(keys.start - block, 0)
    return host.load(tensor, range(start, start + len(keys)), block)


def _with_lse(change) -> Host:
    """A kernel that is right but for what it says of lse."""

    def answer(result: Result, problem: Problem) -> Result:
        return replace(result, lse=change(result.lse, problem))

    return Host(answer=answer)


def _lse_of_key_head(lse: Array, problem: Problem) -> Array:
    heads = np.arange(problem.heads_q)
    return lse.take(heads - heads % problem.group, axis=-2)


def _crude_exp(x: Array, m: Array) -> Array:
    t = (x - np.where(m == NONE, F32(0), m)) * F32(np.log2(np.e))
    whole = np.floor(np.where(t == NONE, F32(0), t))
    rest = np.where(t == NONE, F32(0), t) - whole
    quadratic = F32(1) + rest * (F32(0.6565) + F32(0.3435) * rest)
    return np.where(t == NONE, F32(0), np.exp2(whole) * quadratic)


def _truncate(x: Array, format: Format) -> Array:
    _, exponent = np.frexp(np.asarray(x, np.float64))
    quantum = np.ldexp(1.0, np.maximum(exponent, format.min_exponent + 1) - format.precision)
    return format.round(np.trunc(x / quantum) * quantum)


def _cut_to_11_bits(x: Array) -> Array:
    return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(F32)


SOFTMAX = {
    "accumulator-not-rescaled": Host(add_values=lambda tile, acc, fade, pz, v: acc + pz @ v),
    "sum-not-rescaled": Host(add_sum=lambda tile, total, fade, p, z, m: total + sum_in_tile(p)),
    "sum-of-last-tile": Host(add_sum=lambda tile, total, fade, p, z, m: sum_in_tile(p)),
    "max-starts-at-zero": Host(first_max=lambda head: 0.0),
    "max-starts-at-minus-5e4": Host(first_max=lambda head: -5e4),
    "max-of-first-tile": Host(raise_max=_max_of_first),
    "max-of-tile-only": Host(
        raise_max=lambda m, x: x.max(axis=1, keepdims=True),
        add_sum=lambda tile, total, fade, p, z, m: total + sum_in_tile(p),
        add_values=lambda tile, acc, fade, pz, v: acc + pz @ v,
    ),
    "hidden-tile-gives-nan": Host(weigh=lambda x, m: np.exp(x - m)),
    "dead-row-nan": Host(
        finish=lambda head, acc, total, m: (acc / total, host.finish(head, acc, total, m)[1])
    ),
    "dead-row-averages-values": Host(
        hide=lambda tile, x, seen: hide_as(np.finfo(F32).min, tile, x, seen),
        key_tiles=lambda head, rows, block: host.tiles(head.seqlen_k, block),
    ),
    "stale-value-tile": only_forward(Host(load_v=_tile_before)),
    "lse-base-2": _with_lse(lambda lse, problem: lse / F32(np.log(2))),
    "lse-without-max": Host(
        finish=lambda head, acc, total, m: (
            host.finish(head, acc, total, m)[0],
            np.log(total)[:, 0],
        )
    ),
    "lse-of-dead-row-plus-inf": _with_lse(lambda lse, problem: np.where(lse == NONE, -NONE, lse)),
    "lse-of-next-row": _with_lse(lambda lse, problem: np.roll(lse, 1, axis=-1)),
    "lse-transposed": _with_lse(lambda lse, problem: lse.swapaxes(-1, -2).reshape(lse.shape)),
    "lse-per-key-head": _with_lse(_lse_of_key_head),
    "query-scaled-in-format": Host(
        product=lambda tile, q, k: tile.format.round(q * F32(tile.head.scale)) @ k.T
    ),
    "scores-in-format": Host(
        product=lambda tile, q, k: tile.format.round(host.product(tile, q, k))
    ),
    "accumulator-in-format": Host(
        add_values=lambda tile, *args: tile.format.round(host.add_values(tile, *args))
    ),
    "rounded-weights-in-sum": Host(
        add_sum=lambda tile, total, fade, p, z, m: total * fade + sum_in_tile(tile.format.round(p))
    ),
    "results-truncated": Host(store=_truncate),
    "crude-exp": Host(weigh=_crude_exp),
    "fp32-through-tf32": Host(
        product=lambda tile, q, k: host.product(tile, _cut_to_11_bits(q), _cut_to_11_bits(k))
    ),
}
