"""Chance: what of an answer's errors the contract leaves to chance, and what is not chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from conformance.verdict.independence import common_axes, flushing, repetition, saturates
from conformance.verdict.statistics import Slope, Statistics, statistics
from reference.bounds import Allowed
from reference.contract import Contract
from reference.formats import Array, Format
from reference.problem import Problem, Result

CONSTANTS = {"lse": 3, "dq": 1, "dk": 1}
"""How many constants are rounded once for all rows: scale; in lse log2(e) and its inverse, too."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Chance:
    """What is known of the errors of one answer.

    Attributes
    ----------
    problem, contract : Problem, Contract
    repeats : str
        Why no statistic of any tensor has a meaning; empty if they have.
    common_to_dv : float
        Standard deviation that the errors of lse give to the sum of error * dv.
    """

    problem: Problem
    contract: Contract
    repeats: str
    common_to_dv: float

    def statistics(
        self, name: str, error: Array, want: Array, worst: Array, sigma: Array, *, format: Format
    ) -> Statistics:
        """The statistics of a tensor's errors, as far as they mean something.

        Source: docs/numerics.md, section 9.
        """
        unknown = self.repeats or flushing(want, self.problem, self.contract, format)
        if unknown:
            return Statistics(not_computed=f"z_max, z_rms, slope_z: {unknown}")
        axes = common_axes(name, want.shape)
        weights = self.contract.exp_rel
        if name != "lse":
            weights += self._rounding_of_kept()
        compute = self.contract.resolve(self.problem.format).compute
        constants = CONSTANTS.get(name, 0) * compute.unit_roundoff
        # a relative error of the weights is an absolute one of lse, and meets a gradient twice
        relative, absolute = {"out": (1, 0), "lse": (0, 1)}.get(name, (2, 0))
        by_key = name == "dv" and not saturates(
            self.problem
        )  # its weights are its own, but for lse
        with np.errstate(invalid="ignore"):
            rounding = format.round(want) - want
        slope = Slope(
            axes=(-1,) if by_key else axes,
            common=self.common_to_dv if by_key else 0.0,
            relative=relative * weights + constants,
            absolute=absolute * weights,
            rounding=rounding,
        )
        return statistics(error, want, worst, sigma, axes=axes, slope=slope)

    def _rounding_of_kept(self) -> float:
        """Relative error of 1 / (1 - p) in the weights' format: the same wherever one is 1."""
        if self.problem.dropout is None:
            return 0.0
        z = np.asarray(self.problem.dropout.scale)
        return float(abs(self.contract.resolve(self.problem.format).weights.round(z) / z - 1))


def chance(problem: Problem, contract: Contract, want: Result, allowed: Allowed) -> Chance:
    """What is known of the errors of a kernel under `contract`; lse in natural logarithms."""
    return Chance(
        problem=problem,
        contract=contract,
        repeats=repetition(problem, contract),
        common_to_dv=_common_to_dv(problem, want, allowed),
    )


def _common_to_dv(problem: Problem, want: Result, allowed: Allowed) -> float:
    """What an error of lse, the same for all weights of its row, does to the sum of error * dv.

    Its row adds sum_j P_ij dout_i dv_j, at most sum_c |dout_ic| max_j |dv_jc|. Twice the variance
    of lse covers the rest that a row's weights share: what lse is multiplied by and divided by.
    """
    if want.dv is None or not want.dv.size:
        return 0.0
    assert problem.dout is not None and allowed.sigma.lse is not None
    largest = np.abs(want.dv).max(axis=tuple(range(want.dv.ndim - 1)))
    if problem.dropout is not None:
        largest = largest * float(problem.dropout.scale)
    reach = np.swapaxes(np.abs(problem.dout.astype(np.float64)) @ largest, -1, -2)
    with np.errstate(all="ignore"):
        return math.sqrt(2) * float(
            np.linalg.norm(np.where(reach > 0, allowed.sigma.lse * reach, 0.0))
        )
