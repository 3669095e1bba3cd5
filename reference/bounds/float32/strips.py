"""Strips: some rows of a head in float32, forward and backward, side by side in threads."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from reference.bounds.assemble import Work, finish_rows
from reference.bounds.backward import Block, KeySums, row_statistics
from reference.bounds.float32.backward import Share
from reference.bounds.float32.factors import strip_factors
from reference.bounds.float32.forward import forward_sums
from reference.bounds.float32.tiles import Weights
from reference.bounds.forward import forward
from reference.parallel.addition_order import AdditionOrder
from reference.parallel.scratch import Scratch
from reference.parallel.threads import run
from reference.problem.head import Head
from reference.problem.tiling import blocks, rows_of


def add_strips(work: Work, groups: list[list[Head]], threads: int | None) -> None:
    """Write the errors of out, lse and dq of the heads that float32 serves; add to dk and dv."""
    local = threading.local()  # tiles of one thread
    order = AdditionOrder()

    def task(at: tuple[list[Head], int, Head, range]) -> None:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch(np.dtype(np.float32))
        with order.alarm():
            _solve_strip(work, *at, order, local.scratch)

    tasks = []
    for group in groups:
        heads = [head for head in group if work.units(head).dtype == np.float32]
        strips = [(head, rows) for head in heads for rows in blocks(head.seqlen_q, work.block_q)]
        tasks += [(group, number, head, rows) for number, (head, rows) in enumerate(strips)]
    run(task, tasks, threads=threads)


def _solve_strip(
    work: Work,
    group: list[Head],
    number: int,
    head: Head,
    rows: range,
    order: AdditionOrder,
    scratch: Scratch,
) -> None:
    units, at = work.units(head), work.rows(head, rows)
    block_k = 2 * work.block_k  # half the bytes of float64; BLAS is faster on larger products
    m = rows_of(work.maxima[head.at_lse], rows)[:, None]
    sums, m[...], weights = forward_sums(head, work.r, units, at, block_k, scratch)
    keys = sums.keys.copy()  # without the sink, which `forward` adds
    at = replace(at, m=np.where(np.isfinite(m), m, 0.0))
    work.write(head, rows, forward(head, work.r, units, at, sums))
    if work.problem.dout is None:
        return
    errors = work.errors(head, rows)
    block = Block(
        head=head,
        r=work.r,
        units=units,
        at=at,
        statistics=row_statistics(
            work.r, units, at, errors, exact_statistics=work.exact_statistics
        ),
        terms=sum(head.seqlen_q for head in group),
        q=weights.exponents.q,
        dout=units.scaled_dout(head, rows),
    )
    strip, into = strip_factors(block, weights, scratch), work.key_sums(head)
    number_at = {piece.keys.start // block_k: n for n, piece in enumerate(weights.pieces)}
    for place in range(-(-head.seqlen_k // block_k)):
        share = strip.add(number_at[place], scratch) if place in number_at else None
        turn: Hashable = (head.sequence, head.head_k, place)
        with order.turn(turn, number):
            if share is not None:
                _add(into, weights, number_at[place], share)
    finish_rows(work, block, strip.row_sums(keys))


def _add(into: KeySums, weights: Weights, at: int, share: Share) -> None:
    keys = weights.pieces[at].keys
    totals = [
        rows_of(total, keys) for total in (into.dk, into.dk_variance, into.dv, into.dv_variance)
    ]
    for total, product, unit in zip(totals, share.products, share.units, strict=True):
        exact = product.astype(np.float64)
        exact *= unit
        total += exact
    for total, underflow in zip(totals, share.underflow, strict=bool(share.underflow)):
        total += underflow
