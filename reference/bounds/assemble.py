"""Work: the tensors of one problem's bound, and how the gradients of a group are added to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.bounds.backward import Block, Gradients, KeySums, RowSums, add_tile, row_statistics
from reference.bounds.forward import Errors, Rows
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.bounds.scores import tiles
from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.head import Head
from reference.problem.tiling import blocks, four_axes, rows_of

PARTS = 4  # of the keys of a row block, for threads; a fixed number, so that sums are fixed
FINISHED = 256  # keys that are finished together: few enough to stay near the processor

Map = Callable[[Callable[[Any], Any], list[Any]], list[Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Work:
    """The exact answer of one problem, and the worst errors and sigmas that are summed for it.

    Attributes
    ----------
    problem : Problem
    r : Roundoffs
    maxima : like lse
        Largest score of each row.
    exact, worst, sigma : Result
        The exact answer, and the two tensors of the bound; until a gradient is finished, its sigma
        holds a variance.
    exact_statistics : bool
        The backward reads the exact out and lse.
    block_q, block_k : int
    head_units : one for each of `problem.heads()`
    """

    problem: Problem
    r: Roundoffs
    maxima: Array
    exact: Result
    worst: Result
    sigma: Result
    exact_statistics: bool
    block_q: int
    block_k: int
    head_units: tuple[Units, ...]

    def units(self, head: Head) -> Units:
        """The units and the type that a head is computed in."""
        return self.head_units[head.sequence * self.problem.heads_q + head.head_q]

    def key_sums(self, head: Head) -> KeySums:
        """Views into which the errors of a head's dk and dv are summed, (seqlen_k, dimension)."""
        worst, sigma = self.worst, self.sigma
        assert worst.dk is not None and worst.dv is not None
        assert sigma.dk is not None and sigma.dv is not None
        return KeySums(
            dk=worst.dk[head.at_k],
            dk_variance=sigma.dk[head.at_k],
            dv=worst.dv[head.at_k],
            dv_variance=sigma.dv[head.at_k],
        )

    def rows(self, head: Head, rows: range) -> Rows:
        """The exact out, lse and maximum of some rows, with their dout and dlse, in float64."""
        assert self.exact.out is not None and self.exact.lse is not None
        lse, m = (rows_of(x[head.at_lse], rows)[:, None] for x in (self.exact.lse, self.maxima))
        dlse = 0.0 if head.dlse is None else rows_of(head.dlse, rows)[:, None]
        return Rows(
            rows=rows,
            out=rows_of(self.exact.out[head.at_q], rows),
            dout=None if head.dout is None else rows_of(head.dout, rows).astype(np.float64),
            lse=np.where(np.isfinite(lse), lse, 0.0),
            m=np.where(np.isfinite(m), m, 0.0),
            dlse=np.zeros_like(lse) + dlse,
        )

    def write(self, head: Head, rows: range, errors: Errors) -> None:
        """Write the errors of out and lse."""
        into = self.errors(head, rows)
        for name, tensor in vars(errors).items():
            getattr(into, name)[...] = tensor

    def errors(self, head: Head, rows: range) -> Errors:
        """Views of the errors of out and lse of some rows, as `write` wrote them."""
        worst, sigma = self.worst, self.sigma
        assert worst.out is not None and worst.lse is not None
        assert sigma.out is not None and sigma.lse is not None
        return Errors(
            out=rows_of(worst.out[head.at_q], rows),
            out_sigma=rows_of(sigma.out[head.at_q], rows),
            lse=rows_of(worst.lse[head.at_lse], rows)[:, None],
            lse_sigma=rows_of(sigma.lse[head.at_lse], rows)[:, None],
        )

    @property
    def bias_terms(self) -> int:
        """Gradients at scores that are summed into one element of dbias, at most."""
        if self.problem.bias is None:
            return 0
        sizes = zip(four_axes(self.problem.bias).shape, self.problem.shape_scores, strict=True)
        return int(np.prod([full if size == 1 else 1 for size, full in sizes]))

    @property
    def bias_sums_keys(self) -> bool:
        """Whether the bias is the same for all keys."""
        return self.problem.bias is not None and (self.problem.bias.shape or (1,))[-1] == 1

    def relative(self, terms: int, n_out: int) -> float:
        """Relative variance of a gradient that sums `terms` numbers and is rounded `n_out` times.

        What is systematic in exp adds up in weights and in lse: twice exp_rel.
        """
        r = self.r
        return (
            r.variance(terms) / 3 + n_out * r.u_out**2 / 3 + (2 * r.u) ** 2 / 3 + 4 * r.exp_rel**2
        )


def add_group(work: Work, heads: list[Head], each: Map) -> None:
    """Add the errors of a group's float64 heads to dq, dk, dv and dbias, and finish dk and dv.

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

    def add(part: list[range]) -> RowSums:
        sums = RowSums.zeros(len(rows), head.q.shape[1])
        for keys in part:
            g = add_tile(block, keys, sums, into)
            if work.worst.dbias is not None:
                _add_bias(work, block, keys, g)
        return sums

    seen = list(tiles(head, rows, work.block_k))
    step = -(-len(seen) // PARTS) or 1
    sums = RowSums.zeros(len(rows), head.q.shape[1])
    for part in each(add, [seen[i : i + step] for i in range(0, len(seen), step)]):
        sums.add(part)
    finish_rows(work, block, sums)


def _add_bias(work: Work, block: Block, keys: range, g: Gradients) -> None:
    head, rows, a, r, n = block.head, block.at.rows, block.statistics, work.r, work.bias_terms
    unit = block.units.gradient
    assert work.worst.dbias is not None and work.sigma.dbias is not None
    worst = g.dx_error + r.gamma(n + 4) * np.abs(g.dx)
    _add_to_bias(work.worst.dbias, head, rows, keys, unit * worst)
    variance = g.dx_variance + r.variance(n) * g.dx**2
    if not work.bias_sums_keys:
        variance += g.p**2 * a.variance + g.dx**2 * a.lse_variance
    _add_to_bias(work.sigma.dbias, head, rows, keys, unit**2 * variance)


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
        _add_to_bias(work.sigma.dbias, head, rows, range(1), gradient**2 * shared)


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


def _add_to_bias(total: Array, head: Head, rows: range, keys: range, tile: Array) -> None:
    """Add a tile to what has the bias's shape, summed over the axes that broadcast."""
    into = four_axes(total)[head.at_bias]
    axes = tuple(axis for axis in (0, 1) if into.shape[axis] == 1)
    steps = [
        slice(None) if axis in axes else slice(at.start, at.stop)
        for axis, at in enumerate((rows, keys))
    ]
    into[tuple(steps)] += tile.sum(axis=axes, keepdims=True)
