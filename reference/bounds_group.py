"""Errors of the gradients of one group: the query heads that share a key head, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reference.bounds_backward import Block, Gradients, RowSums, add_tile, arrivals
from reference.bounds_exact import add_to_bias, part, row_blocks
from reference.bounds_float32_backward import prepare
from reference.bounds_scores import tiles
from reference.bounds_scratch import Scratch
from reference.bounds_work import Work
from reference.head import Head

PARTS = 4  # in which the keys of a row block may be taken side by side; fixed, so that sums are

Map = Callable[[Callable[[Any], Any], list[Any]], list[Any]]


def add_group(work: Work, heads: list[Head], each: Map) -> None:
    """Write the errors of dq, dk and dv of a group, and add those of dbias.

    `each` calls a function on every item of a list, side by side or not.
    """
    terms = sum(head.seqlen_q for head in heads)
    free: list[Scratch] = []  # of tasks that are over
    for head in heads:
        for rows in row_blocks(head, work.block_q):
            _add_rows(work, head, rows, terms, each, free)
    _finish_keys(work, heads[0], terms)


def _add_rows(
    work: Work, head: Head, rows: range, terms: int, each: Map, free: list[Scratch]
) -> None:
    units, at, errors = work.units(head), work.rows(head, rows), work.errors(head, rows)
    block = Block(
        head=head,
        r=work.r,
        units=units,
        at=at,
        arrivals=arrivals(work.r, units, at, errors, exact_statistics=work.exact_statistics),
        terms=terms,
        q=units.scaled_q(head, rows),
        dout=units.scaled_dout(head, rows),
    )
    into = work.key_sums(head)
    quick = prepare(block) if units.dtype == np.float32 else None

    def add(some: list[range]) -> RowSums:
        sums = RowSums.zeros(len(rows), head.q.shape[1])
        if quick is not None:
            scratch = free.pop() if free else Scratch(head, *work.largest_tile(head))
            quick.add_tiles(some, sums, into, scratch)
            free.append(scratch)
            return sums
        for keys in some:
            g = add_tile(block, keys, sums, into)
            if work.worst.dbias is not None:
                _add_bias(work, block, keys, g)
        return sums

    seen = list(tiles(head, rows, work.block_k))
    step = -(-len(seen) // PARTS) or 1
    sums = RowSums.zeros(len(rows), head.q.shape[1])
    for some in each(add, [seen[i : i + step] for i in range(0, len(seen), step)]):
        sums.add(some)
    _finish_rows(work, block, sums)


def _add_bias(work: Work, block: Block, keys: range, g: Gradients) -> None:
    head, rows, a, r, n = block.head, block.at.rows, block.arrivals, work.r, work.bias_terms
    unit = block.units.gradient
    assert work.worst.dbias is not None and work.sigma.dbias is not None
    worst = g.dx_error + r.gamma(n + 4) * np.abs(g.dx)
    add_to_bias(work.worst.dbias, head, rows, keys, unit * worst)
    variance = g.dx_variance + r.variance(n) * g.dx**2
    if not work.bias_sums_keys:
        variance += g.p**2 * a.variance + g.dx**2 * a.lse_variance
    add_to_bias(work.sigma.dbias, head, rows, keys, unit**2 * variance)


def _finish_rows(work: Work, block: Block, sums: RowSums) -> None:
    head, rows, a, r = block.head, block.at.rows, block.arrivals, work.r
    assert work.exact.dq is not None and work.worst.dq is not None and work.sigma.dq is not None
    scale, gradient = abs(head.scale), block.units.gradient
    unit = scale * gradient * block.units.k
    dq = np.abs(part(work.exact.dq[head.at_q], rows))
    worst = unit * sums.worst * (1 + r.u_out + 2 * r.u) + (r.u_out + 2 * r.u) * dq
    worst += r.n_out * r.eta_out + head.seqlen_k * r.eta * max(scale, 1.0)
    variance = unit**2 * (sums.variance + a.variance * sums.weighted**2)
    variance += dq**2 * (a.lse_variance + work.relative(r.chain(head.seqlen_k), r.n_out))
    dead = sums.p == 0
    part(work.worst.dq[head.at_q], rows)[...] = np.where(dead, 0.0, worst)
    part(work.sigma.dq[head.at_q], rows)[...] = np.where(dead, 0.0, np.sqrt(variance) + r.eta_out)
    if work.sigma.dbias is not None and work.bias_sums_keys:
        shared = a.variance * sums.p**2 + a.lse_variance * sums.dx**2
        add_to_bias(work.sigma.dbias, head, rows, range(1), gradient**2 * shared)


def _finish_keys(work: Work, head: Head, terms: int) -> None:
    r, scale = work.r, abs(head.scale)
    for name, rounding, factor in (
        ("dk", r.u_out + 2 * r.u, max(scale, 1.0)),
        ("dv", r.u_out, 1.0),
    ):
        exact = np.abs(getattr(work.exact, name)[head.at_k])
        worst, sigma = getattr(work.worst, name)[head.at_k], getattr(work.sigma, name)[head.at_k]
        worst *= 1 + rounding
        worst += rounding * exact + (r.n_out_kv * r.eta_out + terms * r.eta * factor)
        sigma += exact**2 * work.relative(terms, r.n_out_kv)
        sigma[...] = np.sqrt(sigma) + r.eta_out
