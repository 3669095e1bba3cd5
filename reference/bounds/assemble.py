"""Work: the tensors of one problem's bound, filled in head by head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.bounds.backward import KeySums
from reference.bounds.forward import Errors, Rows
from reference.bounds.roundoffs import Roundoffs
from reference.bounds.scaling import Units
from reference.formats import Array
from reference.problem import Problem, Result
from reference.problem.head import Head
from reference.problem.tiling import four_axes, rows_of


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
        The exact answer, and what is found; until a gradient is finished its sigma is a variance.
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
        """What a head is computed in."""
        return self.head_units[head.sequence * self.problem.heads_q + head.head_q]

    def key_sums(self, head: Head) -> KeySums:
        """Where the errors of a head's dk and dv are summed."""
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
        """Exact statistics of some rows."""
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

    def write(self, head: Head, rows: range, found: Errors) -> None:
        """Write the errors of out and lse."""
        into = self.errors(head, rows)
        for name, tensor in vars(found).items():
            getattr(into, name)[...] = tensor

    def errors(self, head: Head, rows: range) -> Errors:
        """Errors of out and lse, found before."""
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
        """Relative variance of a gradient that sums `terms` and is rounded `n_out` times.

        What is systematic in exp adds up in weights and in lse: twice exp_rel.
        """
        r = self.r
        return (
            r.variance(terms) / 3 + n_out * r.u_out**2 / 3 + (2 * r.u) ** 2 / 3 + 4 * r.exp_rel**2
        )
