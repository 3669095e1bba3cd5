"""Strips: some rows of a head in float32, forward and backward, side by side in threads."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from reference.bounds.assemble import Work
from reference.bounds.backward import Block, KeySums, arrivals
from reference.bounds.float32.backward import Share, prepare
from reference.bounds.float32.forward import forward_sums
from reference.bounds.float32.tiles import Weights
from reference.bounds.forward import forward
from reference.bounds.group import finish_rows
from reference.bounds.rows import part, row_blocks
from reference.bounds.scratch import Scratch
from reference.parallel.turns import Turns
from reference.parallel.workers import run
from reference.problem.head import Head


def add_strips(work: Work, groups: list[list[Head]], threads: int | None) -> None:
    """Write the errors of out, lse and dq of the heads that float32 serves; add to dk and dv."""
    local = threading.local()  # tiles of one thread
    turns = Turns()

    def task(at: tuple[list[Head], int, Head, range]) -> None:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch()
        with turns.alarm():
            _solve(work, *at, turns, local.scratch)

    tasks = []
    for group in groups:
        heads = [head for head in group if work.units(head).dtype == np.float32]
        strips = [(head, rows) for head in heads for rows in row_blocks(head, work.block_q)]
        tasks += [(group, number, head, rows) for number, (head, rows) in enumerate(strips)]
    run(task, tasks, threads=threads)


def _solve(
    work: Work,
    group: list[Head],
    number: int,
    head: Head,
    rows: range,
    turns: Turns,
    scratch: Scratch,
) -> None:
    units, at = work.units(head), work.rows(head, rows)
    block_k = 2 * work.block_k  # half the bytes of float64; BLAS is faster on larger products
    m = part(work.maxima[head.at_lse], rows)[:, None]
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
        arrivals=arrivals(work.r, units, at, errors, exact_statistics=work.exact_statistics),
        terms=sum(head.seqlen_q for head in group),
        q=weights.left.q,
        dout=units.scaled_dout(head, rows),
    )
    quick, into = prepare(block, weights, scratch), work.key_sums(head)
    seen = {piece.keys.start // block_k: at for at, piece in enumerate(weights.pieces)}
    for place in range(-(-head.seqlen_k // block_k)):
        share = quick.add(seen[place], scratch) if place in seen else None
        turn: Hashable = (head.sequence, head.head_k, place)
        with turns.turn(turn, number):
            if share is not None:
                _add(into, weights, seen[place], share)
    finish_rows(work, block, quick.row_sums(keys))


def _add(into: KeySums, weights: Weights, at: int, share: Share) -> None:
    keys = weights.pieces[at].keys
    totals = [part(total, keys) for total in (into.dk, into.dk_variance, into.dv, into.dv_variance)]
    for total, product, unit in zip(totals, share.products, share.units, strict=True):
        exact = product.astype(np.float64)
        exact *= unit
        total += exact
    for total, underflow in zip(totals, share.underflow, strict=bool(share.underflow)):
        total += underflow
