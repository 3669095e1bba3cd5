"""Errors of the gradients of one group: the query heads that share a key head, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reference.bounds.assemble import Work
from reference.bounds.backward import Block, Gradients, RowSums, add_tile, row_statistics
from reference.bounds.rows import add_to_bias
from reference.bounds.scores import tiles
from reference.problem.head import Head
from reference.problem.tiling import blocks, rows_of

PARTS = 4  # of the keys of a row block, for threads; a fixed number, so that sums are fixed
FINISHED = 256  # keys that are finished together: few enough to stay near the processor

Map = Callable[[Callable[[Any], Any], list[Any]], list[Any]]


def add_group(work: Work, heads: list[Head], each: Map) -> None:
    """Add the errors of a group's heads that float64 serves to dq, dk, dv and dbias, and finish it.

    `each` calls a function on every item of a list, side by side or not.
    """
    terms = sum(head.seqlen_q for head in heads)
    for head in heads:
        if work.units(head).dtype == np.float64:
            for rows in blocks(head.seqlen_q, work.block_q):
                _add_rows(work, head, rows, terms, each)
    _finish_keys(work, heads[0], terms)


def _add_rows(work: Work, head: Head, rows: range, terms: int, each: Map) -> None:
    units, at, errors = work.units(head), work.rows(head, rows), work.errors(head, rows)
    block = Block(
        head=head,
        r=work.r,
        units=units,
        at=at,
        statistics=row_statistics(
            work.r, units, at, errors, exact_statistics=work.exact_statistics
        ),
        terms=terms,
        q=units.scaled_q(head, rows),
        dout=units.scaled_dout(head, rows),
    )
    into = work.key_sums(head)

    def add(some: list[range]) -> RowSums:
        sums = RowSums.zeros(len(rows), head.q.shape[1])
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
    finish_rows(work, block, sums)


def _add_bias(work: Work, block: Block, keys: range, g: Gradients) -> None:
    head, rows, a, r, n = block.head, block.at.rows, block.statistics, work.r, work.bias_terms
    unit = block.units.gradient
    assert work.worst.dbias is not None and work.sigma.dbias is not None
    worst = g.dx_error + r.gamma(n + 4) * np.abs(g.dx)
    add_to_bias(work.worst.dbias, head, rows, keys, unit * worst)
    variance = g.dx_variance + r.variance(n) * g.dx**2
    if not work.bias_sums_keys:
        variance += g.p**2 * a.variance + g.dx**2 * a.lse_variance
    add_to_bias(work.sigma.dbias, head, rows, keys, unit**2 * variance)


def finish_rows(work: Work, block: Block, sums: RowSums) -> None:
    """Write the errors of dq in some rows."""
    head, rows, a, r = block.head, block.at.rows, block.statistics, work.r
    assert work.exact.dq is not None and work.worst.dq is not None and work.sigma.dq is not None
    scale, gradient = abs(head.scale), block.units.gradient
    unit = scale * gradient * block.units.k
    dq = np.abs(rows_of(work.exact.dq[head.at_q], rows))
    worst = rows_of(work.worst.dq[head.at_q], rows)
    sigma = rows_of(work.sigma.dq[head.at_q], rows)
    np.multiply(sums.worst, unit * (1 + r.u_out + 2 * r.u), out=worst)
    worst += (r.u_out + 2 * r.u) * dq
    worst += r.n_out * r.eta_out + head.seqlen_k * r.eta * max(scale, 1.0)
    np.multiply(sums.weighted, sums.weighted, out=sigma)
    sigma *= a.variance
    sigma += sums.variance
    sigma *= unit**2
    dq *= dq
    dq *= a.lse_variance + work.relative(r.chain(head.seqlen_k), r.n_out)
    sigma += dq
    np.sqrt(sigma, out=sigma)
    sigma += r.eta_out
    dead = sums.p[:, 0] == 0
    worst[dead], sigma[dead] = 0.0, 0.0
    if work.sigma.dbias is not None and work.bias_sums_keys:
        shared = a.variance * sums.p**2 + a.lse_variance * sums.dx**2
        add_to_bias(work.sigma.dbias, head, rows, range(1), gradient**2 * shared)


def _finish_keys(work: Work, head: Head, terms: int) -> None:
    r, scale = work.r, abs(head.scale)
    for name, rounding, factor in (
        ("dk", r.u_out + 2 * r.u, max(scale, 1.0)),
        ("dv", r.u_out, 1.0),
    ):
        for keys in blocks(head.seqlen_k, FINISHED):
            exact = np.abs(rows_of(getattr(work.exact, name)[head.at_k], keys))
            worst, sigma = (
                rows_of(getattr(x, name)[head.at_k], keys) for x in (work.worst, work.sigma)
            )
            worst *= 1 + rounding
            worst += rounding * exact + (r.n_out_kv * r.eta_out + terms * r.eta * factor)
            exact *= exact
            exact *= work.relative(terms, r.n_out_kv)
            sigma += exact
            np.sqrt(sigma, out=sigma)
            sigma += r.eta_out
